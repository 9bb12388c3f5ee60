"""ONNX Runtime on an x86-64 CPU, in which what a method made takes a known time longer: for a benchmark that must find it again."""

from suite.contracts import Skip, TargetCard
from targets.x86_cpu_ort import probe as reference_probe

CARD = TargetCard(
    name="delayed",
    title="x86-64 CPU, ONNX Runtime, artifacts delayed",
    summary="The reference target, with calls of an artifact made 5 % longer by spinning. The baseline is not delayed.",
    device="x86 CPU",
    runtime="onnxruntime",
    formats=("onnx",),
    settings={"threads": 1, "graph_optimization": "all", "batch_size": 1, "delay": 0.05},
)


def probe() -> Skip | None:
    """Why it does not run here, or None."""
    return reference_probe()
