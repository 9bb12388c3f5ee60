"""Truncated singular value decomposition of weight matrices (1404.0736)."""

from collections.abc import Mapping

import numpy as np
import onnx
from onnx import helper, numpy_helper

from suite.contracts import Context, Value
from suite.graph import Array, Weight, attribute, drop_unused, editable, weights


def rank(rows: int, columns: int, keep: float) -> int:
    """The largest rank whose factors have at most `keep` of the matrix's elements: with `keep` < 1 always below break-even."""
    return int(keep * rows * columns / (rows + columns))


def factors(matrix: Array, kept: int) -> tuple[Array, Array]:
    """Shapes (rows, kept) and (kept, columns): the best product of that rank.

    The left singular vectors are the eigenvectors of the matrix times its transpose, which is five times as fast as decomposing it.
    """
    if matrix.shape[0] > matrix.shape[1]:
        left, right = factors(matrix.T, kept)
        return right.T, left.T
    double = matrix.astype(np.float64)
    basis = np.linalg.eigh(double @ double.T).eigenvectors[:, -kept:]
    return basis.astype(matrix.dtype), (basis.T @ double).astype(matrix.dtype)


def _factorised(weight: Weight, keep: float) -> tuple[Array, Array] | None:
    """None where a layer cannot be split (a convolution, a transposed input) or where no rank is small enough."""
    if weight.array.ndim != 2 or weight.node.op_type == "Conv" or attribute(weight.node, "transA", 0):
        return None
    matrix = weight.array if weight.axis == 1 else weight.array.T
    return factors(matrix, kept) if (kept := rank(matrix.shape[0], matrix.shape[1], keep)) else None


def _stem(weight: Weight) -> str:
    """What its factors are called: one that some layers transpose and others do not has two pairs."""
    return weight.name if weight.axis == 1 else f"{weight.name}_turned"


def _split(weight: Weight) -> list[onnx.NodeProto]:
    """The layer as two: a MatMul with the left factor, then the layer itself with the right one, untransposed."""
    inner, stem = f"{weight.node.output[0]}_low_rank", _stem(weight)
    first = helper.make_node("MatMul", [weight.node.input[0], f"{stem}_left"], [inner], name=f"{weight.node.name}_low_rank")
    second = onnx.NodeProto()
    second.CopyFrom(weight.node)
    second.input[0], second.input[1] = inner, f"{stem}_right"
    del second.attribute[:]
    second.attribute.extend(found for found in weight.node.attribute if found.name != "transB")
    return [first, second]


def _factorise(model: onnx.ModelProto, keep: float) -> None:
    """Replaces layers and weights in place; a weight that several layers share is factorised once."""
    layers = weights(model)
    distinct = {_stem(weight): weight for weight in layers}
    found = {stem: pair for stem, weight in distinct.items() if (pair := _factorised(weight, keep)) is not None}
    split = {weight.node.output[0]: _split(weight) for weight in layers if _stem(weight) in found}
    nodes = [new for node in model.graph.node for new in split.get(node.output[0], [node])]
    del model.graph.node[:]
    model.graph.node.extend(nodes)
    for name, (left, right) in found.items():
        model.graph.initializer.append(numpy_helper.from_array(left, f"{name}_left"))
        model.graph.initializer.append(numpy_helper.from_array(right, f"{name}_right"))
    drop_unused(model)


def apply(parts: Mapping[str, onnx.ModelProto], parameters: Mapping[str, Value], context: Context) -> dict[str, onnx.ModelProto]:
    """Factorises copies of the parts; convolutions and embedding tables stay as they are."""
    factorised = {name: editable(model) for name, model in parts.items()}
    for model in factorised.values():
        _factorise(model, float(parameters["keep"]))
    return factorised
