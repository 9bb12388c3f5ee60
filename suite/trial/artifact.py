"""The files that a method made, looked at and run in this process."""

import importlib
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from suite import caches, formats
from suite.contracts import TargetCard
from suite.hashing import hash_file
from suite.trial.subject import Array, Made


def unchanged(folder: Path, baseline: Mapping[str, Path], format: str, hashes: Mapping[str, str]) -> bool:
    """Whether every component holds what the uncompressed one holds: the same bytes, or of ONNX graphs the same operators and constants."""
    if all(hash_file(path) == hashes[name] for name, path in baseline.items()):
        return True
    if format != formats.ONNX:
        return False
    return all(_content(formats.place(folder, name, format)) == _content(path) for name, path in baseline.items())


def _content(path: Path) -> tuple[object, ...]:
    import onnx
    from onnx import numpy_helper

    from suite.graph import initializers, nodes

    model = onnx.load(path)
    held = sorted((str(array.dtype), array.shape, array.tobytes()) for array in map(numpy_helper.to_array, initializers(model).values()))
    return sorted(node.op_type for node in nodes(model)), held


def one_call(made: Made, target: TargetCard, feeds: Mapping[str, Sequence[Mapping[str, Array]]]) -> Callable[[], object]:
    """A function that calls each component of an artifact once, on a target that runs in this Python."""
    kept = {name: part.cache for name, part in made.artifact.parts.items()}
    files = {name: made.folder / part.file for name, part in made.artifact.parts.items()}
    runner: Any = importlib.import_module(f"targets.{target.runs_with}.runner").Runner(files, dict(target.settings))
    given = {
        name: caches.entered(next(call for call in calls if caches.begins(call, kept[name])), kept[name]) for name, calls in feeds.items()
    }

    def call() -> Mapping[str, Mapping[str, np.ndarray[Any, Any]]]:
        return {name: runner.run(name, feed) for name, feed in given.items()}

    return call
