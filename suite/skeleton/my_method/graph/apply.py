"""The algorithm. Only the process that compresses imports this, so it may import what it likes."""

from collections.abc import Mapping

import numpy as np
import onnx
from onnx import helper, numpy_helper

from suite.contracts import Context, Value
from suite.graph import Array, Weight, drop_unused, editable, weights


def apply(parts: Mapping[str, onnx.ModelProto], parameters: Mapping[str, Value], context: Context) -> dict[str, onnx.ModelProto]:
    """`parts` maps component names to their graphs; what is returned, under the same names, is audited, deployed and measured."""
    made = {name: editable(model) for name, model in parts.items()}
    for model in made.values():
        for weight in {weight.name: weight for weight in weights(model)}.values():
            store(model, weight, bool(parameters["per_channel"]))
        drop_unused(model)
    return made


def quantize(array: Array, axis: int | None) -> tuple[Array, Array]:
    """int8 of the same shape, and the float32 scales: one, shape (), or one for each index along `axis`."""
    others = tuple(index for index in range(array.ndim) if index != axis)
    scale = np.abs(array).max(axis=None if axis is None else others, keepdims=axis is not None) / np.float32(127)
    scale = np.where(scale == 0, np.float32(1), scale).astype(np.float32)
    return np.round(array / scale).clip(-127, 127).astype(np.int8), scale.ravel() if axis is not None else scale


def store(model: onnx.ModelProto, weight: Weight, per_channel: bool) -> None:
    """Puts a DequantizeLinear in front of the nodes that read a weight, in place."""
    integers, scale = quantize(weight.array, weight.axis if per_channel else None)
    names = [f"{weight.name}_int8", f"{weight.name}_scale"]
    for name, array in zip(names, (integers, scale), strict=True):
        model.graph.initializer.append(numpy_helper.from_array(array, name))
    for node in model.graph.node:
        node.input[:] = [f"{weight.name}_back" if name == weight.name else name for name in node.input]
    axis = weight.axis if per_channel else None
    model.graph.node.insert(0, helper.make_node("DequantizeLinear", names, [f"{weight.name}_back"], axis=axis))
