"""Named arrays in a file that processes hand to each other: numpy's own .npz, never a pickle."""

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

Array = np.ndarray[Any, np.dtype[Any]]


def save(path: Path | str, arrays: Mapping[str, Array]) -> None:
    """Writes them. Raises OSError."""
    np.savez(path, allow_pickle=False, **{f"array:{name}": array for name, array in arrays.items()})


def load(path: Path | str) -> dict[str, Array]:
    """Reads them all. Raises OSError and ValueError, and zipfile.BadZipFile for a file that is cut short."""
    with open(path, "rb") as file, np.load(file, allow_pickle=False) as archive:  # numpy leaves a broken file open
        return {name.removeprefix("array:"): archive[name] for name in archive.files}


def save_calls(path: Path | str, calls: Sequence[Mapping[str, Array]]) -> None:
    """Writes the inputs of several calls of one component, whose shapes may differ from call to call. Raises OSError."""
    save(path, {f"{index}:{name}": array for index, call in enumerate(calls) for name, array in call.items()})


def load_calls(path: Path | str) -> Iterator[dict[str, Array]]:
    """Reads them one after the other. Raises OSError and ValueError."""
    with np.load(path, allow_pickle=False) as archive:
        calls: dict[int, list[str]] = {}
        for key in archive.files:
            calls.setdefault(int(key.split(":")[1]), []).append(key)
        for index in sorted(calls):
            yield {key.split(":", 2)[2]: archive[key] for key in calls[index]}
