"""OpenVINO on an x86-64 CPU, one thread, in 32 bits."""

import importlib.util
import platform

from suite.contracts import Skip, TargetCard

CARD = TargetCard(
    name="x86_cpu_openvino",
    title="x86-64 CPU, OpenVINO",
    summary="Intel's runtime on one core, reading the same ONNX files; what is not quantized is computed in fp32.",
    device="x86 CPU",
    runtime="openvino",
    formats=("onnx",),
    precisions=("fp32", "int8"),
    libraries=("openvino",),
    settings={"threads": 1, "inference_precision": "f32", "performance_hint": "LATENCY", "batch_size": 1},
    reference="x86_cpu_ort",
)


def probe() -> Skip | None:
    """Why it does not run here, or None."""
    machine = platform.machine().lower()
    if machine not in ("x86_64", "amd64"):
        return Skip(f"this machine is {machine}, not x86-64")
    if importlib.util.find_spec("openvino") is None:
        return Skip("openvino is not installed here: pip install 'squeezemark[openvino]'")
    return None
