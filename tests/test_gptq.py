"""GPTQ against optimal brain quantization written out row by row, and against round-to-nearest."""

import importlib
from collections.abc import Iterable
from pathlib import Path

import numpy as np
import pytest
from onnx import helper
from onnx_graphs import Array, chain, model, random
from test_grids import stored

from methods.gptq.apply import quantize
from suite.contracts import Context
from suite.surgery.grids import Grid, round_to_nearest


def correlated(items: int, width: int, seed: int = 0) -> Array:
    """Vectors whose elements depend on each other, as activations do."""
    return random(items, width // 3 + 1, seed=seed) @ random(width // 3 + 1, width, seed=seed + 1) + 0.3 * random(
        items, width, seed=seed + 2
    )


def brute_force(weight: Array, x: Array, grid: Grid, dampening: float, act_order: bool) -> Array:
    """Integers of optimal brain quantization (2208.11580) in the given order: an inverse of the Hessian of what is left at each step."""
    hessian = x.T.astype(np.float64) @ x.astype(np.float64)
    hessian += dampening * np.mean(np.diag(hessian)) * np.eye(len(hessian))
    rest = sorted(range(len(weight)), key=lambda i: -hessian[i, i]) if act_order else list(range(len(weight)))
    left, result = weight.astype(np.float64), np.zeros(weight.shape, np.int8)
    scales = np.repeat(grid.scales(weight), grid.block, 0)
    while rest:
        inverse, first = np.linalg.inv(hessian[np.ix_(rest, rest)]), rest[0]
        result[first] = np.clip(np.round(left[first] / scales[first]), grid.lowest, -grid.lowest - 1)
        error = left[first] - result[first] * scales[first]
        left[rest] -= np.outer(inverse[0] / inverse[0, 0], error)
        rest = rest[1:]
    return result


def compress(graph: object, feeds: Iterable[Array], scratch: Path, **changed: object) -> dict[str, Array]:
    """The stored weights after the method with 4 bits and blocks of 32, calibrated on these inputs."""
    module = importlib.import_module("methods.gptq")
    given = Context(components={}, seed=0, scratch=scratch, feeds=lambda component: ({"x": x} for x in feeds))
    parameters = {**module.CARD.variant("int4_block_32").parameters, **changed}
    return stored(importlib.import_module("methods.gptq.apply").apply({"text": graph}, parameters, given)["text"])


@pytest.mark.parametrize("bits", [3, 4])
@pytest.mark.parametrize("act_order", [False, True])
@pytest.mark.parametrize("width", [64, 200])
def test_roundings_are_those_of_optimal_brain_quantization(bits: int, act_order: bool, width: int) -> None:
    weight, x, grid = random(width, 12), correlated(400, width, 3), Grid(bits, 32)
    found = quantize(weight, x.T.astype(np.float64) @ x, grid, 0.01, act_order)
    np.testing.assert_array_equal(found.integers, brute_force(weight, x, grid, 0.01, act_order))
    np.testing.assert_array_equal(found.scales, grid.scales(weight))
    assert (found.integers != round_to_nearest(weight, grid).integers).mean() > 0.1


@pytest.mark.parametrize("bits", [3, 4])
@pytest.mark.parametrize("act_order", [False, True])
def test_outputs_change_less_than_with_round_to_nearest(bits: int, act_order: bool) -> None:
    x, unseen = correlated(2000, 96, 3), correlated(2000, 96, 3)[1000:]
    weight, grid = random(96, 32), Grid(bits, 32)
    found = quantize(weight, x[:1000].T.astype(np.float64) @ x[:1000], grid, 0.01, act_order).values
    nearest = round_to_nearest(weight, grid).values
    assert np.linalg.norm(weight - found) > np.linalg.norm(weight - nearest)
    assert np.linalg.norm(unseen @ (weight - found)) < 0.7 * np.linalg.norm(unseen @ (weight - nearest))


@pytest.mark.parametrize("bits", [3, 4])
def test_outputs_change_no_more_than_with_the_grid_of_other_implementations(bits: int) -> None:
    """Theirs (AutoGPTQ, llm-compressor) is symmetric too, and puts the largest magnitude of a block half a step beside a level."""
    x, unseen = correlated(2000, 128, 3)[:1000], correlated(2000, 128, 3)[1000:]
    weight, grid = random(128, 64), Grid(bits, 32)
    ours = quantize(weight, x.T.astype(np.float64) @ x, grid, 0.01, True).values

    class Other(Grid):
        def scales(self, weight: Array) -> Array:
            return (np.abs(self._blocks(weight)).max(1) / (2**self.bits - 1) * 2).astype(weight.dtype)

    theirs = quantize(weight, x.T.astype(np.float64) @ x, Other(bits, 32), 0.01, True).values
    assert np.linalg.norm(unseen @ (weight - ours)) < np.linalg.norm(unseen @ (weight - theirs))


def test_inputs_that_do_not_depend_on_each_other_are_rounded_to_nearest() -> None:
    weight, grid = random(64, 16), Grid(4, 32)
    found = quantize(weight, np.diag(np.arange(1.0, 65.0)), grid, 0.01, True)
    np.testing.assert_array_equal(found.integers, round_to_nearest(weight, grid).integers)


def test_inputs_that_are_always_zero_are_rounded_to_nearest_and_disturb_no_other() -> None:
    weight, x, grid = random(64, 16), correlated(200, 64), Grid(4, 32)
    x[:, 7] = 0
    found, nearest = quantize(weight, x.T.astype(np.float64) @ x, grid, 0.01, False), round_to_nearest(weight, grid)
    np.testing.assert_array_equal(found.integers[7], nearest.integers[7])
    assert (found.integers != nearest.integers).any()
    np.testing.assert_array_equal(quantize(weight, np.zeros((64, 64)), grid, 0.01, False).integers, nearest.integers)


def test_fewer_items_than_inputs_are_enough_whatever_the_dampening() -> None:
    weight, x, grid = random(96, 16), correlated(20, 96), Grid(4, 32)
    for dampening in (1e-6, 0.01, 1.0):
        found = quantize(weight, x.T.astype(np.float64) @ x, grid, dampening, True).values
        assert np.linalg.norm(x @ (weight - found)) < 0.8 * np.linalg.norm(x @ (weight - round_to_nearest(weight, grid).values))


def test_a_layer_is_calibrated_on_what_quantized_layers_give_it(tmp_path: Path) -> None:
    first, second, x, grid = random(40, 64), random(64, 24, seed=1), correlated(300, 40, 2), Grid(4, 32)
    found = compress(chain(first, second), [x[i : i + 1] for i in range(len(x))], tmp_path, items=300, act_order=False)
    between = np.repeat(grid.scales(first), 32, 0)[:40] * brute_force(first, x, grid, 0.01, False)
    expected = np.repeat(grid.scales(second), 32, 0) * brute_force(second, (x @ between).astype(np.float32), grid, 0.01, False)
    np.testing.assert_allclose(found["h1"], between, rtol=1e-5)
    np.testing.assert_allclose(found["y"], expected, rtol=1e-5)


def test_a_shared_weight_is_calibrated_on_all_that_read_it(tmp_path: Path) -> None:
    weight, x, grid = random(32, 32) / 6, correlated(300, 32), Grid(4, 32)
    nodes = [helper.make_node("MatMul", [a, "w"], [b], name=b) for a, b in (("x", "h"), ("h", "y"))]
    found = compress(model(nodes, {"w": weight}, (1, 32), (1, 32)), [x], tmp_path, act_order=False)
    expected = np.repeat(grid.scales(weight), 32, 0) * brute_force(weight, np.concatenate([x, x @ weight]), grid, 0.01, False)
    np.testing.assert_allclose(found["y"], expected, rtol=1e-5)
    np.testing.assert_array_equal(found["h"], found["y"])


def test_only_the_calibration_items_that_are_asked_for_count(tmp_path: Path) -> None:
    weight, x = random(32, 8), correlated(20, 32)
    rows = [x[i : i + 1] for i in range(len(x))]
    ten, first_ten, all_of_them = (compress(chain(weight), f, tmp_path, items=n)["y"] for f, n in ((rows, 10), (rows[:10], 99), (rows, 99)))
    np.testing.assert_array_equal(ten, first_ten)
    assert not np.array_equal(ten, all_of_them)
