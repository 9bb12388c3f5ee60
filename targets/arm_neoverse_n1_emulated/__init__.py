"""ONNX Runtime on an emulated ARM Neoverse N1."""

from suite.contracts import Skip, TargetCard

CARD = TargetCard(
    name="arm_neoverse_n1_emulated",
    title="ARM Neoverse N1 (emulated), ONNX Runtime",
    summary="The kernels that ONNX Runtime takes on a Graviton 2 or an Ampere Altra, which have the dot product of bytes.",
    device="ARM CPU",
    runtime="onnxruntime",
    formats=("onnx",),
    instruction_sets=("asimd", "asimddp"),
    settings={"threads": 1, "graph_optimization": "all", "batch_size": 1, "cpu": "neoverse-n1"},
    runner="x86_cpu_ort",
    environment="arm-emulated",
    ranks_latency=False,
    items=300,
    patience=40.0,
)


def probe() -> Skip | None:
    """QEMU and the ARM system are its environment's: any machine that has it can be this target."""
    return None
