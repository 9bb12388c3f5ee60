"""OpenVINO on an x86-64 CPU, one thread, in bfloat16 where it has not been quantized."""

import importlib.util
import platform

from suite.contracts import Skip, TargetCard

CARD = TargetCard(
    name="x86_cpu_openvino_bf16",
    title="x86-64 CPU, OpenVINO, bfloat16",
    summary="Intel's runtime on one core, told to compute in bfloat16 what is not quantized: a method that nobody has to apply.",
    device="x86 CPU",
    runtime="openvino",
    formats=("onnx",),
    precisions=("bf16", "int8"),
    libraries=("openvino",),
    settings={"threads": 1, "inference_precision": "bf16", "performance_hint": "LATENCY", "batch_size": 1},
    reference="x86_cpu_ort",
    runner="x86_cpu_openvino",
)


def probe() -> Skip | None:
    """Why it does not run here, or None."""
    machine = platform.machine().lower()
    if machine not in ("x86_64", "amd64"):
        return Skip(f"this machine is {machine}, not x86-64")
    if importlib.util.find_spec("openvino") is None:
        return Skip("openvino is not installed here: pip install 'squeezemark[openvino]'")
    return None
