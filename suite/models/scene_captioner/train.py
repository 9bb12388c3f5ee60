"""Trains the scene captioner from scratch: what each image cell holds, then captions; no scene is seen twice."""

import logging
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from suite.contracts import Advance, Split
from suite.models import training
from suite.models.scene_captioner import data, task
from suite.models.scene_captioner.network import DECODER_DEPTH, HEADS, WIDTH, build
from suite.models.scenes import CANVAS, COLOURS, SHAPES, SIZES

VISION_STEPS: Final = 1500
"""Steps that train the vision tower alone, on the dense loss."""
STEPS: Final = 5500
"""Steps on captions that follow."""
VISION_SCENES: Final = 16
SCENES: Final = 32
"""Scenes of each step."""
VISION_RATE: Final = 8e-4
RATE: Final = 8e-4
DECAY: Final = 0.03
THERE_WEIGHT: Final = 4.0
VALIDATION_SCENES: Final = 400
VALIDATE_EVERY: Final = 500
SEED: Final = 0

GRID: Final = 8
CELL: Final = CANVAS // GRID
FAMILIES: Final = {"colour": tuple(COLOURS), "shape": SHAPES, "size": SIZES}

logger = logging.getLogger(__name__)


def cell_targets(chosen: Sequence[data.Example]) -> Tensor:
    """What is centred in each cell, float32 (scenes, 64, 7): whether anything is, colour, shape, size, rank from the left, x and y."""
    cells = np.zeros((len(chosen), GRID * GRID, 7), np.float32)
    for row, example in zip(cells, chosen, strict=True):
        for rank, thing in enumerate(example.scene):
            words = [words.index(getattr(thing, family)) for family, words in FAMILIES.items()]
            x, y = (2 * value / CANVAS - 1 for value in (thing.x, thing.y))
            row[thing.y // CELL * GRID + thing.x // CELL] = [1, *words, rank, x, y]
    return torch.from_numpy(cells)


class Cells(nn.Module):
    """The auxiliary loss, dropped after training: each token of the vision tower says what is centred in its cell."""

    def __init__(self) -> None:
        super().__init__()
        self.there, self.place = nn.Linear(WIDTH, 1), nn.Linear(WIDTH, 2)
        self.classes = nn.ModuleList(nn.Linear(WIDTH, count) for count in (*map(len, FAMILIES.values()), task.OBJECTS[1]))

    def forward(self, tokens: Tensor, wanted: Tensor) -> Tensor:
        """Cross-entropy of whether an object is there, of its words and of its rank, and the squared error of its place."""
        there = wanted[..., 0] > 0
        seen, told = tokens[there], wanted[there]
        loss = functional.binary_cross_entropy_with_logits(self.there(tokens)[..., 0], wanted[..., 0]) * THERE_WEIGHT
        loss = loss + functional.mse_loss(self.place(seen), told[:, 5:])
        for place, classes in enumerate(self.classes, 1):
            loss = loss + functional.cross_entropy(classes(seen), told[:, place].long())
        return loss


def start() -> nn.ModuleDict:
    """Fresh components, whose image positions start as coordinates."""
    network = build()
    with torch.no_grad():
        network["vision"].get_parameter("tower.position").add_(training.coordinates(GRID, WIDTH))
    return network


def _images(images: np.ndarray[Any, np.dtype[np.uint8]]) -> Tensor:
    return torch.from_numpy(task.pixels(images))


def no_past(batch: int) -> Tensor:
    """Keys or values of nothing, (batch, 16, 0, 64)."""
    return torch.zeros(batch, DECODER_DEPTH * HEADS, 0, WIDTH // HEADS)


def batch(index: int) -> dict[str, Tensor]:
    """SCENES scenes that the training of the model never saw: `pixel_values`, and the tokens of their captions, `wanted`."""
    drawn = data.split(data.take(SCENES, "training", VISION_STEPS + STEPS + index))
    return {"pixel_values": _images(drawn.inputs["images"]), "wanted": torch.from_numpy(drawn.labels["caption"])}


def _after_each(decoder: Any, embeds: Tensor, wanted: Tensor) -> Tensor:
    """Logits (scenes, tokens, 19) of each token of the captions after those before it."""
    given, past = functional.pad(wanted[:, :-1], (1, 0), value=task.START), no_past(len(wanted))
    states, _, _ = decoder.read(embeds, given, past, past)
    return decoder.head(states[:, embeds.shape[1] :])  # type: ignore[no-any-return]


def outputs(parts: Mapping[str, nn.Module], batch: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Logits of every token that is there (tokens, 19), each after the right ones before it, and the image embeddings."""
    embeds, wanted = parts["vision"](batch["pixel_values"]), batch["wanted"]
    return {"logits": _after_each(parts["decoder"], embeds, wanted)[wanted != task.PADDING], "image_embeds": embeds}


def loss(outputs: Mapping[str, Tensor], batch: Mapping[str, Tensor]) -> Tensor:
    """Cross-entropy of the tokens."""
    wanted = batch["wanted"]
    return functional.cross_entropy(outputs["logits"].float(), wanted[wanted != task.PADDING])


class Loss:
    """The losses of a step, which draw their own scenes."""

    def __init__(self, network: nn.ModuleDict, cells: Cells) -> None:
        self.vision, self.decoder, self.cells = network["vision"], network["decoder"], cells

    def first(self, step: int) -> Tensor:
        """Of the cells alone."""
        chosen = data.take(VISION_SCENES, "training", step)
        with torch.autocast("cpu", torch.bfloat16):
            tokens = self.vision.get_submodule("tower")(_images(data.split(chosen).inputs["images"]))
        return self.cells(tokens.float(), cell_targets(chosen))  # type: ignore[no-any-return]

    def captions(self, step: int) -> Tensor:
        """Of each word of the caption after those before it, and still of the cells."""
        chosen = data.take(SCENES, "training", VISION_STEPS + step)
        drawn = data.split(chosen)
        wanted = torch.from_numpy(drawn.labels["caption"])
        with torch.autocast("cpu", torch.bfloat16):
            tokens = self.vision.get_submodule("tower")(_images(drawn.inputs["images"]))
            logits = _after_each(self.decoder, self.vision.project(tokens), wanted)  # type: ignore[operator]
        loss = functional.cross_entropy(logits.float().flatten(0, 1), wanted.flatten(), ignore_index=task.PADDING)
        return loss + self.cells(tokens.float(), cell_targets(chosen))  # type: ignore[no-any-return]


def generate(network: nn.ModuleDict, split: Split) -> dict[str, np.ndarray[Any, np.dtype[Any]]]:
    """Greedy captions of a whole split at once, as the predictions of the task."""
    with torch.no_grad():
        embeds = torch.cat([network["vision"](part) for part in torch.split(_images(split.inputs["images"]), 50)])
        tokens, keys, values = torch.full((len(embeds), 1), task.START), no_past(len(embeds)), no_past(len(embeds))
        chosen = []
        for _ in range(task.LENGTH):
            logits, keys, values = network["decoder"](embeds, tokens, keys, values)
            tokens, embeds = logits.argmax(-1, keepdim=True), embeds[:, :0]
            chosen.append(tokens)
    tokens = torch.cat(chosen, 1)
    tokens[((tokens == task.END).cumsum(1) - (tokens == task.END).int()) > 0] = task.PADDING
    return {"tokens": tokens.numpy().astype(np.int8)}


def figures(network: nn.ModuleDict, split: Split, name: str) -> dict[str, float]:
    """Every metric on a split, and the headline of each caption length, keyed by the name of the split and that of the figure."""
    scores = task.score(split.labels, generate(network, split))
    (groups,) = task.slices(split.labels).values()
    parts = {f"{name} {group}": float(scores["exact_match"][groups == group].mean()) for group in np.unique(groups)}
    return {f"{name} {metric}": float(values.mean()) for metric, values in scores.items()} | parts


def train(out: Path, advance: Advance) -> dict[str, float]:
    """Writes `weights.safetensors` into the folder `out`; figures on the validation split, and once on the test split."""
    torch.manual_seed(SEED)
    network, cells = start(), Cells()
    held_out = data.split(data.take(VALIDATION_SCENES, "validation", SEED))

    def validate() -> float:
        reached = figures(network, held_out, "validation")
        logger.info(", ".join(f"{name} {value:.3f}" for name, value in reached.items()))
        return reached["validation exact_match"]

    both, loss, total = nn.ModuleDict({"network": network, "cells": cells}), Loss(network, cells), VISION_STEPS + STEPS
    training.fit(
        both, loss.first, steps=VISION_STEPS, rate=VISION_RATE, decay=DECAY, advance=lambda done, _, text: advance(done, total, text)
    )
    training.fit(
        both, loss.captions, steps=STEPS, rate=RATE, decay=DECAY, validate=validate, every=VALIDATE_EVERY,
        advance=lambda done, _, text: advance(VISION_STEPS + done, total, text),
    )  # fmt: skip
    training.save(network, out / "weights.safetensors")
    return figures(network, held_out, "validation") | figures(network, data.test(0), "test")
