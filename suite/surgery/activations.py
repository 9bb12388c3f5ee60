"""What the layers of a component see on the calibration split, as running statistics: no activation is kept after its call."""

import contextlib
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any, Protocol

import numpy as np
import torch
from torch import Tensor, nn

from suite.contracts import Context
from suite.surgery.calls import arguments

LAYERS = (nn.Linear, nn.Conv1d, nn.Conv2d, nn.Conv3d)
"""The layers with a weight of shape (outputs, inputs, ...) that become MatMul, Gemm or Conv."""


@dataclass(frozen=True, slots=True)
class Calls:
    """The inputs of a component on the calibration split as arguments of its module's forward. Can be gone through again and again."""

    context: Context
    component: str

    def __iter__(self) -> Iterator[tuple[Tensor, ...]]:
        """One tuple of tensors a call, batch size 1. Raises ValueError if there is no call."""
        component, feed = self.context.components[self.component], None
        for feed in self.context.feeds(self.component):
            yield arguments(component, feed)
        if feed is None:
            raise ValueError(f"the component {self.component!r} is fed nothing on the calibration split, so nothing can be measured in it")


class Statistic(Protocol):
    """Accumulates what a layer is fed; made with the number of input features. `passes`: how often it has to see all calls.

    A call is one item, or one step of a decoder; its positions are tokens, or places of a plane.
    """

    passes: int

    def update(self, rows: Tensor, turn: int) -> None:
        """Float32 `rows` (positions, features) of one call, in pass `turn`, which counts from 0."""


class Moments:
    """Mean, standard deviation and root mean square of every feature, float64 (features,)."""

    passes = 1

    def __init__(self, features: int) -> None:
        self.count, self.total, self.squares = 0, torch.zeros(features).double(), torch.zeros(features).double()

    def update(self, rows: Tensor, turn: int) -> None:
        """As Statistic."""
        self.count += len(rows)
        self.total += rows.double().sum(0)
        self.squares += rows.double().square().sum(0)

    @property
    def norm(self) -> Tensor:
        """The L2 norm over all positions."""
        return self.squares.sqrt()

    @property
    def mean(self) -> Tensor:
        """The mean over all positions."""
        return self.total / self.count

    @property
    def deviation(self) -> Tensor:
        """The standard deviation over all positions."""
        return (self.squares / self.count - self.mean.square()).clamp(min=0).sqrt()


class Covariance(Moments):
    """Besides, how features go together."""

    def __init__(self, features: int) -> None:
        super().__init__(features)
        self.products = torch.zeros(features, features).double()

    def update(self, rows: Tensor, turn: int) -> None:
        """As Statistic."""
        super().update(rows, turn)
        self.products += rows.double().T @ rows.double()

    @property
    def covariance(self) -> Tensor:
        """Float64 (features, features)."""
        return self.products / self.count - torch.outer(self.mean, self.mean)

    @property
    def correlation(self) -> Tensor:
        """Pearson's, float64 (features, features) in [-1, 1]; 0 for a feature that is constant but for rounding."""
        spread = torch.where(self.deviation > 1e-6 * (self.squares / self.count).sqrt(), self.deviation, torch.inf)
        return (self.covariance / torch.outer(spread, spread)).clamp(-1, 1)


class Histogram(Moments):
    """Besides, how often the mean of each feature over the positions of a call falls into each of BINS equal bins.

    They lie between the smallest and the largest such mean of all features: one that hardly varies beside the others stays in a few.
    """

    passes = 2
    BINS = 100

    def __init__(self, features: int) -> None:
        super().__init__(features)
        self.low, self.high, self.bins = torch.inf, -torch.inf, torch.zeros(features, self.BINS).double()

    def update(self, rows: Tensor, turn: int) -> None:
        """As Statistic: moments and the range first, then the bins."""
        means = rows.double().mean(0)
        if turn == 0:
            super().update(rows, turn)
            self.low, self.high = min(self.low, float(means.min())), max(self.high, float(means.max()))
            return
        places = ((means - self.low) / (self.high - self.low or 1.0) * self.BINS).long().clamp(0, self.BINS - 1)
        self.bins[torch.arange(len(places)), places] += 1

    @property
    def entropy(self) -> Tensor:
        """Shannon's, in bits, float64 (features,): 0 for a constant, log2(BINS) for what is spread evenly."""
        shares = self.bins / self.bins.sum(1, keepdim=True)
        bits: Tensor = -torch.special.xlogy(shares, shares).sum(1) / np.log(2)
        return bits


def features(layer: nn.Module) -> int:
    """How many input features (channels of a convolution) a layer reads."""
    return int(layer.in_features if isinstance(layer, nn.Linear) else layer.in_channels)  # type: ignore[arg-type]


def rows(layer: nn.Module, x: Tensor) -> Tensor:
    """What a layer is fed as (positions, features); every place of a convolution's plane is a position."""
    axis = -1 if isinstance(layer, nn.Linear) else -len(layer.kernel_size) - 1  # type: ignore[arg-type]
    return x.movedim(axis, -1).reshape(-1, features(layer))


def watch(module: nn.Module, calls: Calls, layers: Mapping[str, nn.Module], kind: Callable[[int], Any]) -> dict[str, Any]:
    """Layer name -> its statistic over all calls, for the layers that run. Raises ValueError where a layer is fed NaN or infinity."""
    found: dict[str, Any] = {}

    def record(name: str, turn: int, layer: nn.Module, given: tuple[Tensor, ...]) -> None:
        seen = rows(layer, given[0].detach())
        if not seen.isfinite().all():
            raise ValueError(f"the layer {name!r} of the component {calls.component!r} is fed NaN or infinity on the calibration split")
        found.setdefault(name, kind(seen.shape[1])).update(seen, turn)

    for turn in range(getattr(kind, "passes", 1)):
        with contextlib.ExitStack() as hooks, torch.no_grad():
            for name, layer in layers.items():
                handle = layer.register_forward_pre_hook(partial(record, name, turn))
                hooks.callback(handle.remove)
            for arguments in calls:
                module(*arguments)
    return found
