"""Residual blocks of convolutions: those that change the plane stay, the others are measured place by place."""

from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

from methods.layer_drop.apply import apply
from suite.contracts import Component, Context, Tensor
from suite.surgery.blocks import influence, series
from suite.surgery.calls import arguments

PLANE = Component("vision", "vision", (Tensor("x", "float32", ("batch", 3, 8, 8)),), (Tensor("y", "float32", ("batch", 8, 4, 4)),))


class Residual(nn.Module):
    """Two convolutions beside a skip, which has one of its own where the plane changes."""

    def __init__(self, before: int, after: int, stride: int) -> None:
        super().__init__()
        self.layers = nn.Sequential(nn.Conv2d(before, after, 3, stride, 1), nn.ReLU(), nn.Conv2d(after, after, 3, 1, 1))
        self.skip = nn.Conv2d(before, after, 1, stride) if stride > 1 else nn.Identity()

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.skip(x) + self.layers(x)


@torch.no_grad()
def test_a_convolutional_network_loses_the_block_that_turns_its_channels_the_least() -> None:
    torch.manual_seed(0)
    network = nn.Sequential(Residual(3, 8, 2), Residual(8, 8, 1), Residual(8, 8, 1)).eval()
    for parameter in network[2].layers.parameters():
        parameter.mul_(0.1)
    calls = [{"x": torch.randn(1, 3, 8, 8).numpy()} for _ in range(3)]
    (blocks,) = series(network, arguments(PLANE, calls[0])).values()
    assert [name for name, _ in blocks] == ["1", "2"]
    cosines = []
    for call in calls:
        before = network[0](torch.from_numpy(call["x"]))
        after = network[1](before)
        pairs = [(before[0, :, row, column], after[0, :, row, column]) for row in range(4) for column in range(4)]
        cosines += [float(a @ b / a.norm() / b.norm()) for a, b in pairs]
    found = influence(network, PLANE, calls, ["1", "2"])
    assert found["1"] == pytest.approx(1 - np.mean(cosines), abs=1e-5)
    assert found["2"] < found["1"]
    context = Context(components={"vision": PLANE}, seed=0, scratch=Path(), feeds=lambda name: calls)
    left = apply({"vision": network}, {"blocks": 2, "items": 2}, context)["vision"]
    x = torch.randn(2, 3, 8, 8)
    assert torch.equal(left(x), network[1](network[0](x)))
