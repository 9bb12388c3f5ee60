"""The proximal step of an L1 penalty on each weight (Parikh and Boyd, Proximal Algorithms, 2014, section 6.5.2)."""

from collections.abc import Mapping

import numpy as np
import onnx

from suite.contracts import Context, Value
from suite.graph import Array, editable, replace, weights


def proximal(weight: Array, penalty: float) -> Array:
    """The W' that minimises ||W' - W||^2 + penalty * ||W'||_1: sign(w) * max(|w| - penalty / 2, 0). Raises ValueError if penalty < 0."""
    if not penalty >= 0:
        raise ValueError(f"the L1 penalty must be 0 or more, not {penalty}: a negative one would make weights larger")
    shrunk: Array = np.sign(weight) * np.maximum(np.abs(weight) - weight.dtype.type(penalty / 2), 0)
    return shrunk


def penalty_for(weight: Array, sparsity: float) -> float:
    """The smallest penalty with which the share `sparsity` (rounded down) of the elements becomes zero: twice that quantile of |w|.

    Raises ValueError for a sparsity outside of (0, 1), and for weights that are not finite.
    """
    if not 0 < sparsity < 1:
        raise ValueError(f"the sparsity must lie between 0 and 1, both excluded, not be {sparsity}")
    if not np.isfinite(weight).all():
        raise ValueError("a weight holds NaN or infinity, so no quantile of it can be taken")
    count = int(sparsity * weight.size + 1e-9)
    return 2 * float(np.partition(np.abs(weight), count - 1, None)[count - 1]) if count else 0.0


def apply(parts: Mapping[str, onnx.ModelProto], parameters: Mapping[str, Value], context: Context) -> dict[str, onnx.ModelProto]:
    """Shrinks copies of the parts, each weight with a penalty of its own; biases, norms and embedding tables stay as they are."""
    shrunk = {name: editable(model) for name, model in parts.items()}
    for model in shrunk.values():
        arrays = {weight.name: weight.array for weight in weights(model)}
        replace(model, {name: proximal(array, penalty_for(array, float(parameters["sparsity"]))) for name, array in arrays.items()})
    return shrunk
