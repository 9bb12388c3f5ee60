"""Pruning by the entropy of activations, as 1706.05791 does for the filters of a convolution."""

from collections.abc import Mapping

from torch import Tensor, nn

from suite.contracts import Context, Value
from suite.surgery.activations import Histogram
from suite.surgery.importance import Criterion, Layer
from suite.surgery.pruning import prune


def elements(layer: Layer[Histogram]) -> Tensor:
    """|w_ij| times the entropy of input unit j."""
    return layer.weight.abs() * layer.per_weight(layer.inputs.entropy)


def units(layer: Layer[Histogram]) -> Tensor:
    """The entropy of what each unit hands on, in bits."""
    return layer.inputs.entropy


def apply(parts: Mapping[str, nn.Module], parameters: Mapping[str, Value], context: Context) -> dict[str, nn.Module]:
    """Removes units whose activations carry little information, and elements that read them."""
    return prune(parts, parameters, context, Criterion(elements=elements, units=units, watch=Histogram))
