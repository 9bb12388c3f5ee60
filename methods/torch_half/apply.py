"""Modules in 16-bit floating point that take and give fp32."""

import copy
import math
from collections.abc import Iterable, Mapping
from typing import Any

import torch
from torch import nn
from torch.overrides import TorchFunctionMode
from torch.utils import _pytree as pytree

from suite.contracts import Context, Value

ONE_TYPE = frozenset({
    "matmul", "rmatmul", "mm", "bmm", "mv", "dot", "addmm", "addbmm", "baddbmm", "einsum", "tensordot", "linear", "bilinear",
    "scaled_dot_product_attention", "multi_head_attention_forward", "lstm", "gru", "conv1d", "conv2d", "conv3d", "conv_transpose1d",
    "conv_transpose2d", "conv_transpose3d", "layer_norm", "rms_norm", "group_norm", "batch_norm", "instance_norm", "prelu", "scatter",
    "scatter_add", "scatter_reduce", "index_add", "index_copy", "index_put", "masked_scatter", "lerp", "cdist", "grid_sample",
})  # fmt: skip
"""Operators whose tensors have to be of one floating-point type. Torch promotes those of all others (a sum, a product, `where`) itself."""


class Half(nn.Module):
    """A part in another floating-point type, which its callers need not know of."""

    def __init__(self, part: nn.Module, dtype: torch.dtype) -> None:
        super().__init__()
        self.part, self.dtype = part.to(dtype), dtype

    def forward(self, *given: torch.Tensor) -> Any:
        """As the part's own; tensors of whole numbers pass as they are."""
        with _Mixed(self.dtype):
            return _to(torch.float32, self.part(*_to(self.dtype, given)))


class _Mixed(TorchFunctionMode):
    """Operators that are given both types, as a mask or an angle in fp32 makes them, where torch wants one: they compute in the part's
    and give fp32 back, so that what lies between layers stays as precise as its author meant it. One that writes in place keeps the type
    of what it writes to."""

    def __init__(self, dtype: torch.dtype) -> None:
        super().__init__()
        self.dtype = dtype

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        name, kwargs = str(getattr(func, "__name__", "")), kwargs or {}
        if name.strip("_") == "masked_fill":
            return func(*_within(args[0], args[1:]), **dict(zip(kwargs, _within(args[0], kwargs.values())[1:], strict=True)))
        types = {each.dtype for each in pytree.tree_leaves((args, kwargs)) if isinstance(each, torch.Tensor)}
        if name.strip("_") not in ONE_TYPE or not types >= {torch.float32, self.dtype}:
            return func(*args, **kwargs)
        if name.endswith("_") and not name.endswith("__"):
            return func(args[0], *_to(args[0].dtype, args[1:]), **_to(args[0].dtype, kwargs))
        return _to(torch.float32, func(*_to(self.dtype, args), **_to(self.dtype, kwargs)))


def _within(tensor: torch.Tensor, given: Iterable[Any]) -> list[Any]:
    """A tensor and what fills it, a number being the nearest that its type has: fp16 has no -1e9."""
    if not tensor.is_floating_point():
        return [tensor, *given]
    most = torch.finfo(tensor.dtype).max
    return [tensor, *(min(max(each, -most), most) if isinstance(each, int | float) and math.isfinite(each) else each for each in given)]


def _to(dtype: torch.dtype, found: Any) -> Any:
    return pytree.tree_map_only(torch.Tensor, lambda tensor: tensor.to(dtype) if tensor.is_floating_point() else tensor, found)


def apply(parts: Mapping[str, nn.Module], parameters: Mapping[str, Value], context: Context) -> dict[str, nn.Module]:
    """Copies of the parts. parameters: `dtype`, the name of one of torch's."""
    dtype = getattr(torch, str(parameters["dtype"]))
    return {name: Half(copy.deepcopy(part).eval(), dtype) for name, part in parts.items()}
