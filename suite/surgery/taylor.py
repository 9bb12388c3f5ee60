"""The first-order Taylor criterion of importance, which several methods cut by."""

from torch import Tensor

from suite.surgery.importance import Criterion, Layer


def elements(layer: Layer[None]) -> Tensor:
    """(w dL/dw)^2 of each element (1906.10771), the mean over calibration calls."""
    assert layer.gradient is not None
    return layer.gradient.elements


def units(layer: Layer[None]) -> Tensor:
    """The same for a gate on each unit: (sum of w dL/dw over its outgoing weights)^2, the group contribution of 1906.10771."""
    assert layer.gradient is not None
    return layer.gradient.units


TAYLOR: Criterion[None] = Criterion(elements=elements, units=units, gradients=True)
