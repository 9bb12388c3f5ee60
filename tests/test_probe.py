"""What a graph is asked on calibration items, and what the methods that need them say when they are missing or not numbers."""

import importlib
from collections.abc import Iterable, Iterator
from itertools import count
from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx_graphs import Array, chain, exported_tower, feeds, random, run

from suite.contracts import Context
from suite.surgery.probe import Probe, calibration

METHODS = {"gptq": "int4_block_32", "smoothquant": "alpha_50", "mixed_precision": "budget_30"}


def given(scratch: Path, items: Iterable[dict[str, Array]]) -> Context:
    return Context(components={}, seed=0, scratch=scratch, feeds=lambda component: items)


def apply(method: str, graph: onnx.ModelProto, context: Context) -> onnx.ModelProto:
    parameters = importlib.import_module(f"methods.{method}").CARD.variant(METHODS[method]).parameters
    return importlib.import_module(f"methods.{method}.apply").apply({"text": graph}, parameters, context)["text"]


def test_any_tensor_is_answered_with_other_weights_too() -> None:
    first, second, other, x = random(8, 6), random(6, 4, seed=1), random(8, 6, seed=2), random(3, 8, seed=3)
    probe = Probe(chain(first, second), "text", ["h1", "x", "y"], ["w0", "w1"])
    inner, given_back, outer = probe.run({"x": x}, ["h1", "x", "y"])
    np.testing.assert_allclose(inner, x @ first, rtol=1e-5)
    np.testing.assert_array_equal(given_back, x)
    np.testing.assert_allclose(outer, x @ first @ second, rtol=1e-4, atol=1e-5)
    np.testing.assert_allclose(probe.run({"x": x}, ["h1"], {"w0": other})[0], x @ other, rtol=1e-5)
    np.testing.assert_allclose(probe.run({"x": x}, ["y"])[0], outer, rtol=1e-6)


def test_a_probe_of_a_transformer_answers_as_the_transformer() -> None:
    tower, feed = exported_tower(), next(feeds(1, seed=4))
    probe = Probe(tower, "fusion", ["logits"], [tensor.name for tensor in tower.graph.initializer])
    np.testing.assert_allclose(probe.run(feed, ["logits"])[0], run(tower, feed), rtol=1e-4, atol=1e-5)


def test_no_more_items_are_taken_than_are_asked_for(tmp_path: Path) -> None:
    def endless() -> Iterator[dict[str, Array]]:
        for number in count():
            yield {"x": np.full((1, 1), number)}

    assert [int(feed["x"][0, 0]) for feed in calibration(given(tmp_path, endless()), "text", 3)] == [0, 1, 2]


@pytest.mark.parametrize("method", METHODS)
def test_no_calibration_items_are_one_sentence(method: str, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"^there are no calibration items for the component 'text', and the method needs one at least$"):
        apply(method, exported_tower(), given(tmp_path, []))


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("number", [np.nan, np.inf])
def test_activations_that_are_no_numbers_are_one_sentence(method: str, number: float, tmp_path: Path) -> None:
    items = list(feeds(3))
    items[1]["pixel_values"][0, 0, 3, 3] = number
    with pytest.raises(ValueError, match=r"^the tensor '\S+' of the component 'text' is not finite on a calibration item$"):
        apply(method, exported_tower(), given(tmp_path, items))
