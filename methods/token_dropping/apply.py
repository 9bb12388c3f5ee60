"""Tokens dropped at random: the control of methods that choose them."""

import math
from collections.abc import Mapping, Sequence
from functools import partial

import torch
from torch import Tensor, nn

from suite.contracts import Context, Value
from suite.surgery.tokens import shorten


def nearest(tokens: int, kept: Sequence[int], alone: bool) -> Tensor:
    """For each place the index in `kept` of the nearest place there, the first of equals, int64 (tokens,).

    Places lie on a square grid if their number, less a class token, is a square, and in a line otherwise.
    """
    places = torch.arange(tokens) - int(alone)
    side = math.isqrt(tokens - int(alone))
    width = side if side * side == tokens - int(alone) else tokens
    grid = torch.stack([places // width, places % width], 1).double()
    if alone:
        grid[0] = -2.0 * tokens
    distances: Tensor = (grid[:, None] - grid[list(kept)][None]).square().sum(-1)
    return distances.argmin(1)


class Dropping(nn.Module):
    """Keeps the tokens of fixed places, given as indices into those that are left."""

    def __init__(self, kept: Tensor, where: Tensor) -> None:
        super().__init__()
        self.register_buffer("kept", kept, persistent=False)
        self.register_buffer("where", where[None], persistent=False)

    def forward(self, x: Tensor, keys: Tensor, size: Tensor, where: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """As suite.surgery.tokens has it."""
        kept = self.get_buffer("kept")
        return x.index_select(1, kept), size.index_select(1, kept), self.get_buffer("where").expand(x.shape[0], -1)


def steps(counts: Sequence[int], alone: bool, seed: int) -> list[Dropping]:
    """The step of each block: places leave in a random order that the seed fixes."""
    order = torch.randperm(counts[0], generator=torch.Generator().manual_seed(seed)).tolist()
    order.sort(key=lambda place: not (alone and place == 0))
    found, left = [], list(range(counts[0]))
    for count in counts[1:]:
        kept = sorted(order[:count])
        found.append(Dropping(torch.tensor([left.index(place) for place in kept]), nearest(counts[0], kept, alone)))
        left = kept
    return found


def apply(parts: Mapping[str, nn.Module], parameters: Mapping[str, Value], context: Context) -> dict[str, nn.Module]:
    """Copies of the parts that drop tokens; NotApplicable if one of them is no transformer whose blocks can be rewritten."""
    keep, make = float(parameters["keep"]), partial(steps, seed=context.seed)
    return {name: shorten(module, context.components[name], context.seed, keep, make, sized=False) for name, module in parts.items()}
