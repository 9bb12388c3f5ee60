"""GPTQ (2210.17323): rounds a weight input by input, and lets the inputs that are still to come make up for the error."""

from collections.abc import Iterable, Mapping, Sequence

import numpy as np
import onnx

from suite.contracts import Context, NotApplicable, Value
from suite.graph import Array
from suite.surgery.grids import Grid, Quantized, matrices, store, with_matmuls
from suite.surgery.probe import Probe, calibration

BATCH = 128
"""Inputs that are rounded before what is left of the weight is updated: the same result as one by one, in fewer passes over memory."""


def quantize(weight: Array, hessian: Array, grid: Grid, dampening: float, act_order: bool) -> Quantized:
    """The weight (inputs, outputs) on the grid of round-to-nearest: the scales are the same, the rounding differs.

    hessian: the sum of x xᵀ over what the layer reads, shape (inputs, inputs). An input that is always zero is rounded to nearest.
    """
    scales = grid.scales(weight)
    steps, left = grid.each(scales, len(weight)).astype(np.float64), weight.astype(np.float64)
    order = np.argsort(-np.diag(hessian), kind="stable") if act_order else np.arange(len(weight))
    left, steps = left[order], steps[order]
    factor, integers = _factor(hessian[np.ix_(order, order)], dampening), np.zeros(weight.shape, np.int8)
    for start in range(0, len(left), BATCH):
        stop = min(start + BATCH, len(left))
        errors = np.zeros((stop - start, left.shape[1]))
        for row in range(start, stop):
            integers[order[row]] = grid.nearest(left[row], steps[row])
            errors[row - start] = (left[row] - integers[order[row]] * steps[row]) / factor[row, row]
            left[row + 1 : stop] -= np.outer(factor[row, row + 1 : stop], errors[row - start])
        left[stop:] -= factor[start:stop, stop:].T @ errors
    return Quantized(grid, integers, scales)


def _factor(hessian: Array, dampening: float) -> Array:
    """The upper triangular U with Uᵀ U the inverse of the dampened matrix: the inverse of its factor from the last row to the first."""
    diagonal = np.diag(hessian)
    dead = diagonal == 0
    damped = hessian + np.diag(np.where(dead, 1.0, dampening * diagonal[~dead].mean() if (~dead).any() else 0.0))
    factor: Array = np.linalg.inv(np.linalg.cholesky(damped[::-1, ::-1]))[::-1, ::-1]
    return factor


def hessian(probe: Probe, feeds: Iterable[Mapping[str, Array]], inputs: Sequence[str], weights: Mapping[str, Array]) -> Array:
    """The sum of x xᵀ over every vector that the layers read from the tensors `inputs`, in a graph with these weights."""
    total: Array | None = None
    for feed in feeds:
        for read in probe.run(feed, inputs, weights):
            vectors = read.reshape(-1, read.shape[-1]).astype(np.float64)
            total = vectors.T @ vectors + (0 if total is None else total)
    assert total is not None, "there is a feed and an input"
    return total


def _readers(model: onnx.ModelProto, names: Iterable[str]) -> dict[tuple[str, ...], list[str]]:
    """What is read -> the weights that are multiplied by it, in the order of the nodes."""
    inputs: dict[str, list[str]] = {name: [] for name in names}
    for node in model.graph.node:
        if node.op_type == "MatMul" and node.input[1] in inputs and node.input[0] not in inputs[node.input[1]]:
            inputs[node.input[1]].append(node.input[0])
    groups: dict[tuple[str, ...], list[str]] = {}
    for name, read in inputs.items():
        groups.setdefault(tuple(read), []).append(name)
    return groups


def apply(parts: Mapping[str, onnx.ModelProto], parameters: Mapping[str, Value], context: Context) -> dict[str, onnx.ModelProto]:
    """Quantizes layer after layer; each is calibrated on what it reads when those before it are quantized already."""
    grid = Grid(int(parameters["bits"]), int(parameters["block_size"]))
    changed = {name: with_matmuls(model) for name, model in parts.items()}
    found = {name: matrices(model) for name, model in changed.items()}
    if not any(found.values()):
        raise NotApplicable(f"there is no constant weight of a MatMul or Gemm in {', '.join(parts)}")
    for name, model in changed.items():
        quantized: dict[str, Quantized] = {}
        groups = _readers(model, found[name])
        feeds = calibration(context, name, int(parameters["items"])) if groups else []
        probe = Probe(model, name, (tensor for read in groups for tensor in read), found[name])
        for read, weights in groups.items():
            moments = hessian(probe, feeds, read, {done: weight.values for done, weight in quantized.items()})
            for weight in weights:
                given = (float(parameters["dampening"]), bool(parameters["act_order"]))
                quantized[weight] = quantize(found[name][weight], moments, grid, *given)
        store(model, quantized, int(parameters["accuracy_level"]))
    return changed
