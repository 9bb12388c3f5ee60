"""What compression methods and the audit share about ONNX models: their nodes, their initializers and the weights among these."""

import logging
import tempfile
from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import onnx
from onnx import numpy_helper

from suite.contracts import NotApplicable

Array = np.ndarray[Any, np.dtype[Any]]

FLOATS = frozenset({onnx.TensorProto.FLOAT, onnx.TensorProto.FLOAT16, onnx.TensorProto.DOUBLE})


@dataclass(frozen=True, slots=True)
class Weight:
    """The constant floating-point weight of a node. `array` is a copy; `axis` is its axis of output features."""

    node: onnx.NodeProto
    name: str
    array: Array
    axis: int


def graphs(graph: onnx.GraphProto) -> Iterator[onnx.GraphProto]:
    """The graph and every graph inside its nodes (branches and loop bodies)."""
    yield graph
    for node in graph.node:
        for found in node.attribute:
            for inner in (*found.graphs, *([found.g] if found.HasField("g") else ())):
                yield from graphs(inner)


def nodes(model: onnx.ModelProto) -> Iterator[onnx.NodeProto]:
    """Every node of a model, those of inner graphs and of local functions too."""
    for graph in graphs(model.graph):
        yield from graph.node
    for function in model.functions:
        yield from function.node


def initializers(model: onnx.ModelProto) -> dict[str, onnx.TensorProto]:
    """The initializers of a model and of its inner graphs, by name."""
    return {tensor.name: tensor for graph in graphs(model.graph) for tensor in graph.initializer}


def attribute(node: onnx.NodeProto, name: str, default: Any) -> Any:
    """The value of a node's attribute."""
    return next((onnx.helper.get_attribute_value(found) for found in node.attribute if found.name == name), default)


def weights(model: onnx.ModelProto) -> list[Weight]:
    """The constant weights of MatMul, Gemm and Conv, in the order of the nodes; two nodes may share one.

    Raises NotApplicable if there is none, so that a method cannot leave everything as it was in silence.
    """
    known, found = {tensor.name: tensor for tensor in model.graph.initializer}, []
    for node in model.graph.node:
        tensor = known.get(node.input[1]) if node.op_type in ("MatMul", "Gemm", "Conv") else None
        if tensor is not None and tensor.data_type in FLOATS and len(tensor.dims) > 1:
            rows = node.op_type == "Conv" or (node.op_type == "Gemm" and attribute(node, "transB", 0) == 1)
            found.append(Weight(node, tensor.name, numpy_helper.to_array(tensor).copy(), 0 if rows else len(tensor.dims) - 1))
    if not found:
        raise NotApplicable(f"the graph {model.graph.name!r} has no constant floating-point weight of a MatMul, Gemm or Conv")
    return found


def has_weights(model: onnx.ModelProto) -> bool:
    """Whether there is a weight that `weights` finds."""
    try:
        return bool(weights(model))
    except NotApplicable:
        return False


def replace(model: onnx.ModelProto, arrays: Mapping[str, Array]) -> None:
    """Gives the initializers of these names new values, in place."""
    for name, tensor in initializers(model).items():
        if name in arrays:
            tensor.CopyFrom(numpy_helper.from_array(np.ascontiguousarray(arrays[name]), name))


def drop_unused(model: onnx.ModelProto) -> None:
    """Removes the initializers that nothing reads any more, in place."""
    used = {name for node in nodes(model) for name in node.input} | {output.name for output in model.graph.output}
    kept = [tensor for tensor in model.graph.initializer if tensor.name in used]
    del model.graph.initializer[:]
    model.graph.initializer.extend(kept)


def editable(model: onnx.ModelProto) -> onnx.ModelProto:
    """A copy to edit, without intermediate shapes: those of an exporter contradict what ONNX Runtime's quantizers infer anew."""
    copy = onnx.ModelProto()
    copy.CopyFrom(model)
    del copy.graph.value_info[:]
    return copy


def turn_shared(model: onnx.ModelProto) -> None:
    """Gives a Gemm that transposes a weight which something else reads a transposed copy of it, in place; all such Gemms share one."""
    reads = Counter(name for node in nodes(model) for name in node.input)
    known = {tensor.name: tensor for tensor in model.graph.initializer}
    for node in model.graph.node:
        name = node.input[1] if node.op_type == "Gemm" and attribute(node, "transB", 0) else ""
        if name in known and reads[name] > 1:
            turned = f"{name}_turned"
            if turned not in known:
                known[turned] = numpy_helper.from_array(np.ascontiguousarray(numpy_helper.to_array(known[name]).T), turned)
                model.graph.initializer.append(known[turned])
            node.input[1] = turned
            node.attribute.remove(next(found for found in node.attribute if found.name == "transB"))
    drop_unused(model)


@contextmanager
def _turning() -> Iterator[None]:
    """Mends what ONNX Runtime does to a weight that a Gemm transposes and something else reads: its quantizers transpose it where it is
    stored, and its kernels take the scales of one axis for those of the other."""
    from onnxruntime.quantization.base_quantizer import BaseQuantizer
    from onnxruntime.quantization.onnx_model import ONNXModel

    careless, begin = ONNXModel.replace_gemm_with_matmul, BaseQuantizer.__init__

    def careful(self: Any) -> None:
        turn_shared(self.model)
        careless(self)

    def begun(self: Any, model: onnx.ModelProto, *given: Any, **named: Any) -> None:
        turn_shared(model)
        begin(self, model, *given, **named)

    ONNXModel.replace_gemm_with_matmul, BaseQuantizer.__init__ = careful, begun
    try:
        yield
    finally:
        ONNXModel.replace_gemm_with_matmul, BaseQuantizer.__init__ = careless, begin


@contextmanager
def library(scratch: Path) -> Iterator[None]:
    """Runs a library with its temporary files in `scratch`, without its log lines below errors, and undoes its set-up of logging.

    What ONNX Runtime's quantizers warn of: no pre-processing, which the exporter has done; nodes passed over, which the audit checks.
    A weight that a Gemm shares, with the embedding table that it is tied to, say, stays whole for who shares it.
    """
    root = logging.getLogger()
    directory, disabled, level, handlers = tempfile.tempdir, root.manager.disable, root.level, list(root.handlers)
    tempfile.tempdir = str(scratch)
    logging.disable(logging.WARNING)
    try:
        with _turning():
            yield
    finally:
        tempfile.tempdir = directory
        logging.disable(disabled)
        root.setLevel(level)
        root.handlers[:] = handlers
