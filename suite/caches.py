"""Caches: what a component hands back to be given it again, which an artifact may keep in a narrower type than the card's.

The glue starts with an empty array and passes on what it gets: all that the suite has to do is to give that first, empty one the type
that the artifact reads. Needs numpy alone, since the worker on a small board imports it.
"""

import math
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    import onnx

    from suite.contracts import Component

Array = np.ndarray[Any, np.dtype[Any]]
Arrays = Mapping[str, Array]
Types = Mapping[str, str]
"""Cache input -> the dtype that an artifact keeps it in, where that is another than the card's."""

KEPT = ("float16", "int8", "uint8")
"""Dtypes that an artifact may keep a cache in besides the card's."""


def itemsize(tensor: "onnx.ValueInfoProto") -> int:
    """Bytes of an element of a graph's input."""
    from onnx.helper import tensor_dtype_to_np_dtype

    return tensor_dtype_to_np_dtype(tensor.type.tensor_type.elem_type).itemsize


def types(model: "onnx.ModelProto", component: "Component") -> dict[str, str]:
    """What a graph keeps its caches in, where that is another dtype than the card's and one of `KEPT`."""
    from onnx.helper import tensor_dtype_to_np_dtype

    stored = {tensor.name: tensor_dtype_to_np_dtype(tensor.type.tensor_type.elem_type).name for tensor in model.graph.input}
    declared = {tensor.name: tensor.dtype for tensor in component.inputs}
    return {name: stored[name] for name in component.cache if stored.get(name) in KEPT and stored[name] != declared[name]}


def bytes_per_token(component: "Component", kept: Types) -> int:
    """What one more position costs in all caches of a component together: the product of their fixed lengths, times the element."""
    total = 0
    for tensor in component.inputs:
        if tensor.name in component.cache:
            fixed = math.prod(size for size in tensor.shape if isinstance(size, int))
            total += fixed * np.dtype(kept.get(tensor.name, tensor.dtype)).itemsize
    return total


def entered(feed: Arrays, kept: Types) -> dict[str, Array]:
    """A call with every empty cache in the type that the artifact reads. What is not empty came from the artifact itself."""
    return {name: array.astype(kept[name]) if name in kept and not array.size else array for name, array in feed.items()}


def begins(feed: Arrays, kept: Types) -> bool:
    """Whether a call is the first of a sequence, all caches of which are empty."""
    return not any(feed[name].size for name in kept)
