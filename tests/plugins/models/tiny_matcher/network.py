"""The patterns are the weights: nothing is trained."""

from pathlib import Path

import torch
from suite.models.tiny_matcher.data import NAMES, PATTERNS
from torch import nn


def identity(width: int, hidden: int, seed: int) -> nn.Sequential:
    """A feed-forward block that is the identity (its two halves are inverse), with hidden units of different weight and some idle."""
    block = nn.Sequential(nn.Linear(width, hidden), nn.ReLU(), nn.Linear(hidden, width))
    generator = torch.Generator().manual_seed(seed)
    basis = torch.linalg.qr(torch.randn(width, width, generator=generator))[0]
    scale = torch.rand(width, 1, generator=generator) + 0.5
    with torch.no_grad():
        for layer in (block[0], block[2]):
            layer.weight.zero_()
            layer.bias.zero_()
        block[0].weight[: 2 * width] = torch.cat([basis * scale, -basis * scale])
        block[2].weight[:, : 2 * width] = torch.cat([basis.T / scale.T, -basis.T / scale.T], 1)
    return block


class Vision(nn.Module):
    """Patterns as they are, through a block that can be compressed."""

    def __init__(self) -> None:
        super().__init__()
        self.feed = identity(64, 256, 0)

    def forward(self, pixels: torch.Tensor) -> torch.Tensor:
        return self.feed(pixels)


class Text(nn.Module):
    """A table of the patterns, behind a block that can be compressed."""

    def __init__(self) -> None:
        super().__init__()
        self.table = nn.Embedding(NAMES, 64)
        self.feed = identity(64, 160, 1)
        with torch.no_grad():
            self.table.weight.copy_(torch.from_numpy(PATTERNS))

    def forward(self, ids: torch.Tensor) -> torch.Tensor:
        return self.feed(self.table(ids)[:, 0])


def load(folder: Path) -> dict[str, nn.Module]:
    """There is no weights file: see the module's docstring."""
    return {"vision": Vision().eval(), "text": Text().eval()}
