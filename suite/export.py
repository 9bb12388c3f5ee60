"""From a torch module to ONNX: one graph per component, every named length dynamic, nothing of this machine in it."""

import contextlib
import inspect
import itertools
import logging
import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import onnx
import torch

from suite.contracts import Component, Tensor
from suite.errors import CellFailed
from suite.folded import fold
from suite.tied import to_gemm

Array = np.ndarray[Any, np.dtype[Any]]
Arrays = Mapping[str, Array]

OPSET = 20
TOLERANCE = 1e-3
LONGEST = 4096
"""Greatest length that the exporter has to prove the graph for; a runtime takes longer ones."""
BATCH = "batch"


def export(module: torch.nn.Module, component: Component, calls: Sequence[Arrays], path: Path) -> None:
    """Writes `path`. `calls` are inputs that the glue really feeds the component.

    Raises CellFailed (`export_failed`) if torch cannot export the module or the graph answers otherwise than the module does.
    """
    module = module.eval()
    try:
        _, named = trace(module, component, calls, lambda named: _export(module, component, calls, named, path))
    except CellFailed:
        raise
    except Exception as error:
        raise CellFailed("export_failed", f"torch.onnx.export of {component.name!r} raised {root_cause(error)}") from error
    strip(path)
    check_parity(module, component, calls, path, named)


class Axis(NamedTuple):
    """A named length: the one to trace with, and the least and the greatest that the exporter has to prove the graph for."""

    length: int
    least: int
    greatest: int


def trace(
    module: torch.nn.Module, component: Component, calls: Sequence[Arrays], make: Callable[[dict[str, Axis]], Any]
) -> tuple[Any, dict[str, Axis]]:
    """What `make` makes of a module with short lengths, or else with those that it is fed; and the lengths. Raises what `make` raises.

    Short ones cannot be traced where they leave a single place: of two places a convolution of stride 2 makes one, which is no length
    any more that may differ.
    """
    first, *others = axes(module, component, calls)
    try:
        return make(first), first
    except Exception:
        for fed in others:
            with contextlib.suppress(Exception):  # what it is fed need not go together at its longest: the first reason counts
                return make(fed), fed
        raise


def axes(module: torch.nn.Module, component: Component, calls: Sequence[Arrays]) -> list[dict[str, Axis]]:
    """Of each named length: short ones, if the module runs any (a convolution may be wider), and those that it is fed, if others."""
    short = _short(component)
    fed = _fed(component, calls, short)
    try:
        with torch.no_grad():
            module(*arguments(component, example(component, calls, short)))
    except Exception:  # whatever a module raises on inputs that it is never fed
        return [fed]
    return [short] if fed == short else [short, fed]


def _short(component: Component) -> dict[str, Axis]:
    """A batch has items; anything else may be empty."""
    return {name: Axis(place, 1 if name == BATCH else 0, LONGEST) for place, name in enumerate(_names(component), 2)}


def _fed(component: Component, calls: Sequence[Arrays], short: Mapping[str, Axis]) -> dict[str, Axis]:
    """The longest that each name stands for in the calls and that no other has; the batch stays as it is."""
    found = {name: axis for name, axis in short.items() if name == BATCH}
    for name in (name for name in short if name != BATCH):
        places = [(tensor.name, axis) for tensor in component.inputs for axis, size in enumerate(tensor.shape) if size == name]
        seen = sorted({call[tensor].shape[axis] for call in calls for tensor, axis in places}, reverse=True)
        taken = {axis.length for axis in found.values()}
        length = next(n for n in itertools.chain(seen, itertools.count(seen[0] + 1)) if n > 1 and n not in taken)
        found[name] = Axis(length, seen[-1], max(LONGEST, length))
    return found


def example(component: Component, calls: Sequence[Arrays], named: Mapping[str, Axis] | None = None) -> dict[str, Array]:
    """Inputs to trace a component with: numbers that it is really fed, every named axis with a length of its own (left out, from 2 up).

    A length of 0 or 1, two axes of one length or one array given twice would each be taken for a rule by the exporter, silently.
    """
    lengths = {name: axis.length for name, axis in (named or _short(component)).items()}
    found = {}
    for tensor in component.inputs:
        numbers = np.concatenate([call[tensor.name].ravel() for call in calls])
        shape = tuple(lengths[size] if isinstance(size, str) else size for size in tensor.shape)
        found[tensor.name] = np.resize(numbers, shape)
    return found


def root_cause(error: BaseException) -> str:
    """The error that an exporter's own errors only pass on: its type and its first line."""
    while error.__cause__ is not None:
        error = error.__cause__
    lines = str(error).strip().splitlines() or [""]
    return f"{type(error).__name__}: {lines[0]}"


def _names(component: Component) -> Iterator[str]:
    """The named lengths of its inputs, each once, the batch first."""
    names = dict.fromkeys(size for tensor in component.inputs for size in tensor.shape if isinstance(size, str))
    yield from sorted(names, key=lambda name: name != BATCH)


def dimensions(module: torch.nn.Module, component: Component, named: Mapping[str, Axis]) -> dict[str, Any]:
    """Of each argument of `forward`: axis -> what the exporter calls its length."""
    known = {name: torch.export.Dim(name, min=axis.least, max=axis.greatest) for name, axis in named.items()}
    found = [{axis: known[size] for axis, size in enumerate(tensor.shape) if isinstance(size, str)} for tensor in component.inputs]
    return inspect.signature(module.forward).bind(*found).arguments


def _export(module: torch.nn.Module, component: Component, calls: Sequence[Arrays], named: Mapping[str, Axis], path: Path) -> None:
    logging.getLogger("torch.onnx").setLevel(logging.ERROR)  # it tells at length that torchvision is not there
    with warnings.catch_warnings(), torch.no_grad():
        warnings.simplefilter("ignore")  # deprecations inside torch's own exporter
        torch.onnx.export(
            module,
            arguments(component, example(component, calls, named)),
            str(path),
            input_names=[tensor.name for tensor in component.inputs],
            output_names=[tensor.name for tensor in component.outputs],
            dynamic_shapes=dimensions(module, component, named),
            opset_version=OPSET,
            dynamo=True,
            external_data=False,
            verbose=False,
        )
    _check_named(component, onnx.load(path))


def _check_named(component: Component, model: onnx.ModelProto) -> None:
    """Raises CellFailed for a length that the card names and the exporter took for a number, which it does silently."""
    given = {value.name: value.type.tensor_type.shape.dim for value in model.graph.input}
    for tensor in component.inputs:
        for size, found in zip(tensor.shape, given.get(tensor.name, ()), strict=False):
            if isinstance(size, str) and not found.dim_param:
                reason = f"takes the length {size!r} of {tensor.name!r} for {found.dim_value}, and the card says that it may differ"
                raise CellFailed("export_failed", f"torch.onnx.export of {component.name!r} {reason}")


def arguments(component: Component, call: Arrays) -> tuple[torch.Tensor, ...]:
    """The inputs of one call in the card's order, each a tensor of its own."""
    return tuple(torch.from_numpy(np.array(call[tensor.name])) for tensor in component.inputs)


def answer(module: torch.nn.Module, component: Component, call: Arrays) -> dict[str, Array]:
    """The outputs of a module by name, as a runner gives them. Raises CellFailed for other outputs than the card's."""
    with torch.no_grad():
        outputs = module(*arguments(component, call))
    several = outputs if isinstance(outputs, tuple | list) else (outputs,)
    if len(several) != len(component.outputs):
        names = ", ".join(tensor.name for tensor in component.outputs)
        raise CellFailed("export_failed", f"the component {component.name!r} returns {len(several)} outputs, its card names {names}")
    return {tensor.name: output.numpy() for tensor, output in zip(component.outputs, several, strict=True)}


def check_call(component: Component, side: Sequence[Tensor], arrays: Arrays, failure: str) -> None:
    """Raises CellFailed with the status `failure` unless arrays have the names, dtypes and shapes that the card gives a component."""
    missing = [tensor.name for tensor in side if tensor.name not in arrays]
    if missing:
        raise CellFailed(failure, f"the component {component.name!r} gets no {missing[0]!r}, which its card names")
    for tensor in side:
        found = np.asarray(arrays[tensor.name])
        fits = len(found.shape) == len(tensor.shape) and all(
            isinstance(size, str) or size == length for size, length in zip(tensor.shape, found.shape, strict=True)
        )
        if found.dtype.name != tensor.dtype or not fits:
            raise CellFailed(
                failure,
                f"{tensor.name!r} of the component {component.name!r} is {found.dtype.name} {_shape(found.shape)}, "
                f"and its card says {tensor.dtype} {_shape(tensor.shape)}",
            )


def _shape(shape: Sequence[int | str]) -> str:
    return f"({', '.join(map(str, shape))})"


def strip(path: Path) -> None:
    """Removes stack traces (they name this machine's folders) and inferred shapes (they confuse onnxruntime's quantizers), and gives
    tied weights (`suite.tied`) and those that are laid out anew (`suite.folded`) to a layer."""
    model = onnx.load(path)
    del model.metadata_props[:]
    del model.graph.value_info[:]
    del model.graph.metadata_props[:]
    for thing in (*model.graph.node, *model.graph.initializer, *model.graph.input, *model.graph.output):
        thing.doc_string = ""
        del thing.metadata_props[:]
    to_gemm(model)
    fold(model)
    onnx.save(model, path)


def check_parity(
    module: torch.nn.Module, component: Component, calls: Sequence[Arrays], path: Path, named: Mapping[str, Axis] | None = None
) -> None:
    """Raises CellFailed unless a graph answers as its module does: to the first and the last call, and to one of other lengths.

    named: those lengths; left out, short ones if the module runs any.
    """
    import onnxruntime

    session = onnxruntime.InferenceSession(str(path), providers=["CPUExecutionProvider"])
    names = [tensor.name for tensor in component.outputs]
    check_alike(
        module,
        component,
        (calls[0], calls[-1], example(component, calls, named or axes(module, component, calls)[0])),
        lambda feed: dict(zip(names, session.run(names, dict(feed)), strict=True)),
    )


def check_alike(
    module: torch.nn.Module, component: Component, calls: Sequence[Arrays], run: Callable[[Arrays], Arrays], tolerance: float = TOLERANCE
) -> None:
    """Raises CellFailed unless `run` answers each of the calls as the module does, but for a difference of tolerance x (1 + the number)."""
    for call in calls:
        wanted = answer(module, component, call)
        feed = {tensor.name: np.asarray(call[tensor.name]) for tensor in component.inputs}
        for name, found in run(feed).items():
            expected = wanted[name]
            if found.shape != expected.shape or not np.allclose(found, expected, rtol=tolerance, atol=tolerance):
                by = f", by up to {np.abs(found - expected).max():.2g}" if found.shape == expected.shape else ""
                raise CellFailed("export_failed", f"the exported {component.name!r} does not answer as its torch module does ({name}{by})")
