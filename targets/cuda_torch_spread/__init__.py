"""PyTorch on several NVIDIA GPUs, the components of a model spread over them."""

from importlib import metadata
from pathlib import Path

from suite.contracts import Skip, TargetCard

CARD = TargetCard(
    name="cuda_torch_spread",
    title="CUDA, PyTorch on several GPUs",
    summary="The same programs, each component on a GPU of its own, in turn if there are fewer; data between them go through the host.",
    device="CUDA",
    runtime="torch",
    formats=("torch_export",),
    precisions=("fp32", "bf16", "fp16", "int8"),
    libraries=("torchao",),
    settings={"threads": 1, "mode": "eager", "placement": "spread", "tf32": False, "batch_size": 1},
    reference="cuda_torch",
    runner="cuda_torch",
)


def probe() -> Skip | None:
    """Why it does not run here, or None. Imports nothing: every plan asks for it."""
    try:
        version = metadata.version("torch")
    except metadata.PackageNotFoundError:
        return Skip("torch is not installed here: pip install 'squeezemark[run]'")
    if len([*Path("/dev").glob("nvidia[0-9]*")]) < 2:
        return Skip("this machine does not show two NVIDIA GPUs (/dev/nvidia0, /dev/nvidia1)")
    if version.endswith("+cpu"):
        return Skip(f"this build of torch ({version}) has no CUDA: pip install torch from an index with CUDA builds")
    return None
