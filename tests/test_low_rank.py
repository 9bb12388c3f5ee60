"""SVD-LLM's factors against the formula of its paper and against the least error that any product of that rank can have."""

import importlib
from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import helper
from onnx_graphs import Array, arrays, chain, gemm, model, random, run

from methods.svd_llm.apply import factors, heads, second_moments
from suite.contracts import Context

ALMOST_NONE = 1e-9


def correlated(rows: int, width: int, seed: int = 3) -> Array:
    """Vectors that lie near a few directions, as activations do: float32 (rows, width)."""
    spread = np.geomspace(10, 0.05, width)[:, None] * np.linalg.qr(random(width, width, seed=9))[0]
    return (random(rows, width, seed=seed) @ spread).astype(np.float32)


def applied(method: str, graph: onnx.ModelProto, x: Array, scratch: Path, **parameters: float) -> onnx.ModelProto:
    given = Context(components={}, seed=0, scratch=scratch, feeds=lambda component: ({"x": row[None]} for row in x))
    return importlib.import_module(f"methods.{method}.apply").apply({"text": graph}, parameters, given)["text"]


@pytest.mark.parametrize("shape", [(12, 20), (20, 12), (16, 16)])
@pytest.mark.parametrize("kept", [1, 4, 9])
def test_the_factors_are_those_of_the_paper(shape: tuple[int, int], kept: int) -> None:
    weight, x = random(*shape).astype(np.float64), correlated(200, shape[0]).astype(np.float64)
    left, right = factors(weight, x.T @ x, kept, ALMOST_NONE)
    whitening = np.linalg.cholesky(x.T @ x)  # the paper's S, of its X Xᵀ; its W is our transposed weight
    u, values, vh = np.linalg.svd(weight.T @ whitening)
    expected = (u[:, :kept] * values[:kept]) @ vh[:kept] @ np.linalg.inv(whitening)
    assert left.shape == (shape[0], kept)
    assert right.shape == (kept, shape[1])
    np.testing.assert_allclose(left @ right, expected.T, rtol=1e-4, atol=1e-5)
    assert np.linalg.norm(x @ (weight - left @ right)) == pytest.approx(np.sqrt((values[kept:] ** 2).sum()), rel=1e-4)


@pytest.mark.parametrize("rows", [3, 200])
def test_no_product_of_that_rank_changes_the_outputs_less(rows: int) -> None:
    """By Eckart and Young the outputs themselves, cut at the rank, are the bound; with three vectors the rank is theirs or more."""
    weight, x = random(24, 30).astype(np.float64), correlated(rows, 24).astype(np.float64)
    tail = np.linalg.svd(x @ weight, compute_uv=False)[5:]
    left, right = factors(weight, x.T @ x, 5, ALMOST_NONE)
    assert np.linalg.norm(x @ (weight - left @ right)) == pytest.approx(np.sqrt((tail**2).sum()), rel=1e-4, abs=1e-3)


def test_what_calibration_does_not_show_is_cut_as_without_data() -> None:
    """Inputs along one direction fix one of five singular vectors; the other four are the best for what is left of the weight."""
    weight = random(24, 30).astype(np.float64)
    x = np.zeros((1, 24))
    x[0, 0] = 1e3
    left, right = factors(weight, x.T @ x, 5, 1e-6)
    np.testing.assert_allclose(x @ left @ right, x @ weight, rtol=1e-3, atol=1e-3 * np.abs(x @ weight).max())
    output = weight[0] / np.linalg.norm(weight[0])
    rest = weight[1:] - np.outer(weight[1:] @ output, output)
    tail = np.linalg.svd(rest, compute_uv=False)[4:]
    assert np.linalg.norm(weight[1:] - (left @ right)[1:]) == pytest.approx(np.sqrt((tail**2).sum()), rel=1e-3)


def test_without_any_input_it_is_the_plain_decomposition() -> None:
    weight = random(10, 8).astype(np.float64)
    u, values, vh = np.linalg.svd(weight)
    left, right = factors(weight, np.zeros((10, 10)), 3, 0.01)
    np.testing.assert_allclose(left @ right, (u[:, :3] * values[:3]) @ vh[:3], rtol=1e-6, atol=1e-8)


@pytest.mark.parametrize("items", [1, 4, 100])
@pytest.mark.parametrize("transposed", [None, 0, 1])
def test_a_layer_of_a_graph_gets_the_factors_of_what_it_reads(transposed: int | None, items: int, tmp_path: Path) -> None:
    weight, bias, x = random(24, 32), random(32, seed=1), correlated(100, 24)
    graph = chain(weight) if transposed is None else gemm(weight, bias, transposed)
    made = applied("svd_llm", graph, x, tmp_path, keep=0.5, items=items, dampening=0.01)
    seen = x[:items].astype(np.float64)
    left, right = factors(weight, seen.T @ seen, 6, 0.01)
    expected = x @ left @ right + (0 if transposed is None else bias)
    np.testing.assert_allclose(run(made, {"x": x}), expected, rtol=1e-3, atol=1e-3)
    assert [node.op_type for node in made.graph.node] == ["MatMul", "MatMul" if transposed is None else "Gemm"]


@pytest.mark.parametrize("keep", [0.75, 0.5, 0.25])
def test_on_unseen_inputs_it_loses_less_than_the_decomposition_that_sees_none(keep: float, tmp_path: Path) -> None:
    graph, unseen = chain(random(32, 48)), correlated(200, 32, seed=5)
    blind = applied("svd_low_rank", graph, unseen, tmp_path, keep=keep)
    seeing = applied("svd_llm", graph, correlated(100, 32), tmp_path, keep=keep, items=100, dampening=0.01)
    errors = [np.linalg.norm(run(each, {"x": unseen}) - run(graph, {"x": unseen})) for each in (blind, seeing)]
    assert [array.shape for array in arrays(blind).values()] == [array.shape for array in arrays(seeing).values()]
    bound = np.sqrt((np.linalg.svd(run(graph, {"x": unseen}), compute_uv=False)[arrays(seeing)["w0_left"].shape[1] :] ** 2).sum())
    assert bound <= errors[1] < 1.25 * bound, "the bound is what a product of that rank fitted to these inputs would lose"
    assert errors[1] < 0.7 * errors[0]


def test_a_weight_that_two_layers_share_is_calibrated_on_what_both_read() -> None:
    shared, x = random(16, 16), correlated(6, 16)
    nodes = [helper.make_node("MatMul", [a, "w"], [b], name=b) for a, b in (("x", "h"), ("h", "y"))]
    feeds = [{"x": row[None]} for row in x]
    (found,) = second_moments(model(nodes, {"w": shared}, (1, 16), (1, 16)), "text", feeds).values()
    both = np.concatenate([x, x @ shared]).astype(np.float64)
    np.testing.assert_allclose(found, both.T @ both, rtol=1e-4, atol=1e-3)


@pytest.mark.parametrize(("after", "left"), [((), {"v"}), (("b",), {"v"}), (("x",), set())])
def test_the_head_stays_as_it_is_and_a_layer_that_adds_to_the_residual_stream_does_not(
    after: tuple[str, ...], left: set[str], tmp_path: Path
) -> None:
    nodes = [helper.make_node("MatMul", ["x", "w"], ["h"]), helper.make_node("MatMul", ["h", "v"], ["p" if after else "y"])]
    nodes += [helper.make_node("Add", ["p", other], ["y"]) for other in after]
    constants = {"w": random(24, 24), "v": random(24, 24, seed=1), "b": random(24, seed=2)}
    graph = model(nodes, {name: array for name, array in constants.items() if name != "b" or "b" in after}, (1, 24), (1, 24))
    made = applied("svd_llm", graph, correlated(30, 24), tmp_path, keep=0.5, items=30, dampening=0.01)
    assert heads(graph) == left
    assert {"w", "v"} & set(arrays(made)) == left


def test_a_head_that_is_the_only_matrix_is_factorised() -> None:
    assert heads(chain(random(24, 10))) == set()
