"""The words that plug-ins of every kind share."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

if TYPE_CHECKING:
    import numpy as np

    Array = np.ndarray[Any, np.dtype[Any]]
    Arrays = Mapping[str, Array]
    Run = Callable[[str, Arrays], Arrays]

BASELINE = "baseline_fp32"
"""The method that leaves everything as it is: what all others are compared with."""

Advance = Callable[[int, int, str], None]
"""Reports progress: steps done, steps in all, what is being done."""

Modality = Literal["vision", "text", "audio", "fusion", "decoder"]
Family = Literal["baseline", "quantization", "pruning", "distillation", "low-rank", "structure", "token reduction", "runtime", "recipe"]
Stage = Literal["module", "graph", "runtime", "recipe"]
Division = Literal["data-free", "calibration", "training"]
Value = bool | int | float | str


@dataclass(frozen=True, slots=True)
class Skip:
    """Why something does not apply: an answer, not an error."""

    reason: str


class NotApplicable(ValueError):
    """Raised by a method's `apply` that finds nothing which it could be applied to: the cell is unsupported, with this reason."""
