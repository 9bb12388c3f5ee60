"""Weights that are tied to an embedding table: where the exporter leaves them out of any layer's reach, they become a Gemm's own operand.

A head that multiplies with its embedding table is exported as a MatMul by the table's Transpose, so that the table is stored once. No
quantizer and no pruning method takes that for a weight. A Gemm reads the table as it lies there.
"""

from collections.abc import Iterator

import numpy as np
import onnx
from onnx import helper, numpy_helper

from suite.graph import attribute

OPSET = 15
"""From which on Shape takes an end, and Reshape an `allowzero`."""
FLOATS = (onnx.TensorProto.FLOAT, onnx.TensorProto.FLOAT16, onnx.TensorProto.DOUBLE)


def to_gemm(model: onnx.ModelProto) -> None:
    """Makes x (..., inputs) times the transpose of a stored matrix (outputs, inputs) a Gemm between two Reshapes, in place.

    A graph of a model that came as ONNX may be of an opset that has not all that this takes: it stays as it is.
    """
    if next((entry.version for entry in model.opset_import if entry.domain in ("", "ai.onnx")), 0) < OPSET:
        return
    graph = model.graph
    tables = {tensor.name: tuple(tensor.dims) for tensor in graph.initializer if len(tensor.dims) == 2 and tensor.data_type in FLOATS}
    turned = {
        node.output[0]: node.input[0]
        for node in graph.node
        if node.op_type == "Transpose" and node.input[0] in tables and list(attribute(node, "perm", (1, 0))) == [1, 0]
    }
    if not turned:
        return
    changed = [new for node in graph.node for new in _layer(graph, node, turned, tables)]
    read = {name for node in changed for name in node.input} | {output.name for output in graph.output}
    del graph.node[:]
    graph.node.extend(node for node in changed if node.output[0] not in turned or node.output[0] in read)


def _layer(
    graph: onnx.GraphProto, node: onnx.NodeProto, turned: dict[str, str], tables: dict[str, tuple[int, ...]]
) -> Iterator[onnx.NodeProto]:
    if node.op_type != "MatMul" or node.input[1] not in turned:
        yield node
        return
    given, table, result = node.input[0], turned[node.input[1]], node.output[0]
    outputs, inputs = tables[table]
    rows, wide = f"{result}_rows", f"{result}_wide"
    for name, numbers in ((rows, [-1, inputs]), (wide, [outputs])):
        graph.initializer.append(numpy_helper.from_array(np.array(numbers, np.int64), name))
    yield helper.make_node("Shape", [given], [f"{result}_lengths"], name=f"{result}_lengths", end=-1)
    yield helper.make_node("Concat", [f"{result}_lengths", wide], [f"{result}_shape"], name=f"{result}_shape", axis=0)
    yield helper.make_node("Reshape", [given, rows], [f"{result}_flat"], name=f"{result}_flat")
    yield helper.make_node("Gemm", [f"{result}_flat", table], [f"{result}_product"], name=f"{result}_product", transB=1)
    yield helper.make_node("Reshape", [f"{result}_product", f"{result}_shape"], [result], name=f"{result}_whole", allowzero=1)
