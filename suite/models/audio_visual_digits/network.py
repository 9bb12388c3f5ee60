"""The three components of audio-visual digits: two convolutional towers with batch norm, and a fusion head."""

from collections.abc import Sequence
from pathlib import Path

import torch
from torch import Tensor, nn

from suite.models import training
from suite.models.audio_visual_digits.task import WORDS
from suite.models.layers import initialise

EMBEDDING = 128
"""Width of what a tower gives."""
HIDDEN = 512
VISION = ((64, 1), (64, 2), (128, 1), (128, 2), (256, 2))
"""Channels and stride of each convolution."""
AUDIO = ((32, 2), (64, 1), (64, 2), (128, 1), (128, 2), (256, 2))


class Tower(nn.Module):
    """3 x 3 convolutions, each with batch norm and ReLU, the mean over what is left of the plane, and a linear layer."""

    def __init__(self, layers: Sequence[tuple[int, int]]) -> None:
        super().__init__()
        steps: list[nn.Module] = []
        inside = 1
        for outside, stride in layers:
            steps += [nn.Conv2d(inside, outside, 3, stride, 1, bias=False), nn.BatchNorm2d(outside), nn.ReLU()]
            inside = outside
        self.layers = nn.Sequential(*steps)
        self.embed = nn.Linear(inside, EMBEDDING)

    def forward(self, plane: Tensor) -> Tensor:
        """Float32 (batch, 1, height, width) to float32 (batch, 128)."""
        return self.embed(self.layers(plane).mean((2, 3)))  # type: ignore[no-any-return]


class Head(nn.Module):
    """Embeddings, side by side, to the scores of the ten digits."""

    def __init__(self, embeddings: int) -> None:
        super().__init__()
        self.feed = nn.Sequential(nn.Linear(embeddings * EMBEDDING, HIDDEN), nn.ReLU(), nn.Linear(HIDDEN, len(WORDS)))

    def forward(self, *embeds: Tensor) -> Tensor:
        """Float32 (batch, 128) each to float32 (batch, 10)."""
        return self.feed(torch.cat(embeds, 1))  # type: ignore[no-any-return]


def build() -> nn.ModuleDict:
    """The three components with fresh weights."""
    network = nn.ModuleDict({"vision": Tower(VISION), "audio": Tower(AUDIO), "fusion": Head(2)})
    initialise(network)
    return network


def build_alone() -> nn.ModuleDict:
    """What the fusion is to beat: each tower with a head of its own, with fresh weights."""
    alone = nn.ModuleDict({name: nn.Sequential(Tower(layers), Head(1)) for name, layers in (("vision", VISION), ("audio", AUDIO))})
    initialise(alone)
    return alone


def load(folder: Path) -> dict[str, nn.Module]:
    """The trained components by name, in eval mode."""
    return dict(training.load(build(), folder / "weights.safetensors").named_children())


def load_alone(folder: Path) -> dict[str, nn.Module]:
    """The models that were trained on one modality each, by its name, in eval mode."""
    return dict(training.load(build_alone(), folder / "alone.safetensors").named_children())
