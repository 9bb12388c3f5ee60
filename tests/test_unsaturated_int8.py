"""int8 that answers alike with and without VNNI: at the edge of the range, where pairs of products overflow 16 bits."""

import importlib

import numpy as np
import onnx
import onnxruntime
import pytest
from onnx import helper, numpy_helper

from methods.unsaturated_int8 import CARD
from suite.contracts import Component, Context, Tensor

WIDTH = 64
COMPONENT = Component("vision", "vision", (Tensor("x", "float32", ("batch", WIDTH)),), (Tensor("y", "float32", ("batch", 8)),))


def network():
    """A product of a matrix whose weights are all near the largest: with the largest inputs every pair of products is near the largest."""
    weights = np.random.default_rng(0).uniform(0.99, 1.0, (WIDTH, 8)).astype(np.float32)
    given, wanted = (helper.make_tensor_value_info(name, 1, ["batch", size]) for name, size in (("x", WIDTH), ("y", 8)))
    graph = helper.make_graph(
        [helper.make_node("MatMul", ["x", "w"], ["y"])], "edge", [given], [wanted], [numpy_helper.from_array(weights, "w")]
    )
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 20)], ir_version=10)


def feeds():
    """Inputs that reach the end of the range."""
    return [{"x": np.full((1, WIDTH), value, np.float32)} for value in (0.0, 0.5, 1.0)]


@pytest.mark.parametrize("variant", CARD.variants, ids=lambda variant: variant.name)
def test_sums_at_the_edge_are_right_on_any_processor(variant, tmp_path):
    context = Context(components={"vision": COMPONENT}, seed=0, scratch=tmp_path, feeds=lambda name: feeds())
    apply = importlib.import_module("methods.unsaturated_int8.apply").apply
    made = apply({"vision": network()}, dict(variant.parameters), context)["vision"]
    wanted, found = ([_answer(model, feed) for feed in feeds()] for model in (network(), made))
    assert np.allclose(found, wanted, rtol=0.03, atol=0.5)
    (weight,) = (numpy_helper.to_array(tensor) for tensor in made.graph.initializer if len(tensor.dims) == 2)
    if variant.parameters["weights"] == "7_bits":
        assert weight.dtype == np.int8
        assert 50 < np.abs(weight.astype(int)).max() <= 64
    else:
        assert weight.dtype == np.uint8
        assert weight.max() > 200


def _answer(model: onnx.ModelProto, feed):
    session = onnxruntime.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])
    return session.run(["y"], feed)[0]
