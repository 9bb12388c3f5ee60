"""ONNX Runtime on an x86-64 CPU, one thread."""

import importlib.util
import platform

from suite.contracts import Skip, TargetCard

CARD = TargetCard(
    name="x86_cpu_ort",
    title="x86-64 CPU, ONNX Runtime",
    summary="ONNX Runtime's CPU execution provider on one core: the path that most people deploy first. The reference target of x86 CPUs.",
    device="x86 CPU",
    runtime="onnxruntime",
    formats=("onnx",),
    settings={"threads": 1, "graph_optimization": "all", "batch_size": 1},
)


def probe() -> Skip | None:
    """Why it does not run here, or None."""
    machine = platform.machine().lower()
    if machine not in ("x86_64", "amd64"):
        return Skip(f"this machine is {machine}, not x86-64")
    if importlib.util.find_spec("onnxruntime") is None:
        return Skip("onnxruntime is not installed here: pip install onnxruntime")
    return None
