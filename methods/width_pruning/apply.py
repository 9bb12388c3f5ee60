"""Structured pruning by weight norm, as 1608.08710 does for filters, of the hidden units of feed-forward blocks."""

import copy
from collections.abc import Iterator, Mapping
from itertools import pairwise

import torch
from torch import Tensor, nn

from suite.contracts import Context, NotApplicable, Value

ACTIVATIONS = (nn.GELU, nn.ReLU, nn.ReLU6, nn.SiLU, nn.Mish, nn.ELU, nn.LeakyReLU, nn.Hardswish, nn.Tanh, nn.Sigmoid)
ELEMENTWISE = (*ACTIVATIONS, nn.Dropout, nn.Identity)
"""Modules that treat each hidden unit on its own, so that one can go without a change to the others."""


def blocks(module: nn.Module) -> Iterator[tuple[nn.Linear, nn.Linear]]:
    """The two linear layers of each feed-forward block: in any nn.Sequential, with nothing but elementwise modules between them."""
    for sequence in module.modules():
        if isinstance(sequence, nn.Sequential):
            layers = [layer for layer in sequence if not isinstance(layer, ELEMENTWISE)]
            for first, second in pairwise(layers):
                if isinstance(first, nn.Linear) and isinstance(second, nn.Linear):
                    yield first, second


def importance(first: nn.Linear, second: nn.Linear) -> Tensor:
    """Of each hidden unit: the L2 norm of its incoming weights times that of its outgoing ones, shape (hidden units,)."""
    result: Tensor = torch.linalg.vector_norm(first.weight, dim=1) * torch.linalg.vector_norm(second.weight, dim=0)
    return result


def _shrink(first: nn.Linear, second: nn.Linear, keep: float) -> None:
    """Keeps the most important units in their order, in place."""
    count = max(1, round(keep * first.out_features))
    kept = importance(first, second).argsort(descending=True, stable=True)[:count].sort().values
    first.weight, second.weight = nn.Parameter(first.weight[kept]), nn.Parameter(second.weight[:, kept])
    if first.bias is not None:
        first.bias = nn.Parameter(first.bias[kept])
    first.out_features = second.in_features = count


@torch.no_grad()
def apply(parts: Mapping[str, nn.Module], parameters: Mapping[str, Value], context: Context) -> dict[str, nn.Module]:
    """Prunes copies of the parts that have feed-forward blocks; NotApplicable if none has."""
    pruned = {name: copy.deepcopy(module) for name, module in parts.items()}
    found = [pair for module in pruned.values() for pair in blocks(module)]
    if not found:
        raise NotApplicable(f"no feed-forward block to prune in {', '.join(parts)}")
    for first, second in found:
        _shrink(first, second, float(parameters["keep"]))
    return pruned
