"""Checks every artifact before it counts: what it stores, whether that bears out the method's claims, and whether it runs."""

import hashlib
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import asdict
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import zstandard
from msgspec import structs
from onnx import external_data_helper

from suite import caches, stored
from suite.contracts import Component, Tensor
from suite.errors import CellFailed
from suite.graph import Array, initializers, nodes
from suite.record import Part
from suite.stored import Constant

ZSTD_LEVEL = 10


def read(path: Path) -> onnx.ModelProto:
    """The model in a file. Raises CellFailed if there is none or if its weights lie elsewhere, where they would not be counted."""
    try:
        model = onnx.load(path, load_external_data=False)
    except Exception as error:  # protobuf raises an error of its own, which depends on its implementation
        raise CellFailed("invalid_output", f"{path.name} is not an ONNX model: {error}") from error
    for name, tensor in initializers(model).items():
        if external_data_helper.uses_external_data(tensor):
            raise CellFailed("invalid_output", f"the weight {name} of {path.name} lies in another file; store it inside the model")
    return model


def inspect(path: Path, component: Component | None = None, call: Mapping[str, Array] | None = None) -> Part:
    """What a component's ONNX file holds. Every constant is a parameter, the scales and zero points of a quantization too.

    component: of a file without one, nothing is said about caches. call: what it is fed first; without one, operations are not counted.
    """
    model = read(path)
    kept = caches.types(model, component) if component else {}
    found = part(path, stored.constants(model).values(), (node.op_type for node in nodes(model)), component, kept)
    return structs.replace(found, cache=kept, **(_operations(model, caches.entered(call, kept)) if call else {}))


def part(
    path: Path, constants: Iterable[Constant], operators: Iterable[str], component: Component | None, kept: Mapping[str, str] | None = None
) -> Part:
    """What a file holds of a format in which every constant is a parameter. operators: by name, each as often as it occurs. kept: dtype of
    each cache input that is kept in another than the card's."""
    data, held, types = path.read_bytes(), list(constants), Counter[str]()
    for constant in held:
        types[constant.type] += constant.elements
    return Part(
        file=path.name,
        sha256=hashlib.sha256(data).hexdigest(),
        bytes=len(data),
        zstd_bytes=len(zstandard.ZstdCompressor(level=ZSTD_LEVEL).compress(data)),
        parameters=types.total(),
        nonzero_parameters=types.total() - sum(constant.zeros for constant in held),
        operators=dict(sorted(Counter(operators).items())),
        parameters_by_type=dict(sorted(types.items())),
        cache_bytes_per_token=caches.bytes_per_token(component, kept or {}) if component else 0,
    )


def _operations(model: onnx.ModelProto, call: Mapping[str, Array]) -> dict[str, Any]:
    from suite.operations import count  # it runs the graph, which nothing else here does

    return asdict(count(model, call))


FEEDS = 3
"""Calls that an artifact must answer before it counts: the first is the one with an empty cache, where there is a cache."""


def check_loads(path: Path, component: Component, feeds: Iterable[Mapping[str, Array]]) -> None:
    """Raises CellFailed unless ONNX Runtime loads the file and turns the first `feeds` into the finite outputs that the card declares.

    An artifact that keeps its caches in a type of its own gets only calls that begin a sequence, and each a second time with the caches
    that it gave back.
    """
    import onnxruntime  # only this check needs a runtime

    options = onnxruntime.SessionOptions()
    options.log_severity_level = 3
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    try:
        kept = caches.types(read(path), component)
        session = onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])
        names = [output.name for output in session.get_outputs()]
        answers = []
        for feed in islice((feed for feed in feeds if caches.begins(feed, kept)), FEEDS):
            given = caches.entered(feed, kept)
            answers.append((given, dict(zip(names, session.run(names, given), strict=True))))
            if kept:
                given = given | {name: answers[-1][1][output] for name, output in component.cache.items()}
                answers.append((given, dict(zip(names, session.run(names, given), strict=True))))
    except CellFailed:
        raise
    except Exception as error:  # the runtime raises a dozen types whose only common root is Exception
        raise CellFailed("invalid_output", f"ONNX Runtime cannot run {path.name}: {str(error).replace(str(path), path.name)}") from error
    _check_names(path.name, component, names)
    if not answers:
        raise CellFailed(
            "invalid_output", f"{path.name} keeps its caches in {', '.join(kept.values())}, and no call begins with empty ones"
        )
    check_answers(path.name, component, names, answers, {component.cache[name]: dtype for name, dtype in kept.items()})


def _check_names(file: str, component: Component, names: Iterable[str]) -> None:
    declared = [tensor.name for tensor in component.outputs]
    if sorted(names) != sorted(declared):
        raise CellFailed("invalid_output", f"{file} has the outputs {', '.join(names)}, not {', '.join(declared)}")


def check_answers(
    file: str,
    component: Component,
    names: Iterable[str],
    answers: Iterable[tuple[Mapping[str, Array], Mapping[str, Array]]],
    narrow: Mapping[str, str],
) -> None:
    """Raises CellFailed unless a file has the outputs that the card declares, finite and of its types and shapes in each call.

    answers: inputs and outputs of each call. narrow: types of outputs that are others than the card's.
    """
    _check_names(file, component, names)
    for feed, outputs in answers:
        axes = (pair for tensor in component.inputs for pair in zip(tensor.shape, feed[tensor.name].shape, strict=True))
        lengths = {name: length for name, length in axes if isinstance(name, str)}
        for tensor in component.outputs:
            declared_tensor = Tensor(tensor.name, narrow.get(tensor.name, tensor.dtype), tensor.shape)  # type: ignore[arg-type]
            _check_output(file, declared_tensor, np.asarray(outputs[tensor.name]), lengths)


def _check_output(file: str, tensor: Tensor, found: Array, lengths: Mapping[str, int]) -> None:
    """`lengths`: what the named axes of the inputs measure in this call. An output may have names of its own, which may be anything."""
    wanted = tuple(lengths.get(size, size) if isinstance(size, str) else size for size in tensor.shape)
    fits = len(wanted) == found.ndim and all(isinstance(w, str) or w == size for w, size in zip(wanted, found.shape, strict=True))
    if found.dtype.name != tensor.dtype or not fits:
        raise CellFailed(
            "invalid_output", f"the output {tensor.name} of {file} is {found.dtype.name} {found.shape}, not {tensor.dtype} {wanted}"
        )
    if not np.isfinite(found).all():
        raise CellFailed("invalid_output", f"the output {tensor.name} of {file} is not finite")
