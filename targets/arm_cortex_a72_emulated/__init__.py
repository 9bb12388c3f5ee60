"""ONNX Runtime on an emulated ARM Cortex-A72."""

from suite.contracts import Skip, TargetCard

CARD = TargetCard(
    name="arm_cortex_a72_emulated",
    title="ARM Cortex-A72 (emulated), ONNX Runtime",
    summary="The kernels that ONNX Runtime takes on a Raspberry Pi 4, which has no dot product.",
    device="ARM CPU",
    runtime="onnxruntime",
    formats=("onnx",),
    instruction_sets=("asimd",),
    settings={"threads": 1, "graph_optimization": "all", "batch_size": 1, "cpu": "cortex-a72"},
    runner="x86_cpu_ort",
    environment="arm-emulated",
    ranks_latency=False,
    items=300,
    patience=40.0,
)


def probe() -> Skip | None:
    """QEMU and the ARM system are its environment's: any machine that has it can be this target."""
    return None
