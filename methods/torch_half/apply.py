"""Modules in 16-bit floating point that take and give fp32."""

import copy
from collections.abc import Callable, Mapping
from typing import Any

import torch
from torch import nn
from torch.utils import _pytree as pytree

from suite.contracts import Context, Value


class Half(nn.Module):
    """A part in another floating-point type, which its callers need not know of."""

    def __init__(self, part: nn.Module, dtype: torch.dtype) -> None:
        super().__init__()
        self.part, self.dtype = part.to(dtype), dtype
        for layer in _layers(part):
            layer.forward = _in_its_type(layer.forward, dtype)

    def forward(self, *given: torch.Tensor) -> Any:
        """As the part's own; tensors of whole numbers pass as they are."""
        return _to(torch.float32, self.part(*_to(self.dtype, given)))


def _layers(part: nn.Module) -> list[nn.Module]:
    """What holds weights itself."""
    alone = (module for module in part.modules() if isinstance(module, nn.MultiheadAttention) or not list(module.children()))
    return [module for module in alone if any(weight.is_floating_point() for weight in module.parameters(recurse=False))]


def _in_its_type(forward: Callable[..., Any], dtype: torch.dtype) -> Callable[..., Any]:
    """A layer that computes in its own type where the network has gone back to fp32, as many do before they normalise, and gives fp32
    back there: what lies between layers stays as precise as its author meant it."""

    def run(*given: Any, **named: Any) -> Any:
        wide = any(isinstance(each, torch.Tensor) and each.dtype == torch.float32 for each in pytree.tree_leaves((given, named)))
        if not wide:
            return forward(*given, **named)
        return _to(torch.float32, forward(*_to(dtype, given), **_to(dtype, named)))

    return run


def _to(dtype: torch.dtype, found: Any) -> Any:
    return pytree.tree_map_only(torch.Tensor, lambda tensor: tensor.to(dtype) if tensor.is_floating_point() else tensor, found)


def apply(parts: Mapping[str, nn.Module], parameters: Mapping[str, Value], context: Context) -> dict[str, nn.Module]:
    """Copies of the parts. parameters: `dtype`, the name of one of torch's."""
    dtype = getattr(torch, str(parameters["dtype"]))
    return {name: Half(copy.deepcopy(part).eval(), dtype) for name, part in parts.items()}
