"""First-order Taylor pruning (1611.06440, 1906.10771) with a loss that needs no labels, see `suite.surgery.gradients`.

Each element is judged alone: of the first convolution of an image tower, whose inputs are much alike and whose elements cancel each
other, it removes too much.
"""

from collections.abc import Mapping

from torch import nn

from suite.contracts import Context, Value
from suite.surgery.pruning import prune
from suite.surgery.taylor import TAYLOR


def apply(parts: Mapping[str, nn.Module], parameters: Mapping[str, Value], context: Context) -> dict[str, nn.Module]:
    """Removes what the outputs change least with, to first order."""
    return prune(parts, parameters, context, TAYLOR)
