"""First-order Taylor pruning (1611.06440, 1906.10771) with a loss that needs no labels, see `suite.surgery.gradients`.

Each element is judged alone: of the first convolution of an image tower, whose inputs are much alike and whose elements cancel each
other, it removes too much.
"""

from collections.abc import Mapping

import torch
from torch import Tensor, nn

from suite.contracts import Context, Value
from suite.surgery.activations import Moments
from suite.surgery.importance import Criterion, Layer
from suite.surgery.pruning import prune


def elements(layer: Layer[Moments]) -> Tensor:
    """(w dL/dw)^2, the mean over calibration calls."""
    assert layer.gradient is not None
    return layer.gradient.elements


def units(layer: Layer[Moments]) -> Tensor:
    """The same for a gate on each unit: (sum of w dL/dw over its outgoing weights)^2, the group contribution of 1906.10771."""
    assert layer.gradient is not None
    return layer.gradient.units


def fold(inputs: Moments, features: Tensor, gone: Tensor) -> tuple[Tensor, Tensor]:
    """What goes is replaced by its mean, in the biases of what reads it: the papers leave this to the fine-tuning that is not done here."""
    return torch.zeros(int(gone.sum()), int((~gone).sum())), inputs.mean[features[gone]]


def apply(parts: Mapping[str, nn.Module], parameters: Mapping[str, Value], context: Context) -> dict[str, nn.Module]:
    """Removes what the outputs change least with, to first order."""
    return prune(parts, parameters, context, Criterion(elements=elements, units=units, watch=Moments, gradients=True, fold=fold))
