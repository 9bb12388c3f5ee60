"""LiteRT models (`.tflite`), made by litert-torch with fixed lengths. Runs in the environment `litert`, which has its libraries.

What a file holds is read from its flatbuffer by the schema that LiteRT brings; nothing in it is code.
"""

from collections import Counter
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
import torch
from ai_edge_litert import schema_py_generated as schema
from ai_edge_litert.interpreter import Interpreter

from suite.audit import FEEDS, check_answers, part
from suite.contracts import Component
from suite.errors import CellFailed
from suite.export import Array, Arrays, arguments, check_alike, root_cause
from suite.record import Part
from suite.reference import is_graph
from suite.stored import Constant, counted

TYPES = {value: name.lower() for name, value in vars(schema.TensorType).items() if isinstance(value, int)}
OPERATORS = {value: name for name, value in vars(schema.BuiltinOperator).items() if isinstance(value, int)}
"""Number in the file -> what the schema calls it."""

_WEIGHTS = {"FULLY_CONNECTED": 1, "BATCH_MATMUL": 1, "CONV_2D": 1, "DEPTHWISE_CONV_2D": 1, "CONV_3D": 1, "TRANSPOSE_CONV": 1}
_PASSED = frozenset({"DEQUANTIZE", "TRANSPOSE", "RESHAPE"})
"""Operators with a weight -> the input that it is; operators through which it reaches them."""
_ONNX = {"ARG_MAX": "ArgMax", "GATHER_ND": "GatherElements"}
"""What ONNX calls the operators that cards claim."""


class Named(torch.nn.Module):
    """A component whose inputs and outputs have the names of its card, which become those of the file."""

    def __init__(self, module: torch.nn.Module, component: Component) -> None:
        super().__init__()
        self.module = module
        self.inputs, self.outputs = ([tensor.name for tensor in side] for side in (component.inputs, component.outputs))

    def forward(self, **given: torch.Tensor) -> dict[str, torch.Tensor]:
        found = self.module(*[given[name] for name in self.inputs])
        return dict(zip(self.outputs, found if isinstance(found, tuple | list) else (found,), strict=True))


def lower(part: Any, component: Component, calls: Sequence[Arrays], path: Path) -> None:
    """The LiteRT model of a torch module, with the lengths of its calls. Raises CellFailed, `unsupported` where these differ."""
    if is_graph(part):
        raise CellFailed(
            "unsupported", f"the component {component.name!r} comes as an ONNX model, and LiteRT's converter takes torch modules"
        )
    for tensor in component.inputs:
        shapes = sorted({call[tensor.name].shape for call in calls})
        if len(shapes) > 1:
            raise CellFailed(
                "unsupported",
                f"the lengths of {tensor.name!r} of {component.name!r} differ from call to call ({shapes[0]}, {shapes[-1]}), "
                "and LiteRT's converter fixes them",
            )
    import litert_torch

    given = dict(zip([tensor.name for tensor in component.inputs], arguments(component, calls[-1]), strict=True))
    try:
        litert_torch.convert(Named(part.eval(), component).eval(), sample_kwargs=given).export(str(path))
    except Exception as error:
        raise CellFailed("export_failed", f"litert_torch.convert of {component.name!r} raised {root_cause(error)}") from error
    check_alike(part, component, (calls[0], calls[-1]), runner(path))


def runner(path: Path) -> Any:
    """Calls a file as its target does. Raises CellFailed for one that LiteRT cannot load."""
    try:
        model = Interpreter(model_path=str(path), num_threads=1)
        signature = model.get_signature_runner()
    except Exception as error:
        raise CellFailed("invalid_output", f"LiteRT cannot load {path.name}: {root_cause(error)}") from error
    wanted = {name: told["dtype"] for name, told in signature.get_input_details().items()}

    def run(feed: Arrays) -> dict[str, Array]:
        return dict(signature(**{name: np.asarray(feed[name]).astype(dtype) for name, dtype in wanted.items()}))

    return run


@dataclass(frozen=True)
class Model:
    """See `suite.formats.Held`. data: the whole file, behind whose flatbuffer buffers may lie."""

    model: Any
    data: bytes

    @cached_property
    def calls(self) -> tuple[tuple[str, Any, Any], ...]:
        """Each call of an operator: its name, the call, the subgraph that it is in."""
        codes = [OPERATORS[max(code.builtinCode, code.deprecatedBuiltinCode)] for code in self.model.operatorCodes]
        return tuple((codes[call.opcodeIndex], call, graph) for graph in self.model.subgraphs for call in graph.operators)

    @cached_property
    def constants(self) -> dict[int, Constant]:
        """Every constant, by the number of its buffer: several tensors may share one."""
        found = {}
        for graph in self.model.subgraphs:
            for tensor in graph.tensors:
                data = self._stored(self.model.buffers[tensor.buffer])
                if len(data):
                    found[tensor.buffer] = _constant(tensor, data)
        return found

    def _stored(self, buffer: Any) -> Any:
        """Its bytes: in the flatbuffer, or behind it, as the quantizer writes a model beyond some size. Raises CellFailed."""
        if buffer.data is not None and len(buffer.data):
            return buffer.data
        end = buffer.offset + buffer.size
        if end > len(self.data):
            raise CellFailed("invalid_output", f"it says that a constant ends at byte {end}, and the file has {len(self.data)}")
        return np.frombuffer(self.data[buffer.offset : end], np.uint8)

    @property
    def operators(self) -> Mapping[str, int]:
        """How often each operator occurs, by the name that ONNX has for it where a claim may ask for it."""
        return Counter(_ONNX.get(name, name) for name, _, _ in self.calls)

    @property
    def inputs(self) -> Mapping[str, tuple[str, int]]:
        """They are those of the card, integers in 32 bits."""
        return {}

    def weights(self, layers: Collection[str]) -> list[Constant]:
        """The constant weights of these layers, in floating point or quantized, each once."""
        found = {}
        for name, call, graph in self.calls:
            if name in _WEIGHTS and ("Conv" in layers if "CONV" in name else {"MatMul", "Gemm"} & set(layers)):
                made = {output: (kind, each) for kind, each, of in self.calls if of is graph for output in each.outputs}
                index = call.inputs[_WEIGHTS[name]]
                while index in made and made[index][0] in _PASSED:
                    index = made[index][1].inputs[0]
                buffer = graph.tensors[index].buffer
                if buffer in self.constants and len(self.constants[buffer].shape) > 1:
                    found[buffer] = self.constants[buffer]
        return list(found.values())


def _constant(tensor: Any, data: Array) -> Constant:
    kind, shape = TYPES[tensor.type], tuple(map(int, tensor.shape)) if tensor.shape is not None else ()
    raw = np.asarray(data, np.uint8)
    if kind == "int4":
        values = np.stack([raw & 15, raw >> 4], 1).reshape(-1)[: int(np.prod(shape))]
    else:
        values = np.frombuffer(raw.tobytes(), np.dtype(kind))
    points = tensor.quantization.zeroPoint if tensor.quantization is not None else None
    zero = int(points[0]) if points is not None and len(points) else 0
    return counted(kind, (values == zero).reshape(shape))


def held(path: Path) -> Model:
    """What claims are checked against. Raises CellFailed."""
    data = path.read_bytes()
    if data[4:8] != b"TFL3":
        raise CellFailed("invalid_output", f"{path.name} is not a LiteRT model")
    return Model(schema.ModelT.InitFromPackedBuf(data, 0), data)


def inspect(path: Path, component: Component | None = None, call: Arrays | None = None) -> Part:
    """What a component's model holds: every constant is a parameter; scales and zero points lie in the description of a tensor and are not
    counted, and neither are operations. Raises CellFailed."""
    model = held(path)
    return part(path, model.constants.values(), (name for name, _, _ in model.calls), component)


def check_loads(path: Path, component: Component, feeds: Iterable[Arrays]) -> None:
    """Raises CellFailed unless LiteRT loads the file and turns the first `feeds` into finite outputs as the card declares."""
    run = runner(path)
    try:
        answers = [(feed, run(feed)) for feed in islice(feeds, FEEDS)]
    except Exception as error:
        raise CellFailed("invalid_output", f"LiteRT cannot run {path.name}: {root_cause(error)}") from error
    names = sorted({name for _, outputs in answers for name in outputs})
    check_answers(path.name, component, names, answers, {})
