"""Named arrays in a file that processes hand to each other: numpy's own .npz, never a pickle."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

Array = np.ndarray[Any, np.dtype[Any]]


def save(path: Path | str, arrays: Mapping[str, Array]) -> None:
    """Writes them. Raises OSError."""
    np.savez(path, allow_pickle=False, **{f"array:{name}": array for name, array in arrays.items()})


def load(path: Path | str) -> dict[str, Array]:
    """Reads them all. Raises OSError and ValueError."""
    with np.load(path, allow_pickle=False) as archive:
        return {name.removeprefix("array:"): archive[name] for name in archive.files}
