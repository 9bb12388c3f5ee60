"""SmoothQuant: its scales against loops, the smoothed graph against the original, and what smoothing is for."""

import importlib
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from onnx import helper
from onnx_graphs import Array, arrays, chain, exported_tower, feeds, model, random, run

from methods.smoothquant.apply import smooth
from methods.smoothquant.smooth import factors
from suite.contracts import Context
from suite.surgery.probe import Probe

WIDTH = 12


def normalised(*after: Any, readers: int = 1, **constants: Array) -> onnx.ModelProto:
    """A layer normalization with a channel of outliers, the nodes `after`, and `readers` linear layers that read "n", summed."""
    scale, bias = np.ones(WIDTH, np.float32), random(WIDTH, seed=7)
    scale[3] = 50
    nodes = [helper.make_node("LayerNormalization", ["x", "scale", "bias"], ["n"], axis=-1), *after]
    nodes += [helper.make_node("MatMul", ["n", f"w{i}"], [f"p{i}"]) for i in range(readers)]
    nodes.append(helper.make_node("Sum", [f"p{i}" for i in range(readers)], ["y"]))
    weights = {f"w{i}": random(WIDTH, 5, seed=i) for i in range(readers)}
    return model(nodes, {"scale": scale, "bias": bias, **weights, **constants}, (1, WIDTH), (1, 5))


def items(count: int = 20, width: int = WIDTH, seed: int = 3) -> list[dict[str, Array]]:
    return [{"x": random(1, width, seed=seed * 1000 + i)} for i in range(count)]


def same(graph: onnx.ModelProto, smoothed: onnx.ModelProto) -> None:
    for feed in items(5, seed=9):
        np.testing.assert_allclose(run(smoothed, feed), run(graph, feed), rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("alpha", [0.0, 0.5, 0.75, 1.0])
def test_scales_and_weights_are_those_of_the_paper(alpha: float) -> None:
    graph, fed = normalised(readers=2), items()
    smoothed, places = smooth(graph, "text", fed, alpha)
    before, after = arrays(graph), {}
    for node in smoothed.graph.node:
        after |= {name: arrays(smoothed)[given] for name, given in zip(("x", f"w_{node.output[0]}", "b"), node.input, strict=False)
                  if given in arrays(smoothed)}  # fmt: skip
    read = Probe(graph, "text", ["n"])
    seen = np.concatenate([read.run(feed, ["n"])[0] for feed in fed])
    scales = []
    for channel in range(WIDTH):
        activation = max(abs(float(value)) for value in seen[:, channel])
        weight = max(abs(float(value)) for name in ("w0", "w1") for value in before[name][channel])
        scales.append(activation**alpha / weight ** (1 - alpha))
    assert places == 1
    np.testing.assert_allclose(after["w_n"], before["scale"] / scales, rtol=1e-5)
    np.testing.assert_allclose(after["b"], before["bias"] / scales, rtol=1e-5)
    for reader in range(2):
        np.testing.assert_allclose(after[f"w_p{reader}"], before[f"w{reader}"] * np.array(scales)[:, None], rtol=1e-5)
    same(graph, smoothed)


def test_a_channel_without_activations_or_weights_keeps_its_scale() -> None:
    np.testing.assert_allclose(factors(np.float32([0, 4, 9]), np.float32([2, 0, 4]), 0.5), [1, 1, 1.5])


@pytest.mark.parametrize("alpha", [0.5, 0.75])
def test_smoothing_alone_leaves_a_transformer_as_it_is(alpha: float) -> None:
    tower = exported_tower()
    before = tower.SerializeToString()
    smoothed, places = smooth(tower, "fusion", list(feeds(16, 1)), alpha)
    changed = [n for n in smoothed.graph.node if n.op_type == "LayerNormalization" and n.input[1] not in arrays(tower)]
    assert places >= len(changed) >= 4
    assert len(smoothed.SerializeToString()) < 1.05 * len(before)
    for feed in feeds(5, seed=8):
        np.testing.assert_allclose(run(smoothed, feed), run(tower, feed), rtol=1e-4, atol=1e-5)
    assert tower.SerializeToString() == before


def between(kinds: Sequence[str]) -> onnx.ModelProto:
    """Two linear layers and elementwise operators in between."""
    nodes, last = [helper.make_node("MatMul", ["x", "w"], ["a"]), helper.make_node("Add", ["a", "b"], ["h0"])], "h0"
    for index, kind in enumerate(kinds, 1):
        nodes.append(helper.make_node(kind, [last], [f"h{index}"]))
        last = f"h{index}"
    nodes.append(helper.make_node("Gemm", [last, "v", "c"], ["y"], transB=1))
    constants = {"w": random(WIDTH, 9), "b": random(9, seed=1), "v": random(5, 9, seed=2), "c": random(5, seed=3)}
    return model(nodes, constants, (1, WIDTH), (1, 5))


@pytest.mark.parametrize(("kinds", "places"), [((), 1), (("Relu",), 1), (("Identity", "Relu"), 1), (("Gelu",), 0), (("Sigmoid",), 0)])
def test_a_linear_layer_is_divided_where_that_is_exact(kinds: Sequence[str], places: int) -> None:
    graph = between(kinds)
    smoothed, found = smooth(graph, "text", items(), 0.5)
    assert found == places
    assert np.array_equal(run(graph, items()[0]), run(smoothed, items()[0])) == (places == 0)
    same(graph, smoothed)


def test_a_tensor_that_something_else_reads_is_left() -> None:
    extra = helper.make_node("Identity", ["n"], ["elsewhere"])
    assert smooth(normalised(extra), "text", items(), 0.5)[1] == 0
    shown = normalised()
    shown.graph.output.append(helper.make_tensor_value_info("n", onnx.TensorProto.FLOAT, ["batch", WIDTH]))
    assert smooth(shown, "text", items(), 0.5)[1] == 0


def test_a_constant_that_another_layer_shares_is_not_changed_there() -> None:
    """Two normalizations with one scale, and a weight that is read twice, once from a tensor that is not smoothed."""
    first = normalised()
    nodes = [helper.make_node("LayerNormalization", ["x", "scale", "scale"], ["m"], axis=-1), helper.make_node("Gelu", ["m"], ["g"]),
             helper.make_node("MatMul", ["g", "w0"], ["q"]), *first.graph.node, helper.make_node("Add", ["y", "q"], ["z"])]  # fmt: skip
    graph = model(nodes, arrays(first), (1, WIDTH), (1, 5))
    graph.graph.output[0].name = "z"
    smoothed, places = smooth(graph, "text", items(), 0.5)
    assert places == 1
    same(graph, smoothed)


def test_a_column_that_is_spread_over_channels_is_left() -> None:
    nodes = [helper.make_node("MatMul", ["x", "one"], ["c"]), helper.make_node("Add", ["c", "shift"], ["a"]),
             helper.make_node("MatMul", ["a", "w"], ["y"])]  # fmt: skip
    constants = {"one": random(WIDTH, 1), "shift": random(7, seed=1), "w": random(7, 5, seed=2)}
    assert smooth(model(nodes, constants, (1, WIDTH), (1, 5)), "text", items(), 0.5)[1] == 0


def test_a_normalization_made_of_single_operators_is_divided() -> None:
    nodes = [helper.make_node("Tanh", ["x"], ["t"]), helper.make_node("Mul", ["t", "scale"], ["m"]),
             helper.make_node("Add", ["m", "shift"], ["a"]), helper.make_node("MatMul", ["a", "w"], ["y"])]  # fmt: skip
    constants = {"scale": random(WIDTH), "shift": random(1, WIDTH, seed=1), "w": random(WIDTH, 5, seed=2)}
    graph = model(nodes, constants, (1, WIDTH), (1, 5))
    smoothed, places = smooth(graph, "text", items(), 0.5)
    assert places == 1
    same(graph, smoothed)


def quantized(method: str, graph: onnx.ModelProto, scratch: Path, **parameters: Any) -> onnx.ModelProto:
    given = Context(components={}, seed=0, scratch=scratch, feeds=lambda component: items(64))
    return importlib.import_module(f"methods.{method}.apply").apply({"text": graph}, parameters, given)["text"]


@pytest.mark.parametrize("float_outputs", [False, True])
def test_outliers_cost_less_than_in_static_int8(float_outputs: bool, tmp_path: Path) -> None:
    graph = normalised()
    plain = quantized("static_int8", graph, tmp_path, operators="matmul", items=64, reduce_range=False, float_outputs=float_outputs)
    smoothed = quantized("smoothquant", graph, tmp_path, alpha=0.5, items=64, float_outputs=float_outputs)
    errors = [sum(np.square(run(other, feed, True) - run(graph, feed)).sum() for feed in items(64)) for other in (plain, smoothed)]
    assert errors[1] < errors[0] / 3


def test_a_component_without_weights_is_passed_over(tmp_path: Path) -> None:
    empty = model([helper.make_node("Relu", ["x"], ["y"])], {}, (1, WIDTH), (1, WIDTH))
    given = Context(components={}, seed=0, scratch=tmp_path, feeds=lambda component: items(8))
    result = importlib.import_module("methods.smoothquant.apply").apply(
        {"text": normalised(), "vision": empty}, {"alpha": 0.5, "items": 8, "float_outputs": False}, given
    )
    assert "QuantizeLinear" in {node.op_type for node in result["text"].graph.node}
    np.testing.assert_array_equal(run(result["vision"], {"x": np.ones((1, WIDTH), np.float32)}), np.ones((1, WIDTH)))


def test_nothing_to_smooth_is_said(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="no linear layer that reads a normalization or another linear layer in text"):
        quantized("smoothquant", chain(random(WIDTH, 4)), tmp_path, alpha=0.5, items=4, float_outputs=False)
