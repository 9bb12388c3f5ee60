"""Weights that an exported graph lays out anew at each call become initializers in that layout.

The exporter leaves a large constant and a Reshape or Transpose of it in the graph, as it does for nn.Bilinear. Quantizers look for a
layer's weight among the initializers: there they find none, and leave it out or fail.
"""

from collections import Counter

import numpy as np
import onnx
from onnx import numpy_helper

from suite.graph import Array, attribute, drop_unused, nodes


def fold(model: onnx.ModelProto) -> None:
    """Folds each Reshape and Transpose of an initializer that nothing else reads, in place; what is shared would be stored twice."""
    readers = Counter(name for node in nodes(model) for name in node.input)
    outputs = {output.name for output in model.graph.output}
    given = {tensor.name for tensor in model.graph.input}
    known = {tensor.name: tensor for tensor in model.graph.initializer if tensor.name not in given}
    folded = []
    for node in model.graph.node:
        if not all(name in known for name in node.input) or not node.input or node.output[0] in outputs or readers[node.input[0]] > 1:
            continue
        array = _laid_out(node, [numpy_helper.to_array(known[name]) for name in node.input])
        if array is not None:
            known[node.output[0]] = made = numpy_helper.from_array(np.ascontiguousarray(array), node.output[0])
            model.graph.initializer.append(made)
            folded.append(node)
    for node in folded:
        model.graph.node.remove(node)
    if folded:
        drop_unused(model)


def _laid_out(node: onnx.NodeProto, given: list[Array]) -> Array | None:
    """What a node makes of its inputs; None for another operator, and for a length that it would copy from its input."""
    if node.op_type == "Transpose":
        return given[0].transpose(attribute(node, "perm", None))
    if node.op_type == "Reshape" and 0 not in given[1]:
        return given[0].reshape(given[1].tolist())
    return None
