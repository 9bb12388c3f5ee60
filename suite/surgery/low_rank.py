"""Weight matrices of MatMul and Gemm as products of two thin factors, whatever way these are found."""

from collections.abc import Callable

import numpy as np
import onnx
from onnx import helper, numpy_helper

from suite.graph import Array, Weight, attribute, drop_unused, weights

Factors = Callable[[str, Array, int], tuple[Array, Array] | None]
"""`factors(stem, matrix, rank)`: of what `layers` calls the weight and its matrix (inputs, outputs), (inputs, rank) and (rank, outputs).

None leaves the matrix as it is.
"""


def rank(rows: int, columns: int, keep: float) -> int:
    """The largest rank whose factors have at most `keep` of the matrix's elements: with `keep` < 1 always below break-even."""
    return int(keep * rows * columns / (rows + columns))


def matrix(weight: Weight) -> Array:
    """The weight as its layer multiplies by it, (inputs, outputs)."""
    return weight.array if weight.axis == 1 else weight.array.T


def layers(model: onnx.ModelProto) -> dict[str, list[Weight]]:
    """The layers that can be split, those of one matrix together: no convolution, and none that transposes what it reads.

    A weight that some layers transpose and others do not is two matrices, and has two names. Raises NotApplicable as `weights` does.
    """
    found: dict[str, list[Weight]] = {}
    for weight in weights(model):
        if weight.array.ndim == 2 and weight.node.op_type != "Conv" and not attribute(weight.node, "transA", 0):
            found.setdefault(weight.name if weight.axis == 1 else f"{weight.name}_turned", []).append(weight)
    return found


def factorise(model: onnx.ModelProto, keep: float, factors: Factors) -> None:
    """Replaces layers and weights in place, where a rank is small enough; a matrix that several layers share is factorised once.

    keep: share of a matrix's elements that its factors may have.
    """
    split: dict[str, list[onnx.NodeProto]] = {}
    pairs: dict[str, Array] = {}
    for stem, sharing in layers(model).items():
        whole = matrix(sharing[0])
        kept = rank(whole.shape[0], whole.shape[1], keep)
        if kept and (pair := factors(stem, whole, kept)) is not None:
            pairs[f"{stem}_left"], pairs[f"{stem}_right"] = pair
            split |= {weight.node.output[0]: _split(weight, stem) for weight in sharing}
    nodes = [new for node in model.graph.node for new in split.get(node.output[0], [node])]
    del model.graph.node[:]
    model.graph.node.extend(nodes)
    model.graph.initializer.extend(numpy_helper.from_array(np.ascontiguousarray(array), name) for name, array in pairs.items())
    drop_unused(model)


def _split(weight: Weight, stem: str) -> list[onnx.NodeProto]:
    """The layer as two: a MatMul with the left factor, then the layer itself with the right one, untransposed."""
    inner = f"{weight.node.output[0]}_low_rank"
    first = helper.make_node("MatMul", [weight.node.input[0], f"{stem}_left"], [inner], name=f"{weight.node.name}_low_rank")
    second = onnx.NodeProto()
    second.CopyFrom(weight.node)
    second.input[0], second.input[1] = inner, f"{stem}_right"
    del second.attribute[:]
    second.attribute.extend(found for found in weight.node.attribute if found.name != "transB")
    return [first, second]
