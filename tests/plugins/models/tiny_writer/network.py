"""Nothing is trained: the next number is a rotation, and what was read before hardly matters."""

from pathlib import Path

import torch
from torch import nn


class Decoder(nn.Module):
    """One-hot numbers, rotated by one, and a trace of all that was read."""

    def __init__(self) -> None:
        super().__init__()
        self.table, self.next = nn.Embedding(16, 16), nn.Linear(16, 16, bias=False)
        self.feed = nn.Sequential(nn.Linear(16, 64), nn.ReLU(), nn.Linear(64, 16))
        with torch.no_grad():
            self.table.weight.copy_(torch.eye(16))
            self.next.weight.copy_(torch.eye(16).roll(1, 0) * 4)
            for layer in (self.feed[0], self.feed[2]):
                generator = torch.Generator().manual_seed(layer.in_features)
                layer.weight.copy_(torch.randn(layer.weight.shape, generator=generator) * 0.05)
                layer.bias.zero_()

    def forward(self, ids: torch.Tensor, past: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        cache = torch.cat([past, self.table(ids)], 1)
        return self.next(cache[:, -1]) + self.feed(cache.mean(1)), cache


def load(folder: Path) -> dict[str, nn.Module]:
    return {"decoder": Decoder().eval()}
