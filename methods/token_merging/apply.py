"""Token merging by bipartite soft matching (ToMe, 2210.09461)."""

from collections.abc import Mapping, Sequence
from itertools import pairwise

import torch
from torch import Tensor, nn

from suite.contracts import Context, Value
from suite.surgery.tokens import shorten


def matching(keys: Tensor, count: int, alone: bool) -> Tensor:
    """The new place of each token, int64 (batch, m): the `count` tokens of even places that are most like one of an odd place join it.

    Likeness is the cosine of keys (batch, m, d). New places are the even tokens that stay, in order, then the odd ones. Ranks come
    from comparisons, so that of equals the first is merged in every runtime; `alone`: the first token is never merged into another.
    """
    unit = nn.functional.normalize(keys, dim=-1)
    even, odd = unit[:, ::2], unit[:, 1::2]
    best, partner = (even @ odd.transpose(-1, -2)).max(-1)
    places = torch.arange(even.shape[1])
    best = best - 4.0 * (places == 0) if alone else best
    ahead = (best[:, None, :] > best[:, :, None]) | ((best[:, None, :] == best[:, :, None]) & (places[None, :] < places[:, None]))
    stays = ahead.sum(-1) >= count
    kept = even.shape[1] - count
    of_even = torch.where(stays, stays.cumsum(-1) - 1, kept + partner)
    of_odd = (kept + torch.arange(odd.shape[1])).expand(keys.shape[0], -1)
    order = torch.tensor([place // 2 + place % 2 * even.shape[1] for place in range(keys.shape[1])])
    return torch.cat([of_even, of_odd], 1).index_select(1, order)


class Merging(nn.Module):
    """Merges the `count` most similar pairs into their mean, weighted by how many tokens each stands for."""

    def __init__(self, tokens: int, count: int, alone: bool) -> None:
        super().__init__()
        self.tokens, self.count, self.alone = tokens, count, alone

    def forward(self, x: Tensor, keys: Tensor, size: Tensor, where: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """As suite.surgery.tokens has it."""
        if not self.count:
            return x, size, where
        new = matching(keys, self.count, self.alone)
        joins = (new[:, None, :] == torch.arange(self.tokens - self.count)[None, :, None]).to(x.dtype)
        sizes = joins @ size
        return joins @ (x * size) / sizes, sizes, new.gather(1, where)


def steps(counts: Sequence[int], alone: bool) -> list[Merging]:
    """The step of each block."""
    return [Merging(before, before - after, alone) for before, after in pairwise(counts)]


def apply(parts: Mapping[str, nn.Module], parameters: Mapping[str, Value], context: Context) -> dict[str, nn.Module]:
    """Copies of the parts that merge tokens; NotApplicable if one of them is no transformer whose blocks can be rewritten."""
    keep = float(parameters["keep"])
    return {name: shorten(module, context.components[name], context.seed, keep, steps, sized=True) for name, module in parts.items()}
