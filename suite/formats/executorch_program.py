"""ExecuTorch programs (`.pte`), made by torch.export with fixed lengths for the XNNPACK kernels. Runs in the environment `executorch`.

A program is a flatbuffer of instructions and constants; in it, each delegate is another one that XNNPACK reads. What they hold is read by
the schemas that ExecuTorch brings; nothing in a file is code of Python. A constant method gives the names of what goes in and comes out,
which a program itself only counts.
"""

import json
import re
import tempfile
from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
import torch
from executorch.backends.xnnpack.partition.xnnpack_partitioner import XnnpackPartitioner
from executorch.backends.xnnpack.serialization.xnnpack_graph_serialize import XNNHeader, _get_schema_bytes
from executorch.exir import to_edge_transform_and_lower
from executorch.exir._serialize._flatbuffer import _flatc_decompile
from executorch.exir._serialize._program import deserialize_pte_binary
from executorch.runtime import Runtime

from suite.audit import FEEDS, check_answers, part
from suite.contracts import Component
from suite.errors import CellFailed
from suite.export import TOLERANCE, Arrays, arguments, check_alike, root_cause
from suite.graph import Array
from suite.record import Part
from suite.reference import is_graph
from suite.stored import Constant, counted, width

NAMES = "tensor_names"
"""The constant method of a program that has the names of its inputs and outputs, as the bytes of a JSON text."""
BACKEND = "XnnpackBackend"
COARSE = 0.05
"""How far answers may differ from a quantizer's torch graph, which XNNPACK's kernels do not follow bit for bit: they choose the range of
each call's activations by a rule of their own, and a step more or less is 1 % of the largest. Accuracy is measured on the file anyway."""

_TYPES = {
    "fp32": "float32", "fp16": "float16", "bf16": "bfloat16", "qint8": "int8", "qcint8": "int8", "quint8": "uint8", "qint32": "int32",
    "qcint32": "int32", "int32": "int32", "qcint4": "int4", "qbint4": "int4",
}  # fmt: skip
"""What XNNPACK calls the types of constants, without its prefix."""
_SCALARS = {
    "BYTE": "uint8", "CHAR": "int8", "SHORT": "int16", "INT": "int32", "LONG": "int64", "HALF": "float16", "FLOAT": "float32",
    "DOUBLE": "float64", "BOOL": "bool", "BFLOAT16": "bfloat16",
}  # fmt: skip
"""What ExecuTorch calls the types of tensors."""
_WEIGHTS = {"XNNFullyConnected": "filter_id", "XNNBatchMatrixMultiply": "input2_id"}
_CONVOLUTIONS = dict.fromkeys(("XNNConv2d", "XNNDepthwiseConv2d", "XNNConvTranspose2d"), "filter_id")
_ONNX = {"aten.argmax": "ArgMax", "aten.gather": "GatherElements"}
"""What ONNX calls the operators that cards claim."""


def lower(part: Any, component: Component, calls: Sequence[Arrays], path: Path) -> None:
    """The program of a torch module, with the lengths of its calls. Raises CellFailed, `unsupported` where these differ."""
    if is_graph(part):
        raise CellFailed("unsupported", f"the component {component.name!r} comes as an ONNX model, and ExecuTorch takes torch modules")
    for tensor in component.inputs:
        shapes = sorted({call[tensor.name].shape for call in calls})
        if len(shapes) > 1:
            raise CellFailed(
                "unsupported",
                f"the lengths of {tensor.name!r} of {component.name!r} differ from call to call ({shapes[0]}, {shapes[-1]}), "
                "and programs of fixed lengths are made here",
            )
    named = {side: [tensor.name for tensor in getattr(component, side)] for side in ("inputs", "outputs")}
    told = torch.tensor(list(json.dumps(named).encode()), dtype=torch.uint8)
    try:
        with torch.no_grad():
            exported = torch.export.export(_plain(part), arguments(component, calls[-1]))
        edge = to_edge_transform_and_lower(exported, partitioner=[XnnpackPartitioner()], constant_methods={NAMES: told})
        path.write_bytes(edge.to_executorch().buffer)
    except Exception as error:
        raise CellFailed("export_failed", f"ExecuTorch's lowering of {component.name!r} raised {root_cause(error)}") from error
    check_alike(part, component, (calls[0], calls[-1]), runner(path), COARSE if isinstance(part, torch.fx.GraphModule) else TOLERANCE)


def _plain(part: Any) -> Any:
    """In eval mode, where it has one: what an exporter has made, as a quantizer leaves it, is in that mode already."""
    return part if isinstance(part, torch.fx.GraphModule) else part.eval()


def runner(path: Path) -> Any:
    """Calls a file as its target does. Raises CellFailed for one that ExecuTorch cannot load."""
    try:
        program = Runtime.get().load_program(path)
        method, names = program.load_method("forward"), program.load_method(NAMES)
        told = json.loads(bytes(names.execute([])[0].tolist()))
    except Exception as error:
        raise CellFailed("invalid_output", f"ExecuTorch cannot load {path.name}: {root_cause(error)}") from error

    def run(feed: Arrays) -> dict[str, Any]:
        found = method.execute([torch.from_numpy(np.array(feed[name])) for name in told["inputs"]])
        return {name: output.numpy().copy() for name, output in zip(told["outputs"], found, strict=True)}

    return run


@dataclass(frozen=True)
class Program:
    """See `suite.formats.Held`. file: what ExecuTorch's own reader makes of the bytes."""

    file: Any

    @cached_property
    def plan(self) -> Any:
        """The instructions of `forward`."""
        return next(plan for plan in self.file.program.execution_plan if plan.name == "forward")

    @cached_property
    def delegates(self) -> tuple[dict[str, Any], ...]:
        """The graphs that XNNPACK runs."""
        data = self.file.program.backend_delegate_data
        return tuple(_decompiled(data[delegate.processed.index].data) for delegate in self.plan.delegates if delegate.id == BACKEND)

    def _bytes(self, key: str) -> bytes:
        """What is stored under a name: constants of delegates are, those that several share once."""
        named = self.file.named_data
        return bytes(named.buffers[named.pte_data[key].buffer_index])

    def _delegated(self) -> Iterator[tuple[dict[str, Any], dict[int, tuple[str, Constant]]]]:
        """Each graph with its constants: number of the value -> where it is stored, and what it is."""
        for graph in self.delegates:
            found = {}
            for union in graph["xvalues"]:
                value = union["xvalue_union"]
                value = value.get("tensor_value", value)
                if index := value["constant_buffer_idx"]:
                    key, kind = graph["constant_data"][index]["named_key"], _TYPES[value["datatype"].removeprefix("xnn_datatype_")]
                    shape = tuple(value["dims"])
                    found[value["id_out"]] = key, counted(kind, _zero(self._bytes(key), kind, shape))
            yield graph, found

    @cached_property
    def constants(self) -> dict[str, Constant]:
        """Every constant: those of delegates, and those that ExecuTorch's own kernels read."""
        found = {key: constant for _, known in self._delegated() for key, constant in known.values()}
        for value in self.plan.values:
            tensor = value.val
            if index := getattr(tensor, "data_buffer_idx", 0):
                stored = self.file.program.constant_buffer[index].storage if tensor.allocation_info is None else b""
                if stored:
                    kind, shape = _SCALARS[tensor.scalar_type.name], tuple(tensor.sizes)
                    found[f"#{index}"] = counted(kind, _zero(bytes(stored), kind, shape))
        return found

    @cached_property
    def calls(self) -> Counter[str]:
        """How often each operator occurs: XNNPACK's by its own name, ExecuTorch's as `aten.embedding`."""
        own = [
            self.plan.operators[step.instr_args.op_index].name for chain in self.plan.chains for step in chain.instructions if _calls(step)
        ]
        nodes = [node["xnode_union_type"] for graph in self.delegates for node in graph["xnodes"]]
        return Counter([*(name.replace("::", ".") for name in own), *nodes])

    @property
    def operators(self) -> Mapping[str, int]:
        """The same, by the name that ONNX has for it where a claim may ask for it."""
        return {_ONNX.get(name, name): count for name, count in self.calls.items()}

    @property
    def inputs(self) -> Mapping[str, tuple[str, int]]:
        """They are always those of the card."""
        return {}

    def weights(self, layers: Collection[str]) -> list[Constant]:
        """The constant weights of these layers in XNNPACK's graphs, each once. A convolution that is not there is one that ExecuTorch's own
        kernels would run, which none of these is."""
        wanted = (_CONVOLUTIONS if "Conv" in layers else {}) | (_WEIGHTS if {"MatMul", "Gemm"} & set(layers) else {})
        found = {}
        for graph, known in self._delegated():
            for node in graph["xnodes"]:
                key, constant = known.get(node["xnode_union"].get(wanted.get(node["xnode_union_type"], ""), -1), ("", None))
                if constant is not None and len(constant.shape) > 1:
                    found[key] = constant
        return list(found.values())


def _calls(step: Any) -> bool:
    return hasattr(step.instr_args, "op_index")


def _zero(data: bytes, kind: str, shape: tuple[int, ...]) -> Array:
    """Which elements are zero, bool. XNNPACK's integers of weights are symmetric, and nibbles are stored with 8 added."""
    if width(kind) == 4:
        raw = np.frombuffer(data, np.uint8)
        flat = np.stack([raw & 15, raw >> 4], 1).reshape(-1) == 8
    elif kind == "bfloat16":
        flat = np.frombuffer(data, np.uint16) & 0x7FFF == 0
    else:
        flat = np.frombuffer(data, np.dtype(kind)) == 0
    found: Array = flat[: int(np.prod(shape))].reshape(shape)
    return found


def _decompiled(payload: bytes) -> dict[str, Any]:
    """A delegate's graph, read by the schema and the compiler of flatbuffers that ExecuTorch brings."""
    header = XNNHeader.from_bytes(payload[: XNNHeader.EXPECTED_LENGTH])
    start = header.flatbuffer_offset
    with tempfile.TemporaryDirectory() as room:
        schema, binary = Path(room) / "schema.fbs", Path(room) / "graph.bin"
        schema.write_bytes(_get_schema_bytes())
        binary.write_bytes(payload[start : start + header.flatbuffer_size])
        _flatc_decompile(room, str(schema), str(binary))
        text = binary.with_suffix(".json").read_text()
    graph: dict[str, Any] = json.loads(re.sub(r"(?<=: )(-?)inf\b", r"\1Infinity", text))
    return graph


def held(path: Path) -> Program:
    """What claims are checked against. Raises CellFailed."""
    try:
        return Program(deserialize_pte_binary(path.read_bytes()))
    except Exception as error:
        raise CellFailed("invalid_output", f"{path.name} is not an ExecuTorch program: {root_cause(error)}") from error


def inspect(path: Path, component: Component | None = None, call: Arrays | None = None) -> Part:
    """What a component's program holds: every constant is a parameter; scales lie in the description of a delegate's tensor and are not
    counted, and neither are operations. Raises CellFailed."""
    program = held(path)
    return part(path, program.constants.values(), program.calls.elements(), component)


def check_loads(path: Path, component: Component, feeds: Iterable[Arrays]) -> None:
    """Raises CellFailed unless ExecuTorch loads the file and turns the first `feeds` into finite outputs as the card declares."""
    run = runner(path)
    try:
        answers = [(feed, run(feed)) for feed in islice(feeds, FEEDS)]
    except Exception as error:
        raise CellFailed("invalid_output", f"ExecuTorch cannot run {path.name}: {root_cause(error)}") from error
    check_answers(path.name, component, [tensor.name for tensor in component.outputs], answers, {})
