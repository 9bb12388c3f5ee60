"""Programs of `torch.export` (https://docs.pytorch.org/docs/stable/export.html): what torch runs without the Python code of a model.

A file of ours holds tensors as raw bytes, a graph as JSON and the names of what goes in and comes out: no pickle. `torch.export.load`
unpickles whatever a file has besides, weights and example inputs with all the code that these name, so a file with any is refused unread.
"""

import importlib
import json
import zipfile
from collections import Counter
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import islice
from pathlib import Path
from typing import Any

import torch

from suite.audit import FEEDS, check_answers, part
from suite.contracts import Component
from suite.errors import CellFailed
from suite.export import Arrays, Axis, answer, arguments, check_alike, dimensions, example, root_cause, trace
from suite.graph import Array
from suite.record import Part
from suite.reference import is_graph
from suite.stored import Constant, counted

TENSORS = "tensors.json"
"""The file inside a program that names its inputs and outputs in order; a program itself only counts them."""
TOLD = ("stack_trace", "nn_module_stack", "source_fn_stack", "torch_fn")
"""What the exporter notes of where a node comes from: the folders of this machine."""

_WEIGHTS = {
    "aten.linear": 1, "aten.matmul": 1, "aten.mm": 1, "aten.bmm": 1, "aten._int_mm": 1, "aten.addmm": 2,
    "aten._weight_int4pack_mm_for_cpu": 1, "aten.conv1d": 1, "aten.conv2d": 1, "aten.conv3d": 1, "aten.convolution": 1,
}  # fmt: skip
"""Operators with a weight -> the argument that it is."""
_NIBBLES = "aten._weight_int4pack_mm_for_cpu"
"""The product whose weight is packed, see `_unpacked`."""
_PASSED = frozenset({
    "aten.t", "aten.transpose", "aten.permute", "aten.reshape", "aten.view", "aten.expand", "aten.clone", "aten.contiguous", "aten.to",
    "aten._to_copy", "aten.mul", "aten.sub", "torchao.dequantize_affine",
})  # fmt: skip
"""Operators through which a weight reaches its layer: as it is, or scaled back from integers."""
_ONNX = {"aten.argmax": "ArgMax", "aten.gather": "GatherElements", "aten.linear": "Gemm", "aten.matmul": "MatMul"}
"""What ONNX calls the operators that cards claim."""


def lower(part: Any, component: Component, calls: Sequence[Arrays], path: Path) -> None:
    """The program of a torch module, with every named length dynamic. Raises CellFailed."""
    if is_graph(part):
        raise CellFailed("unsupported", f"the component {component.name!r} comes as an ONNX model, and torch runs torch modules")
    part = part.eval()
    try:
        program, named = trace(part, component, calls, lambda named: _traced(part, component, calls, named))
    except Exception as error:
        raise CellFailed("export_failed", f"torch.export of {component.name!r} raised {root_cause(error)}") from error
    program.example_inputs = None
    for module in program.graph_module.modules():
        for node in module.graph.nodes if isinstance(module, torch.fx.GraphModule) else ():
            for name in TOLD:
                node.meta.pop(name, None)
    torch.export.save(
        program, path, extra_files={TENSORS: json.dumps(_tensors(component, arguments(component, example(component, calls, named))))}
    )
    run = _read(path).module()
    check_alike(part, component, (calls[0], calls[-1], example(component, calls, named)), lambda feed: answer(run, component, feed))


def _traced(
    part: torch.nn.Module, component: Component, calls: Sequence[Arrays], named: Mapping[str, Axis]
) -> torch.export.ExportedProgram:
    """Where short lengths do not do, a guard that no proof settles becomes an assertion in the program."""
    given, sizes = arguments(component, example(component, calls, named)), dimensions(part, component, named)
    asserted = any(axis.least > 1 for axis in named.values())
    with torch.no_grad():
        return torch.export.export(part, given, dynamic_shapes=sizes, prefer_deferred_runtime_asserts_over_guards=asserted)


def _tensors(component: Component, given: Sequence[torch.Tensor]) -> dict[str, Any]:
    """example: lengths for which a compiler may trace the program."""
    return {
        "inputs": [tensor.name for tensor in component.inputs],
        "outputs": [tensor.name for tensor in component.outputs],
        "example": [{"dtype": str(tensor.dtype).removeprefix("torch."), "shape": list(tensor.shape)} for tensor in given],
    }


def _check_plain(path: Path) -> None:
    """Raises CellFailed for a file that is no program, or in which anything would be unpickled."""
    try:
        with zipfile.ZipFile(path) as archive:
            sizes = {entry.filename.partition("/")[2]: entry.file_size for entry in archive.infolist()}
            configs = [json.loads(archive.read(name)) for name in archive.namelist() if name.endswith("_config.json")]
    except (zipfile.BadZipFile, ValueError) as error:
        raise CellFailed("invalid_output", f"{path.name} is not a program of torch.export: {error}") from error
    pickled = [name for config in configs for name, entry in config["config"].items() if entry["use_pickle"]]
    pickled += [name for name, size in sizes.items() if size and name.endswith((".pt", ".pkl"))]
    if pickled:
        raise CellFailed("invalid_output", f"{path.name} has a pickle in it ({pickled[0]}), which is code that would run when it is read")


def _read(path: Path) -> torch.export.ExportedProgram:
    _check_plain(path)
    if b"torch.ops.torchao." in _graph(path):
        importlib.import_module("torchao")  # registers its operators
    try:
        return torch.export.load(path)
    except Exception as error:
        raise CellFailed("invalid_output", f"torch cannot load {path.name}: {root_cause(error)}") from error


def _graph(path: Path) -> bytes:
    with zipfile.ZipFile(path) as archive:
        return b"".join(archive.read(name) for name in archive.namelist() if "/models/" in name)


def _zero(tensor: torch.Tensor) -> Array:
    """Which entries are zero, bool. torch compares no 8-bit floating point by itself."""
    small = tensor.is_floating_point() and tensor.dtype.itemsize == 1
    found: Array = ((tensor.detach().float() if small else tensor.detach()) == 0).numpy()
    return found


def _unpacked(tensor: torch.Tensor) -> Constant:
    """Two 4-bit integers in a byte, in an order that is the product's own. With an offset for each group none of them stands for zero."""
    return Constant("int4", (*tensor.shape[:-1], 2 * tensor.shape[-1]), 0)


@dataclass(frozen=True)
class Program:
    """See `suite.formats.Held`."""

    program: torch.export.ExportedProgram

    @cached_property
    def constants(self) -> dict[str, Constant]:
        """Every tensor that is stored, by name; one that has several names has the first."""
        stored = {name: tensor for name, tensor in self.program.constants.items() if isinstance(tensor, torch.Tensor)}
        packed = {self._stored.get(str(node.args[1])) for name, node in self.nodes if name == _NIBBLES}
        found, seen = {}, set()
        for name, tensor in {**self.program.state_dict, **stored}.items():
            place = (tensor.data_ptr(), tuple(tensor.shape))
            if place not in seen or not tensor.numel():
                found[name] = _unpacked(tensor) if name in packed else counted(str(tensor.dtype).removeprefix("torch."), _zero(tensor))
            seen.add(place)
        return found

    @cached_property
    def _stored(self) -> Mapping[str, str]:
        """What goes into the graph -> the name of the tensor that is stored for it."""
        signature = self.program.graph_signature
        return {**signature.inputs_to_parameters, **signature.inputs_to_buffers, **signature.inputs_to_lifted_tensor_constants}

    @cached_property
    def nodes(self) -> tuple[tuple[str, torch.fx.Node], ...]:
        """Each call of an operator, with its name: `aten.linear`."""
        calls = (node for node in self.program.graph.nodes if isinstance(node.target, torch._ops.OpOverload))
        return tuple((node.target._schema.name.replace("::", "."), node) for node in calls)

    @cached_property
    def operators(self) -> Mapping[str, int]:
        """How often each operator occurs, by the name that ONNX has for it where a claim may ask for it."""
        return Counter(_ONNX.get(name, name) for name, _ in self.nodes)

    @property
    def inputs(self) -> Mapping[str, tuple[str, int]]:
        """They are always those of the card."""
        return {}

    def weights(self, layers: Collection[str]) -> list[Constant]:
        """The constant weights of linear layers and products (MatMul, Gemm) and of convolutions (Conv), in floating point or quantized."""
        calls: dict[Any, str] = {node: name for name, node in self.nodes}
        found = {}
        for name, node in self.nodes:
            if name in _WEIGHTS and ("Conv" in layers if "conv" in name else {"MatMul", "Gemm"} & set(layers)):
                weight: Any = node.args[_WEIGHTS[name]]
                while calls.get(weight, "") in _PASSED:
                    weight = weight.args[0]
                known = self.constants.get(self._stored.get(str(weight), ""))
                if known is not None and len(known.shape) > 1:
                    found[str(weight)] = known
        return list(found.values())


def held(path: Path) -> Program:
    """What claims are checked against. Raises CellFailed."""
    return Program(_read(path))


def inspect(path: Path, component: Component | None = None, call: Arrays | None = None) -> Part:
    """What a component's program holds: every tensor that is stored is a parameter, scales and zero points too. A quantized one is zero
    where its integer is. Its operations are not counted. Raises CellFailed."""
    program = held(path)
    return part(path, program.constants.values(), (name for name, _ in program.nodes), component)


def check_loads(path: Path, component: Component, feeds: Iterable[Arrays]) -> None:
    """Raises CellFailed unless torch loads the file and turns the first `feeds` into finite outputs as the card declares."""
    run = _read(path).module()
    try:
        answers = [(feed, answer(run, component, feed)) for feed in islice(feeds, FEEDS)]
    except CellFailed:
        raise
    except Exception as error:
        raise CellFailed("invalid_output", f"torch cannot run {path.name}: {root_cause(error)}") from error
    check_answers(path.name, component, [tensor.name for tensor in component.outputs], answers, {})
