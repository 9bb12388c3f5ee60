"""Pruning by the entropy of activations, as 1706.05791 does for the filters of a convolution, which it averages over the plane."""

from collections.abc import Mapping

import torch
from torch import Tensor, nn

from suite.contracts import Context, Value
from suite.surgery.activations import Histogram
from suite.surgery.importance import Criterion, Layer
from suite.surgery.pruning import prune


def elements(layer: Layer[Histogram]) -> Tensor:
    """|w_ij| times the entropy of input unit j."""
    return layer.weight.abs() * layer.per_weight(layer.inputs.entropy)


def units(layer: Layer[Histogram]) -> Tensor:
    """The entropy of each unit times the norm of its outgoing weights: how much of what it says is heard, (input features,)."""
    outgoing: Tensor = torch.linalg.vector_norm(layer.weight.double().transpose(0, 1).flatten(1), dim=1)
    return layer.inputs.entropy * outgoing


def fold(inputs: Histogram, features: Tensor, gone: Tensor) -> tuple[Tensor, Tensor]:
    """A unit without entropy is a constant: its mean goes into the biases of what reads it."""
    return torch.zeros(int(gone.sum()), int((~gone).sum())), inputs.mean[features[gone]]


def apply(parts: Mapping[str, nn.Module], parameters: Mapping[str, Value], context: Context) -> dict[str, nn.Module]:
    """Removes units whose activations carry little information, or the elements that read them."""
    return prune(parts, parameters, context, Criterion(elements=elements, units=units, watch=Histogram, fold=fold))
