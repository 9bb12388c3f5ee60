"""The algorithm. Only the process that compresses imports this, so it may import what it likes."""

import copy
from collections.abc import Mapping

import torch
from torch import nn
from torch.nn import functional

from suite.contracts import Context, NotApplicable, Value


class Int8Linear(nn.Module):
    """A linear layer whose weight is stored as int8, shape (output features, inputs), with a float32 scale for each output feature."""

    weight: torch.Tensor
    scale: torch.Tensor

    def __init__(self, layer: nn.Linear, bits: int) -> None:
        super().__init__()
        largest = 2 ** (bits - 1) - 1
        scale = (layer.weight.abs().amax(1, keepdim=True) / largest).clamp(min=torch.finfo(torch.float32).tiny)
        self.register_buffer("weight", (layer.weight / scale).round().clamp(-largest, largest).to(torch.int8))
        self.register_buffer("scale", scale)
        self.bias = layer.bias

    def forward(self, rows: torch.Tensor) -> torch.Tensor:
        """Float32, shape (..., inputs) to (..., output features)."""
        return functional.linear(rows, self.weight.to(rows.dtype) * self.scale, self.bias)


def apply(parts: Mapping[str, nn.Module], parameters: Mapping[str, Value], context: Context) -> dict[str, nn.Module]:
    """`parts` maps component names to their modules; what is returned, under the same names, is written, audited, deployed and measured.

    Raises NotApplicable where there is nothing to quantize: the cell is then unsupported, with this reason.
    """
    made = {name: copy.deepcopy(part).eval() for name, part in parts.items()}
    with torch.no_grad():
        found = [replaced(owner, int(parameters["bits"])) for part in made.values() for owner in list(part.modules())]
    if not any(found):
        raise NotApplicable(f"there is no linear layer in {', '.join(parts)}")
    return made


def replaced(owner: nn.Module, bits: int) -> int:
    """Puts an `Int8Linear` in the place of each linear layer that a module holds; how many there were."""
    layers = {name: layer for name, layer in owner.named_children() if type(layer) is nn.Linear}
    for name, layer in layers.items():
        setattr(owner, name, Int8Linear(layer, bits))
    return len(layers)
