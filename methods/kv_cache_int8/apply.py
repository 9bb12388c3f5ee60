"""Static 8-bit quantization of a decoder's cache by head, as KIVI (2402.02750) shows caches to allow; here per head, not per channel."""

from collections.abc import Iterable, Mapping
from itertools import islice

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

from suite.contracts import Component, Context, NotApplicable, Tensor, Value
from suite.graph import Array, editable

LEVELS = 255


def heads_axis(tensor: Tensor) -> int:
    """The axis whose places have a range each: the first of fixed length, that of the heads in (batch, heads, positions, width)."""
    return next((axis for axis, size in enumerate(tensor.shape) if isinstance(size, int)), 0)


def ranges(caches: Iterable[Array], axis: int) -> tuple[Array, Array]:
    """Least and greatest value of each head over all calls, float32 (heads,), zero among them. Raises ValueError without a value."""
    filled = [cache for cache in caches if cache.size]
    if not filled:
        raise ValueError("no calibration call has anything in its cache, so that it has no range")
    flat = np.concatenate([np.moveaxis(cache, axis, 0).reshape(cache.shape[axis], -1) for cache in filled], 1)
    if not np.isfinite(flat).all():
        raise ValueError("the cache holds NaN or infinity on the calibration split")
    return np.minimum(flat.min(1), 0), np.maximum(flat.max(1), 0)


def grid(low: Array, high: Array, margin: float) -> tuple[Array, Array]:
    """Scale float32 and zero point uint8 of each head, so that its range, widened by `margin`, has all 256 levels."""
    wide = (high - low) * (1 + margin)
    scale = np.maximum(wide / LEVELS, 1e-12).astype(np.float32)
    zero = np.clip(np.round(-(low - (wide - (high - low)) / 2) / scale), 0, LEVELS).astype(np.uint8)
    return scale, zero


def _narrow(model: onnx.ModelProto, given: str, back: str, axis: int, scale: Array, zero: Array) -> None:
    """The input `given` is read through a DequantizeLinear, the output `back` is written through a QuantizeLinear, in place.

    What was read is written back to the same level, so that nothing is lost by going round.
    """
    inside = {given: f"{given}_float", back: f"{back}_float"}
    for node in model.graph.node:
        for names in (node.input, node.output):
            for place, name in enumerate(names):
                names[place] = inside.get(name, name)
    constants = [f"{given}_scale", f"{given}_zero_point"]
    model.graph.initializer.extend(numpy_helper.from_array(array, name) for array, name in zip((scale, zero), constants, strict=True))
    model.graph.node.insert(0, helper.make_node("DequantizeLinear", [given, *constants], [inside[given]], f"{given}_read", axis=axis))
    model.graph.node.append(helper.make_node("QuantizeLinear", [inside[back], *constants], [back], f"{back}_kept", axis=axis))
    for tensor in (*model.graph.input, *model.graph.output):
        if tensor.name in (given, back):
            tensor.type.tensor_type.elem_type = TensorProto.UINT8


def _quantize(model: onnx.ModelProto, component: Component, calls: list[Mapping[str, Array]], margin: float) -> onnx.ModelProto:
    narrowed, axes = editable(model), {tensor.name: heads_axis(tensor) for tensor in component.inputs}
    for given, back in component.cache.items():
        _narrow(narrowed, given, back, axes[given], *grid(*ranges((call[given] for call in calls), axes[given]), margin))
    return narrowed


def apply(parts: Mapping[str, onnx.ModelProto], parameters: Mapping[str, Value], context: Context) -> dict[str, onnx.ModelProto]:
    """Copies of the parts whose caches are unsigned int8; NotApplicable if none has a cache."""
    cached = [name for name in parts if context.components[name].cache]
    if not cached:
        raise NotApplicable(f"no cache in {', '.join(parts)}")
    items, margin = int(parameters["items"]), float(parameters["margin"])
    calls = {name: list(islice(context.feeds(name), items)) for name in cached}
    return {
        name: _quantize(model, context.components[name], calls[name], margin) if name in calls else model for name, model in parts.items()
    }
