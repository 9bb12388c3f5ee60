"""ONNX Runtime on an ARM CPU, one thread."""

import importlib.util
import platform

from suite.contracts import Skip, TargetCard

CARD = TargetCard(
    name="arm_cpu_ort",
    title="ARM CPU, ONNX Runtime",
    summary="ONNX Runtime's CPU provider on one 64-bit ARM core: Raspberry Pi, Graviton, Apple. The reference target of ARM CPUs.",
    device="ARM CPU",
    runtime="onnxruntime",
    formats=("onnx",),
    instruction_sets=("asimd", "asimddp", "i8mm"),
    settings={"threads": 1, "graph_optimization": "all", "batch_size": 1},
    runner="x86_cpu_ort",
)


def probe() -> Skip | None:
    """Why it does not run here, or None."""
    machine = platform.machine().lower()
    if machine not in ("aarch64", "arm64"):
        return Skip(f"this machine is {machine}, not aarch64; the targets that emulate ARM run here")
    if importlib.util.find_spec("onnxruntime") is None:
        return Skip("onnxruntime is not installed here: pip install onnxruntime")
    return None
