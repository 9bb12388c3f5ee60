"""Quantization-aware training (1712.05877) with the straight-through estimator (1308.3432), in the scheme that static int8 deploys."""

import copy
from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.utils import parametrize

from suite.contracts import Context, NotApplicable, Value
from suite.surgery.activations import LAYERS
from suite.surgery.tuning import distance, divergence, fit

WIDEST = 127
"""Signed weights, symmetric; and levels of unsigned activations: 255."""
TEMPERATURE = 2.0


def rounded(weight: Tensor) -> Tensor:
    """A weight (outputs, …) as int8 with a scale for each output holds it; gradients pass as if nothing had been rounded."""
    scale = weight.detach().abs().flatten(1).amax(1).clamp(min=1e-12) / WIDEST
    scale = scale.reshape(-1, *[1] * (weight.ndim - 1))
    return weight + ((weight / scale).round() * scale - weight).detach()


def levelled(x: Tensor, low: Tensor, high: Tensor) -> Tensor:
    """Activations as unsigned int8 holds them in the range from `low` (at most 0) to `high` (at least 0), by the same estimator."""
    scale = ((high - low) / 255).clamp(min=1e-12)
    zero = (-low / scale).round()
    held = ((x / scale + zero).round().clamp(0, 255) - zero) * scale
    return x + (held - x).detach()


class Rounded(nn.Module):
    """The parametrization of a weight under training."""

    def forward(self, weight: Tensor) -> Tensor:
        return rounded(weight)


class Range:
    """Rounds what a layer is fed, in the widest range that it was fed so far: what the calibration of static int8 takes."""

    def __init__(self, layer: nn.Module) -> None:
        layer.register_buffer("input_range", torch.zeros(2))

    def __call__(self, layer: nn.Module, given: tuple[Any, ...]) -> tuple[Any, ...]:
        known, x = layer.get_buffer("input_range"), given[0]
        with torch.no_grad():
            known.copy_(torch.stack([torch.minimum(known[0], x.min()), torch.maximum(known[1], x.max())]))
        return (levelled(x, known[0], known[1]), *given[1:])


def apply(parts: Mapping[str, nn.Module], parameters: Mapping[str, Value], context: Context) -> dict[str, nn.Module]:
    """Trains copies of the parts on labels and on what the uncompressed model makes of them; they are returned in full precision."""
    trained = {name: copy.deepcopy(module) for name, module in parts.items()}
    layers = [layer for module in trained.values() for layer in module.modules() if isinstance(layer, LAYERS)]
    if not layers:
        raise NotApplicable(f"there is no linear or convolutional layer in {', '.join(parts)}")
    tutor, hooks = context.tutor(), []
    for layer in layers:
        hooks.append(layer.register_forward_pre_hook(Range(layer)))
        parametrize.register_parametrization(layer, "weight", Rounded())

    def loss(outputs: Mapping[str, Tensor], batch: Mapping[str, Tensor]) -> Tensor:
        with torch.no_grad():
            told = tutor.outputs(tutor.teacher(), batch)
        return tutor.loss(outputs, batch) + distance(outputs, told) + divergence(outputs["logits"], told["logits"], TEMPERATURE)

    fit(trained, tutor, loss, steps=int(parameters["steps"]), rate=float(parameters["rate"]), mixed=False)
    for layer, hook in zip(layers, hooks, strict=True):
        hook.remove()
        parametrize.remove_parametrizations(layer, "weight", leave_parametrized=True)
        del layer.input_range
    return trained
