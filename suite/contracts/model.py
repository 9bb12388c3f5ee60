"""What a reference model declares, and the functions that it brings."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal, Protocol

from suite.contracts.common import Modality

if TYPE_CHECKING:
    import torch
    from torch import nn

    from suite.contracts.common import Array, Arrays, Run


@dataclass(frozen=True, slots=True)
class Tensor:
    """An input or output of a component. A name in `shape` is a length that may differ from call to call; "batch" is the batch."""

    name: str
    dtype: Literal["float32", "int64"]
    shape: tuple[int | str, ...]


@dataclass(frozen=True, slots=True)
class Component:
    """A part of a model with a modality and a graph of its own.

    cache: input -> the output that the glue gives it as it is at the next call, having begun with an empty array. An artifact may keep
    such a pair in a narrower type than the card's (`suite.caches`).
    """

    name: str
    modality: Modality
    inputs: tuple[Tensor, ...]
    outputs: tuple[Tensor, ...]
    cache: "Mapping[str, str]" = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelCard:
    """A reference model. `metric` is the headline; `request` says what one timed request does.

    A metric that `suite.metrics` does not know is taken for one from 0 to 1 of which more is better. `files` are, for a model in one
    file, the files beside it that it reads (weights, data): their content belongs to its identity.
    """

    name: str
    title: str
    summary: str
    task: str
    components: tuple[Component, ...]
    metric: str
    other_metrics: tuple[str, ...] = ()
    chance: float
    request: str
    data: str
    licence: str
    tier: Literal["embedded", "full-size"] = "embedded"
    files: tuple[str, ...] = ()

    def component(self, name: str) -> Component:
        """The component of that name; KeyError if there is none."""
        return {component.name: component for component in self.components}[name]


@dataclass(frozen=True, slots=True)
class Split:
    """Items to predict and what is right. Only `inputs` ever reach the process that runs an artifact."""

    inputs: "Arrays"
    labels: "Arrays"


@dataclass(frozen=True, slots=True)
class Picture:
    """Something to look at: `pixels` is uint8, shape (height, width) or (height, width, 3)."""

    title: str
    pixels: "Array"


@dataclass(frozen=True, slots=True)
class Sound:
    """Something to listen to: `samples` is float32 in [-1, 1], shape (samples,), `rate` of them a second."""

    title: str
    samples: "Array"
    rate: int


@dataclass(frozen=True, slots=True)
class Text:
    """Something to read."""

    title: str
    text: str


class Data(Protocol):
    """The functions of a model's `data.py`. The same seed gives the same bytes on every platform.

    `exhibit`, `truths` and `answers` may be left out: without them a record's page has no examples that a person could judge. The site
    calls them where neither torch nor a runtime is to be had, so this module must not import them.
    """

    def test(self, seed: int) -> Split:
        """At least 2,000 items. Seed 0 is the published set; any other is as good and independent of it."""

    def calibration(self, seed: int, items: int) -> "Arrays":
        """Inputs alone, drawn from the training distribution."""

    def exhibit(self, split: Split, index: int) -> "tuple[Picture | Sound | Text, ...]":
        """The inputs of item `index` as a person would take them in."""

    def truths(self, labels: "Arrays") -> "Sequence[str]":
        """What is right for each item, in words."""

    def answers(self, labels: "Arrays", predictions: "Arrays") -> "Sequence[str]":
        """What was predicted for each predicted item, in words. `labels` may hold the words, never what is right, for this."""


class Task(Protocol):
    """The functions of a model's `task.py`: numpy glue around `run(component, inputs) -> outputs`, which knows no runtime.

    Only `score` and `request` have to be there (`suite.glue` has the rest); without `stream` a model is not timed token by token.
    """

    def size(self, inputs: "Arrays") -> int:
        """How many items `inputs` holds."""

    def predict(self, inputs: "Arrays", items: int, run: "Run", advance: Callable[[int], None]) -> "Arrays":
        """Columns of `items` predictions for the first `items` items, each component called with the batch size that is timed (1).

        Left out, it is what `request` answers to each item.
        """

    def score(self, labels: "Arrays", predictions: "Arrays") -> "Arrays":
        """Metric name -> each predicted item by it, shape (items,): bool (right or not), or float64 where a metric has degrees."""

    def slices(self, labels: "Arrays") -> "Mapping[str, Array]":
        """Slice name (question type, script…) -> the group of each item, shape (all items,), strings."""

    def request(self, inputs: "Arrays", index: int, run: "Run") -> "Arrays":
        """One request as a user would send it, for item `index`: what is timed."""

    def stream(self, inputs: "Arrays", index: int, run: "Run") -> "Iterator[Array]":
        """The same request, token by token: yields each as soon as it is known. `request` runs through it."""


class Training(Protocol):
    """The functions of a model's `train.py` that let a method train it further. Without all three, such methods are `unsupported`."""

    def batch(self, index: int) -> "Mapping[str, torch.Tensor]":
        """Batch number `index` of labelled training items, in the first axis of each tensor: the same bytes whenever it is asked for.

        Different numbers give different items, none of which is in any test split.
        """

    def outputs(self, parts: "Mapping[str, nn.Module]", batch: "Mapping[str, torch.Tensor]") -> "Mapping[str, torch.Tensor]":
        """What all the components make of a batch, differentiable: `logits`, float32 (rows, classes), and features by any other name."""

    def loss(self, outputs: "Mapping[str, torch.Tensor]", batch: "Mapping[str, torch.Tensor]") -> "torch.Tensor":
        """The task's own loss of these outputs, a scalar."""
