"""Modules in 16-bit floating point that take and give fp32."""

import copy
from collections.abc import Mapping

import torch
from torch import nn

from suite.contracts import Context, Value


class Half(nn.Module):
    """A part in another floating-point type, which its callers need not know of."""

    def __init__(self, part: nn.Module, dtype: torch.dtype) -> None:
        super().__init__()
        self.part, self.dtype = part.to(dtype), dtype

    def forward(self, *given: torch.Tensor) -> torch.Tensor | tuple[torch.Tensor, ...]:
        """As the part's own; tensors of whole numbers pass as they are."""
        found = self.part(*(tensor.to(self.dtype) if tensor.is_floating_point() else tensor for tensor in given))
        return _single(found) if isinstance(found, torch.Tensor) else tuple(map(_single, found))


def _single(tensor: torch.Tensor) -> torch.Tensor:
    return tensor.float() if tensor.is_floating_point() else tensor


def apply(parts: Mapping[str, nn.Module], parameters: Mapping[str, Value], context: Context) -> dict[str, nn.Module]:
    """Copies of the parts. parameters: `dtype`, the name of one of torch's."""
    dtype = getattr(torch, str(parameters["dtype"]))
    return {name: Half(copy.deepcopy(part).eval(), dtype) for name, part in parts.items()}
