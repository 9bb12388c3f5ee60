"""The first-order Taylor criterion of importance (1611.06440, 1906.10771), which several methods cut by."""

import torch
from torch import Tensor

from suite.surgery.activations import Moments
from suite.surgery.importance import Criterion, Layer


def elements(layer: Layer[Moments]) -> Tensor:
    """(w dL/dw)^2, the mean over calibration calls."""
    assert layer.gradient is not None
    return layer.gradient.elements


def units(layer: Layer[Moments]) -> Tensor:
    """The same for a gate on each unit: (sum of w dL/dw over its outgoing weights)^2, the group contribution of 1906.10771."""
    assert layer.gradient is not None
    return layer.gradient.units


def fold(inputs: Moments, features: Tensor, gone: Tensor) -> tuple[Tensor, Tensor]:
    """What goes is replaced by its mean, in the biases of what reads it, where the papers leave this to fine-tuning."""
    return torch.zeros(int(gone.sum()), int((~gone).sum())), inputs.mean[features[gone]]


TAYLOR: Criterion[Moments] = Criterion(elements=elements, units=units, watch=Moments, gradients=True, fold=fold)
