"""Names for contents: what a record calls a model, an artifact or a test set is the sha256 of its bytes."""

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import numpy as np

    from suite.contracts import Split

    Array = np.ndarray[Any, np.dtype[Any]]


def hash_file(path: Path) -> str:
    """The sha256 of a file, in hexadecimal."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def hash_folder(folder: Path) -> str:
    """The sha256 of what a plug-in's folder holds: names and bytes of every file but caches, hidden files and `train.py`."""
    total = hashlib.sha256()
    for path in sorted(folder.rglob("*")):
        relative = path.relative_to(folder)
        left_out = any(part == "__pycache__" or part.startswith(".") for part in relative.parts) or relative == Path("train.py")
        if path.is_file() and not left_out:
            total.update(f"{relative.as_posix()}\0{hash_file(path)}\n".encode())
    return total.hexdigest()


def hash_json(value: Any) -> str:
    """The sha256 of a JSON value, whatever the order of its keys."""
    return hashlib.sha256(json.dumps(value, sort_keys=True, separators=(",", ":")).encode()).hexdigest()


def hash_arrays(arrays: "Mapping[str, Array]") -> str:
    """The sha256 of named arrays: names, dtypes, shapes and little-endian bytes."""
    total = hashlib.sha256()
    for name in sorted(arrays):
        array = arrays[name]
        little = array.astype(array.dtype.newbyteorder("<"), copy=False)
        total.update(f"{name}\0{little.dtype.str}\0{little.shape}\0".encode())
        total.update(little.tobytes())
    return total.hexdigest()


def hash_split(split: "Split") -> str:
    """The content hash of a test set: its inputs and its labels."""
    return hash_arrays({f"inputs/{n}": a for n, a in split.inputs.items()} | {f"labels/{n}": a for n, a in split.labels.items()})
