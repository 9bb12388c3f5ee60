"""ONNX Runtime on an emulated ARM CPU with int8 matrix products."""

from suite.contracts import Skip, TargetCard

CARD = TargetCard(
    name="arm_i8mm_emulated",
    title="ARM CPU with int8 matrix products (emulated), ONNX Runtime",
    summary="The kernels that ONNX Runtime takes where there is i8mm, as on a Graviton 3 or an Apple M2; without SVE.",
    device="ARM CPU",
    runtime="onnxruntime",
    formats=("onnx",),
    instruction_sets=("asimd", "asimddp", "i8mm"),
    settings={"threads": 1, "graph_optimization": "all", "batch_size": 1, "cpu": "max,sve=off,sme=off,pauth-impdef=on"},
    runner="x86_cpu_ort",
    environment="arm-emulated",
    ranks_latency=False,
    items=300,
    patience=40.0,
)


def probe() -> Skip | None:
    """QEMU and the ARM system are its environment's: any machine that has it can be this target."""
    return None
