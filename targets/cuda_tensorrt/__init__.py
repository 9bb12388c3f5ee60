"""TensorRT on an NVIDIA GPU, as an execution provider of ONNX Runtime."""

from importlib import metadata
from pathlib import Path

from suite.contracts import Skip, TargetCard

CARD = TargetCard(
    name="cuda_tensorrt",
    title="CUDA, TensorRT",
    summary="The same ONNX files compiled by TensorRT for one NVIDIA GPU, in fp32; 2:4 weights may go to sparse tensor cores. "
    "Building the engine counts as loading.",
    device="CUDA",
    runtime="tensorrt",
    formats=("onnx",),
    precisions=("fp32", "int8"),
    libraries=("onnxruntime-gpu", "tensorrt"),
    settings={"threads": 1, "provider": "TensorrtExecutionProvider", "device": 0, "fp16": False, "sparsity": True, "batch_size": 1},
    reference="cuda_torch",
    runner="cuda_ort",
    patience=5.0,
)


def probe() -> Skip | None:
    """Why it does not run here, or None. Imports nothing: that a provider really came is checked where it is used."""
    if not any((*Path("/dev").glob("nvidia[0-9]*"), *Path("/dev").glob("dxg"))):
        return Skip("this machine shows no NVIDIA GPU (/dev/nvidia0)")
    for name in ("onnxruntime-gpu", "tensorrt"):
        try:
            metadata.version(name)
        except metadata.PackageNotFoundError:
            return Skip(f"{name} is not installed here: pip install {name}, in place of onnxruntime")
    return None
