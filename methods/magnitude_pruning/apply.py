"""Unstructured magnitude pruning (1506.02626) without fine-tuning."""

from collections.abc import Mapping

import numpy as np
import onnx

from suite.contracts import Context, Value
from suite.graph import Array, editable, replace, weights


def _prune(arrays: list[Array], sparsity: float) -> None:
    """Zeroes exactly the share `sparsity` (rounded down) of all elements together, those of the smallest magnitude, in place."""
    flat = np.concatenate([array.ravel() for array in arrays])
    if count := int(sparsity * flat.size):
        flat[np.argpartition(np.abs(flat), count - 1)[:count]] = 0
    for array, part in zip(arrays, np.split(flat, np.cumsum([array.size for array in arrays])[:-1]), strict=True):
        array[...] = part.reshape(array.shape)


def apply(parts: Mapping[str, onnx.ModelProto], parameters: Mapping[str, Value], context: Context) -> dict[str, onnx.ModelProto]:
    """Prunes copies of the parts; biases, norms and embedding tables stay as they are."""
    pruned = {name: editable(model) for name, model in parts.items()}
    arrays = {name: {weight.name: weight.array for weight in weights(model)} for name, model in pruned.items()}
    every = [array for known in arrays.values() for array in known.values()]
    for group in [every] if parameters["scope"] == "global" else [[array] for array in every]:
        _prune(group, float(parameters["sparsity"]))
    for name, model in pruned.items():
        replace(model, arrays[name])
    return pruned
