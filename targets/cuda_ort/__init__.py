"""ONNX Runtime on an NVIDIA GPU, through its CUDA execution provider."""

from importlib import metadata
from pathlib import Path

from suite.contracts import Skip, TargetCard

CARD = TargetCard(
    name="cuda_ort",
    title="CUDA, ONNX Runtime",
    summary="The same ONNX files on one NVIDIA GPU; a graph of which a part would fall back to the processor is refused.",
    device="CUDA",
    runtime="onnxruntime",
    formats=("onnx",),
    precisions=("fp32", "fp16", "int8"),
    libraries=("onnxruntime-gpu",),
    settings={"threads": 1, "provider": "CUDAExecutionProvider", "device": 0, "tf32": False, "batch_size": 1},
    reference="cuda_torch",
)


def probe() -> Skip | None:
    """Why it does not run here, or None. Imports nothing: that a provider really came is checked where it is used."""
    if not any((*Path("/dev").glob("nvidia[0-9]*"), *Path("/dev").glob("dxg"))):
        return Skip("this machine shows no NVIDIA GPU (/dev/nvidia0)")
    for name in ("onnxruntime-gpu",):
        try:
            metadata.version(name)
        except metadata.PackageNotFoundError:
            return Skip(f"{name} is not installed here: pip install {name}, in place of onnxruntime")
    return None
