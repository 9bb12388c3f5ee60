"""PyTorch on an NVIDIA GPU, compiled by Inductor."""

from importlib import metadata
from pathlib import Path

from suite.contracts import Skip, TargetCard

CARD = TargetCard(
    name="cuda_inductor",
    title="CUDA, PyTorch compiled by Inductor",
    summary="The same programs on one NVIDIA GPU, compiled by torch.compile at the first call, which that belongs to.",
    device="CUDA",
    runtime="torch",
    formats=("torch_export",),
    precisions=("fp32", "bf16", "fp16", "int8"),
    libraries=("torchao", "triton"),
    settings={"threads": 1, "mode": "compile", "device": 0, "tf32": False, "batch_size": 1},
    reference="cuda_torch",
    runner="cuda_torch",
    patience=5.0,
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
