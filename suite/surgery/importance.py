"""The interface of an importance criterion: what it may look at in a layer, and the scores that it gives."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

import torch
from torch import Tensor, nn

from suite.contracts import Context
from suite.surgery.activations import LAYERS, Calls, watch
from suite.surgery.gradients import Sensitivity, sensitivity

S = TypeVar("S")


@dataclass(frozen=True, slots=True)
class Layer(Generic[S]):
    """A linear or convolutional layer as a criterion sees it.

    weight: (outputs, inputs of a group, ...), a copy. inputs: the statistic that the criterion watches of what the layer is fed, or
    None. gradient: its Taylor terms if the criterion asks for gradients, or None.
    """

    name: str
    module: nn.Module
    weight: Tensor
    inputs: S
    gradient: Sensitivity | None = None

    def per_weight(self, values: Tensor) -> Tensor:
        """Values of the input features, (input features,), in a shape that broadcasts to that of the weight."""
        groups, outside = int(getattr(self.module, "groups", 1)), len(self.weight)
        rows = values.reshape(groups, -1).repeat_interleave(outside // groups, 0) if groups > 1 else values[None]
        return rows.reshape(*rows.shape, *(1 for _ in self.weight.shape[2:]))


@dataclass(frozen=True, slots=True, kw_only=True)
class Criterion(Generic[S]):
    """How important is what a layer has; the least important goes first.

    elements: scores of the weight's elements, its shape. units: scores of what the layer reads, (input features,); left out, a
    unit's score is the sum of those of its incoming and outgoing elements. watch: the statistic of the layer's inputs that both
    look at. gradients: whether they look at gradients. per_row: elements compete with those of the same output feature alone.
    fold: what the units that stay take over from those that go, see `Fold`.
    """

    elements: Callable[[Layer[S]], Tensor]
    units: Callable[[Layer[S]], Tensor] | None = None
    watch: Callable[[int], S] | None = None
    gradients: bool = False
    per_row: bool = False
    fold: "Fold | None" = None


Fold = Callable[[Any, Tensor, Tensor], tuple[Tensor, Tensor]]
"""`fold(inputs, features, gone) -> (gain, offset)`: of a layer's statistic, the indices of the input features that make up a group of
units, (n,), and which of them go, bool (n,), the matrix (gone, stay) and the vector (gone,) with which those that stay predict those
that go: gone = gain @ stay + offset."""


def layers(module: nn.Module) -> dict[str, nn.Module]:
    """The layers that a criterion can score, by name."""
    return {name: layer for name, layer in module.named_modules() if isinstance(layer, LAYERS)}


def observe(module: nn.Module, component: str, context: Context, criterion: Criterion[Any]) -> dict[str, Layer[Any]]:
    """Every layer with what the criterion asks for; one that the calibration calls never reach is left out.

    A criterion that asks for nothing gets no data. Raises ValueError where there is no data, or where it is not finite.
    """
    found, calls = layers(module), Calls(context, component)
    inputs: Mapping[str, Any] = watch(module, calls, found, criterion.watch) if criterion.watch else dict.fromkeys(found)
    gradient = sensitivity(module, calls, found, context.seed) if criterion.gradients else {}
    reached = [name for name in found if name in inputs and (name in gradient or not criterion.gradients)]
    return {name: Layer(name, found[name], _copy(found[name]), inputs[name], gradient.get(name)) for name in reached}


def _copy(layer: nn.Module) -> Tensor:
    assert isinstance(layer.weight, Tensor)
    return layer.weight.detach().clone()


def checked(scores: Tensor, shape: torch.Size, layer: str) -> Tensor:
    """The scores in float64. Raises ValueError unless they have that shape and are finite."""
    if scores.shape != shape:
        raise ValueError(f"the scores of the layer {layer!r} have the shape {tuple(scores.shape)}, not {tuple(shape)}")
    if not scores.isfinite().all():
        raise ValueError(f"the scores of the layer {layer!r} are not finite: its weights, activations or gradients are NaN or infinite")
    return scores.detach().double()
