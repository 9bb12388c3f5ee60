"""First-order Taylor pruning (1611.06440, 1906.10771) with a loss that needs no labels, see `suite.surgery.gradients`.

Each element is judged alone: of the first convolution of an image tower, whose inputs are much alike and whose elements cancel each
other, it removes too much.
"""

from collections.abc import Mapping

from torch import Tensor, nn

from suite.contracts import Context, Value
from suite.surgery.importance import Criterion, Layer
from suite.surgery.pruning import prune


def elements(layer: Layer[None]) -> Tensor:
    """(w dL/dw)^2, the mean over calibration calls."""
    assert layer.gradient is not None
    return layer.gradient.elements


def units(layer: Layer[None]) -> Tensor:
    """The same for a gate on each unit: (sum of w dL/dw over its outgoing weights)^2, the group contribution of 1906.10771."""
    assert layer.gradient is not None
    return layer.gradient.units


def apply(parts: Mapping[str, nn.Module], parameters: Mapping[str, Value], context: Context) -> dict[str, nn.Module]:
    """Removes what the outputs change least with, to first order."""
    return prune(parts, parameters, context, Criterion(elements=elements, units=units, gradients=True))
