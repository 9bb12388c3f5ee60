"""PyTorch on an NVIDIA GPU."""

from importlib import metadata
from pathlib import Path

from suite.contracts import Skip, TargetCard

CARD = TargetCard(
    name="cuda_torch",
    title="CUDA, PyTorch",
    summary="Programs of torch.export on one NVIDIA GPU, in fp32 without TF32. The reference target of CUDA.",
    device="CUDA",
    runtime="torch",
    formats=("torch_export",),
    precisions=("fp32", "bf16", "fp16", "int8"),
    libraries=("torchao",),
    settings={"threads": 1, "mode": "eager", "device": 0, "tf32": False, "batch_size": 1},
)


def probe() -> Skip | None:
    """Why it does not run here, or None. Imports nothing: every plan asks for it."""
    try:
        version = metadata.version("torch")
    except metadata.PackageNotFoundError:
        return Skip("torch is not installed here: pip install 'squeezemark[run]'")
    if not any((*Path("/dev").glob("nvidia[0-9]*"), *Path("/dev").glob("dxg"))):
        return Skip("this machine shows no NVIDIA GPU (/dev/nvidia0)")
    if version.endswith("+cpu"):
        return Skip(f"this build of torch ({version}) has no CUDA: pip install torch from an index with CUDA builds")
    return None
