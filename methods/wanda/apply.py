"""Wanda (2306.11695): pruning by weights and activations."""

from collections.abc import Mapping

from torch import Tensor, nn

from suite.contracts import Context, Value
from suite.surgery.activations import Moments
from suite.surgery.importance import Criterion, Layer
from suite.surgery.pruning import prune


def elements(layer: Layer[Moments]) -> Tensor:
    """|w_ij| times the L2 norm of input feature j over all calibration positions; of a convolution, of input channel j."""
    return layer.weight.abs() * layer.per_weight(layer.inputs.norm)


def apply(parts: Mapping[str, nn.Module], parameters: Mapping[str, Value], context: Context) -> dict[str, nn.Module]:
    """Compares elements within each output feature, as the paper does."""
    chosen = {"granularity": "elements", **parameters}
    return prune(parts, chosen, context, Criterion(elements=elements, watch=Moments, per_row=True))
