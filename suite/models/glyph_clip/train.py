"""Trains glyph_clip from scratch with the symmetric contrastive loss of CLIP (2103.00020) on batches of hard negatives.

A linear classifier of the vision features, thrown away afterwards, adds its cross-entropy: it sets each image against all answers, not
only against those of its batch.

Steps, rate and distortions were chosen without the test fonts. The same machine gives the same weights every time; another kind of
processor rounds differently and gives weights that are as good, but not the same bit for bit.
"""

from collections.abc import Mapping
from functools import cache
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from suite.contracts import Advance, Split
from suite.models import training
from suite.models.glyph_clip import data, task
from suite.models.glyph_clip.glyphs import TRAINING, Array, classes, glyphs, groups, names
from suite.models.glyph_clip.network import FEATURES, DualEncoder
from suite.models.layers import initialise

STEPS = 2000
RATE = 1e-3
DECAY = 0.05
RUNS, RUN = 16, 8
"""A batch is so many runs of so many neighbouring code points, which look alike and have like names."""
LARGEST_SCALE = 60.0
FIRST_SEED = 1000
"""Of the batches for further training; the training itself draws from a single stream."""
VALIDATED = 700
"""Validation images that are looked at while training."""


def contrastive(logits: Tensor, answers: Tensor) -> Tensor:
    """The symmetric contrastive loss of scaled cosines, image by name; names that count as one answer (equal `answers`) are no negatives
    of each other."""
    others = (answers[:, None] == answers) & ~torch.eye(len(answers), dtype=torch.bool)
    logits, target = logits.masked_fill(others, -1e4), torch.arange(len(answers))
    return (functional.cross_entropy(logits, target) + functional.cross_entropy(logits.T, target)) / 2


class Contrast(nn.Module):
    """The dual encoder under training, with the learned logit scale and the classifier, which are no parts of the model."""

    def __init__(self) -> None:
        super().__init__()
        self.encoder, self.scale = DualEncoder(), nn.Parameter(torch.tensor(2.7))
        self.classifier = nn.Linear(FEATURES, len(classes()))
        initialise(self.classifier)

    def forward(self, pixel_values: Tensor, input_ids: Tensor, answers: Tensor) -> Tensor:
        """The loss of a batch of pairs, whose `answers`, `(batch,)` int64, the classifier is to find."""
        with torch.autocast("cpu", torch.bfloat16):
            features = self.encoder.vision.features(pixel_values)
            images, texts = self.encoder.vision.projection(features), self.encoder.text(input_ids)
            guesses = self.classifier(features)
        return self.contrast(images.float(), texts.float(), answers) + functional.cross_entropy(guesses.float(), answers)

    def contrast(self, images: Tensor, texts: Tensor, answers: Tensor) -> Tensor:
        """The contrastive loss of unit vectors."""
        return contrastive(images @ texts.T * self.scale.exp().clamp(max=LARGEST_SCALE), answers)


@cache
def _places() -> list[Array]:
    """Of each class, where its training glyphs are."""
    return [np.flatnonzero(glyphs(TRAINING).classes == index) for index in range(len(classes()))]


class Batches:
    """Batches of training glyphs: `pixel_values`, `input_ids` and answers."""

    def __init__(self, seed: int) -> None:
        self._draws, self._glyphs, self._of_class = data.Draws(seed, 3), glyphs(TRAINING), _places()

    def _classes(self) -> Array:
        starts = self._draws.integers(0, len(self._of_class) - 1, RUNS)
        return np.unique((starts[:, None] + np.arange(RUN)) % len(self._of_class))

    def __call__(self) -> tuple[Tensor, Tensor, Tensor]:
        """The next batch, of different classes."""
        chosen = self._classes()
        fonts = self._draws.integers(0, 2**30, len(chosen))
        places = [self._of_class[index][font % len(self._of_class[index])] for index, font in zip(chosen, fonts, strict=True)]
        images = data.distort(self._glyphs.bitmaps[places], self._draws, data.STRONG)
        return torch.from_numpy(task.pixels(images)), torch.from_numpy(names()[chosen]), torch.from_numpy(groups()[chosen])


def batch(index: int) -> dict[str, Tensor]:
    """Another batch of training glyphs, newly distorted: `pixel_values`, `input_ids` and `answers`."""
    return dict(zip(("pixel_values", "input_ids", "answers"), Batches(FIRST_SEED + index)(), strict=True))


def outputs(parts: Mapping[str, nn.Module], batch: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Unit vectors of both towers (pairs, 128), and their scaled cosines, image by name (pairs, pairs)."""
    images, texts = parts["vision"](batch["pixel_values"]), parts["text"](batch["input_ids"])
    return {"logits": images.float() @ texts.float().T * LARGEST_SCALE, "image_embeds": images, "text_embeds": texts}


def loss(outputs: Mapping[str, Tensor], batch: Mapping[str, Tensor]) -> Tensor:
    """The contrastive loss."""
    return contrastive(outputs["logits"], batch["answers"])


@torch.no_grad()
def evaluate(encoder: DualEncoder, split: Split, items: int) -> dict[str, float]:
    """Mean of each metric over the first `items` items, computed in batches of up to 250."""
    images, ids = (torch.from_numpy(x) for x in (task.pixels(split.inputs["images"][:items]), split.inputs["names"]))
    texts = torch.cat([encoder.text(part) for part in torch.split(ids, 250)])
    cosines = torch.cat([encoder.vision(part) @ texts.T for part in torch.split(images, 250)])
    scores = task.score(split.labels, {"best": cosines.topk(task.BEST).indices.numpy()})
    return {name: float(values.mean()) for name, values in scores.items()}


def train(out: Path, advance: Advance) -> dict[str, float]:
    """Writes `weights.safetensors` to the folder `out`. Returns the metrics on the validation fonts and, looked at once, the test."""
    torch.manual_seed(0)
    network, batches, validation = Contrast(), Batches(0), data.validation(0)
    training.fit(
        network,
        lambda step: network(*batches()),
        steps=STEPS,
        rate=RATE,
        decay=DECAY,
        advance=advance,
        validate=lambda: evaluate(network.encoder, validation, VALIDATED)["recall_at_1"],
    )
    training.save(network.encoder, out / "weights.safetensors")
    figures: dict[str, float] = {}
    for name, split in (("validation", validation), ("test", data.test(0))):
        measured = evaluate(network.encoder, split, task.size(split.inputs))
        figures |= {f"{name}_{metric}": value for metric, value in measured.items()}
    return figures
