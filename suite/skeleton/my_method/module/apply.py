"""The algorithm. Only the process that compresses imports this, so it may import what it likes."""

import copy
import math
from collections.abc import Mapping

import torch
from torch import nn

from suite.contracts import Context, NotApplicable, Value

LAYERS = (nn.Linear, nn.Conv1d, nn.Conv2d, nn.Conv3d)


def apply(parts: Mapping[str, nn.Module], parameters: Mapping[str, Value], context: Context) -> dict[str, nn.Module]:
    """`parts` maps component names to their modules; what is returned, under the same names, is exported, audited, deployed and measured.

    Raises NotApplicable where there is nothing to prune: the cell is then unsupported, with this reason.
    """
    made = {name: copy.deepcopy(part).eval() for name, part in parts.items()}
    layers = [layer for part in made.values() for layer in part.modules() if isinstance(layer, LAYERS)]
    if not layers:
        raise NotApplicable(f"there is no linear layer and no convolution in {', '.join(parts)}")
    with torch.no_grad():
        for layer in layers:
            layer.weight.copy_(pruned(layer.weight, float(parameters["sparsity"])))
    return made


def pruned(weight: torch.Tensor, sparsity: float) -> torch.Tensor:
    """The weight, shape (output features, ...), with at least this share of each output feature's elements zero."""
    rows = weight.flatten(1)
    gone = rows.abs().argsort(dim=1)[:, : math.ceil(sparsity * rows.shape[1])]
    return rows.scatter(1, gone, 0.0).reshape(weight.shape)
