"""ExecuTorch and what compressing for it needs, in a virtual environment of their own: they bring forty libraries."""

from collections.abc import Callable
from pathlib import Path

from suite.environments import litert
from suite.environments.litert import counter, interpreter

__all__ = ["build", "counter", "interpreter"]

Say = Callable[[str], None]

LOCK = Path(__file__).with_suffix(".txt")
WANTED = (
    "executorch", "torch", "torchao", "torch-pruning", "onnx", "onnxscript", "safetensors", "pillow", "matplotlib", "fonttools", "msgspec",
    "zstandard", "psutil",
)  # fmt: skip


def build(folder: Path, say: Say) -> dict[str, str]:
    """Makes the virtual environment; the versions of what decides a result. Raises UsageError."""
    trial = "from executorch.runtime import Runtime; assert Runtime.get().backend_registry.is_available('XnnpackBackend')"
    return litert.made(folder, say, "ExecuTorch", LOCK, WANTED, WANTED[:3], trial)
