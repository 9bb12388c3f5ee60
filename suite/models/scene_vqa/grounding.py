"""The auxiliary losses of Scene VQA, dropped after training.

Every image cell says what it holds, in the words of the questions; every attribute in a question says how many objects it fits, and where.
"""

from collections.abc import Sequence
from typing import Final

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from suite.models.scene_vqa.data import Example
from suite.models.scene_vqa.questions import ATTRIBUTES, EXTREMES, FAMILIES, TOKEN, VOCABULARY
from suite.models.scenes import CANVAS

GRID: Final = 8
CELL: Final = CANVAS // GRID
SCALE: Final = 36.0
"""Logits are cosines of a cell and a word, times this."""


def _token_ids(words: Sequence[str]) -> Tensor:
    return torch.tensor([TOKEN[word] for word in words])


WORDS: Final = [_token_ids(words) for words in FAMILIES.values()]
EXTREME_WORDS: Final = _token_ids(tuple(EXTREMES))


def targets(chosen: Sequence[Example]) -> Tensor:
    """What is centred in each cell, float32 (scenes, 64, 9): word of each family + 1 (0: nothing), extremes as 0 or 1, offsets x and y."""
    cells = np.zeros((len(chosen), GRID * GRID, 9), np.float32)
    for row, example in zip(cells, chosen, strict=True):
        firsts = [min(example.scene, key=lambda thing: sign * getattr(thing, axis)) for axis, sign in EXTREMES.values()]
        for thing in example.scene:
            words = [words.index(getattr(thing, family)) + 1 for family, words in FAMILIES.items()]
            offsets = [value % CELL / CELL - 0.5 for value in (thing.x, thing.y)]
            row[thing.y // CELL * GRID + thing.x // CELL] = [*words, *(first is thing for first in firsts), *offsets]
    return torch.from_numpy(cells)


def word_targets(chosen: Sequence[Example]) -> Tensor:
    """What each token of each question fits, float32 (questions, 8, 3): number of objects, -1 if no attribute, and mean x and y."""
    nothing = (-1.0, 0.0, 0.0)
    rows = []
    for example in chosen:
        fits = dict.fromkeys(ATTRIBUTES, (0.0, 0.0, 0.0))
        for word in ATTRIBUTES:
            places = [(thing.x, thing.y) for thing in example.scene if word in (thing.colour, thing.shape, thing.size)]
            if places:
                x, y = (2 * sum(values) / len(places) / CANVAS - 1 for values in zip(*places, strict=True))
                fits[word] = (len(places), x, y)
        rows += [[fits.get(VOCABULARY[token], nothing) for token in question.ids()] for question in example.questions]
    return torch.tensor(rows)


class Grounding(nn.Module):
    """Reads off each cell the colour, shape and size there, whether it is an extreme, and the place of the centre in the cell."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.empty = nn.Linear(width, len(FAMILIES))
        self.offsets = nn.Linear(width, 2)
        self.count, self.place = nn.Linear(width, 7), nn.Linear(width, 2)
        self.threshold = nn.Parameter(torch.tensor(3.0))

    def cells(self, embeds: Tensor, tokens: Tensor) -> tuple[list[Tensor], Tensor, Tensor]:
        """Logits of each family (scenes, 64, words + 1), of the extremes (scenes, 64, 4), and offsets (scenes, 64, 2)."""
        cells, words = functional.normalize(embeds.float(), dim=-1) * SCALE, functional.normalize(tokens.float(), dim=-1)
        empty = self.empty(embeds).float()
        families = [torch.cat([empty[..., place, None], cells @ words[ids].T], -1) for place, ids in enumerate(WORDS)]
        return families, cells @ words[EXTREME_WORDS].T - self.threshold, self.offsets(embeds).float()

    def cell_loss(self, embeds: Tensor, tokens: Tensor, wanted: Tensor) -> Tensor:
        """Cross-entropy of the words and the extremes, and the squared error of the offsets where an object is."""
        families, extremes, offsets = self.cells(embeds, tokens)
        there = wanted[..., 0] > 0
        loss = functional.binary_cross_entropy_with_logits(extremes[there], wanted[..., 3:7][there]) * 0.3
        for place, logits in enumerate(families):
            loss = loss + functional.cross_entropy(logits.flatten(0, 1), wanted[..., place].long().flatten())
        return loss + functional.mse_loss(offsets[there], wanted[..., 7:][there])

    def word_loss(self, hidden: Tensor, wanted: Tensor) -> Tensor:
        """Cross-entropy of the number of objects, and the squared error of their place; hidden is (questions, 8, width)."""
        attribute, fits = wanted[..., 0] >= 0, wanted[..., 0] > 0
        loss = functional.cross_entropy(self.count(hidden[attribute]).float(), wanted[attribute][:, 0].long())
        return loss + functional.mse_loss(self.place(hidden[fits]).float(), wanted[fits][:, 1:])
