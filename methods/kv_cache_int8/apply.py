"""Static 8-bit quantization of a decoder's cache, by head or by channel, as KIVI (2402.02750) shows caches to allow.

KIVI takes its ranges from the tokens themselves, in groups for keys and one by one for values, and keeps them beside the cache. Here they
are constants from calibration: what a component hands on from step to step are its caches alone.
"""

from collections.abc import Iterable, Mapping
from itertools import islice

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

from suite.contracts import Component, Context, NotApplicable, Tensor, Value
from suite.graph import Array, editable

LEVELS = 255

Nodes = tuple[list[onnx.NodeProto], list[onnx.NodeProto], dict[str, Array]]
"""What reads a cache, what writes it, and the constants of both by name."""


def heads_axis(tensor: Tensor) -> int:
    """The axis whose places have a range each: the first of fixed length, that of the heads in (batch, heads, positions, width)."""
    return next((axis for axis, size in enumerate(tensor.shape) if isinstance(size, int)), 0)


def channel_axes(tensor: Tensor) -> tuple[int, ...]:
    """All axes of fixed length: each channel of each head has a range."""
    return tuple(axis for axis, size in enumerate(tensor.shape) if isinstance(size, int))


def extremes(caches: Iterable[Array], *axes: int) -> tuple[Array, Array]:
    """Least and greatest value of each place along `axes` over all calls, float32. Raises ValueError without a value."""
    filled = [cache for cache in caches if cache.size]
    if not filled:
        raise ValueError("no calibration call has anything in its cache, so that it has no range")
    sizes = [filled[0].shape[axis] for axis in axes]
    flat = np.concatenate([np.moveaxis(cache, axes, range(len(axes))).reshape(*sizes, -1) for cache in filled], -1)
    if not np.isfinite(flat).all():
        raise ValueError("the cache holds NaN or infinity on the calibration split")
    return flat.min(-1), flat.max(-1)


def ranges(caches: Iterable[Array], axis: int) -> tuple[Array, Array]:
    """Least and greatest value of each head, float32 (heads,), zero among them. Raises ValueError without a value."""
    low, high = extremes(caches, axis)
    return np.minimum(low, 0), np.maximum(high, 0)


def grid(low: Array, high: Array, margin: float) -> tuple[Array, Array]:
    """Scale float32 and zero point uint8 of each head, so that its range, widened by `margin`, has all 256 levels."""
    wide = (high - low) * (1 + margin)
    scale = np.maximum(wide / LEVELS, 1e-12).astype(np.float32)
    zero = np.clip(np.round(-(low - (wide - (high - low)) / 2) / scale), 0, LEVELS).astype(np.uint8)
    return scale, zero


def steps(low: Array, high: Array, margin: float) -> tuple[Array, Array]:
    """Step and value of level 0, float32, of ranges that are widened by `margin` and need not hold zero.

    A step is never so small beside the values that float32 loses the level on the way from it to the value and back.
    """
    wide = (high - low) * (1 + margin)
    least = np.maximum(1e-5 * np.maximum(np.abs(low), np.abs(high)), 1e-12)
    return np.maximum(wide / LEVELS, least).astype(np.float32), (low - (wide - (high - low)) / 2).astype(np.float32)


def by_head(given: str, back: str, tensor: Tensor, caches: Iterable[Array], margin: float) -> Nodes:
    """A DequantizeLinear before and a QuantizeLinear after, with a scale for each head."""
    axis = heads_axis(tensor)
    scale, zero = grid(*ranges(caches, axis), margin)
    constants = [f"{given}_scale", f"{given}_zero_point"]
    read = helper.make_node("DequantizeLinear", [given, *constants], [f"{given}_float"], f"{given}_read", axis=axis)
    kept = helper.make_node("QuantizeLinear", [f"{back}_float", *constants], [back], f"{back}_kept", axis=axis)
    return [read], [kept], dict(zip(constants, (scale, zero), strict=True))


def by_channel(given: str, back: str, tensor: Tensor, caches: Iterable[Array], margin: float) -> Nodes:
    """Products and sums around a step of 1, since DequantizeLinear has scales along one axis alone."""
    axes = channel_axes(tensor)
    step, lowest = (np.expand_dims(array, [axis for axis in range(len(tensor.shape)) if axis not in axes])
                    for array in steps(*extremes(caches, *axes), margin))  # fmt: skip
    names = [f"{given}_step", f"{given}_per_step", f"{given}_lowest", f"{given}_one", f"{given}_zero"]
    values: tuple[Array, ...] = (step, 1 / step, lowest, np.array(1, np.float32), np.array(0, np.uint8))
    by, per, low, one, zero = names
    read = [
        helper.make_node("DequantizeLinear", [given, one, zero], [f"{given}_level"], f"{given}_read"),
        helper.make_node("Mul", [f"{given}_level", by], [f"{given}_above"], f"{given}_read_step"),
        helper.make_node("Add", [f"{given}_above", low], [f"{given}_float"], f"{given}_read_lowest"),
    ]
    kept = [
        helper.make_node("Sub", [f"{back}_float", low], [f"{back}_above"], f"{back}_kept_lowest"),
        helper.make_node("Mul", [f"{back}_above", per], [f"{back}_level"], f"{back}_kept_step"),
        helper.make_node("QuantizeLinear", [f"{back}_level", one, zero], [back], f"{back}_kept"),
    ]
    return read, kept, dict(zip(names, values, strict=True))


def _narrow(model: onnx.ModelProto, given: str, back: str, nodes: Nodes) -> None:
    """The input `given` is read through the first of the nodes, the output `back` is written through the second, in place.

    What was read is written back to the same level, so that nothing is lost by going round.
    """
    read, kept, constants = nodes
    inside = {given: f"{given}_float", back: f"{back}_float"}
    for node in model.graph.node:
        for names in (node.input, node.output):
            for place, name in enumerate(names):
                names[place] = inside.get(name, name)
    model.graph.initializer.extend(numpy_helper.from_array(np.asarray(array), name) for name, array in constants.items())
    computed = [*read, *model.graph.node, *kept]
    del model.graph.node[:]
    model.graph.node.extend(computed)
    for tensor in (*model.graph.input, *model.graph.output):
        if tensor.name in (given, back):
            tensor.type.tensor_type.elem_type = TensorProto.UINT8


def _quantize(
    model: onnx.ModelProto, component: Component, calls: list[Mapping[str, Array]], parameters: Mapping[str, Value]
) -> onnx.ModelProto:
    narrowed, inputs = editable(model), {tensor.name: tensor for tensor in component.inputs}
    around = by_channel if parameters["granularity"] == "channel" else by_head
    for given, back in component.cache.items():
        caches = (call[given] for call in calls)
        _narrow(narrowed, given, back, around(given, back, inputs[given], caches, float(parameters["margin"])))
    return narrowed


def apply(parts: Mapping[str, onnx.ModelProto], parameters: Mapping[str, Value], context: Context) -> dict[str, onnx.ModelProto]:
    """Copies of the parts whose caches are unsigned int8; NotApplicable if none has a cache."""
    cached = [name for name in parts if context.components[name].cache]
    if not cached:
        raise NotApplicable(f"no cache in {', '.join(parts)}")
    calls = {name: list(islice(context.feeds(name), int(parameters["items"]))) for name in cached}
    return {
        name: _quantize(model, context.components[name], calls[name], parameters) if name in calls else model
        for name, model in parts.items()
    }
