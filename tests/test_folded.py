"""Weights that a graph lays out anew at each call are where methods look for them, once, and the answers stay."""

import numpy as np
import onnx
import pytest
import torch
from onnx import TensorProto, helper, numpy_helper
from torch import nn

from suite.contracts import Component, Tensor
from suite.export import answer, export
from suite.folded import fold
from suite.graph import weights

COMPONENT = Component(
    "fusion",
    "fusion",
    (Tensor("a", "float32", ("batch", 48)), Tensor("b", "float32", ("batch", 48))),
    (Tensor("y", "float32", ("batch", 32)),),
)


def test_the_weight_of_a_bilinear_layer_is_found_in_what_is_exported(tmp_path):
    import onnxruntime

    torch.manual_seed(0)
    layer = nn.Bilinear(48, 48, 32).eval()
    feed = {name: torch.randn(3, 48).numpy() for name in ("a", "b")}
    export(layer, COMPONENT, [feed], tmp_path / "fusion.onnx")
    model = onnx.load(tmp_path / "fusion.onnx")
    assert [weight.array.size for weight in weights(model)] == [48 * 48 * 32]
    assert sum(np.prod(tensor.dims) for tensor in model.graph.initializer if tensor.data_type == TensorProto.FLOAT) < 48 * 48 * 32 + 64
    found = onnxruntime.InferenceSession(tmp_path / "fusion.onnx").run(None, feed)[0]
    assert np.allclose(found, answer(layer, COMPONENT, feed)["y"], atol=1e-5)


def graph(*nodes, outputs=("y",)):
    """x (1, 6) beside a table of 2 x 3 and the shapes it may be given."""
    arrays = {"table": np.arange(6, dtype=np.float32).reshape(2, 3), "six": np.array([-1, 1]), "kept": np.array([0, 3])}
    known = [numpy_helper.from_array(array, name) for name, array in arrays.items()]
    places = [helper.make_tensor_value_info(name, TensorProto.FLOAT, None) for name in ("x", *outputs)]
    return helper.make_model(helper.make_graph(nodes, "g", places[:1], places[1:], known))


RESHAPE, PRODUCT = helper.make_node("Reshape", ["table", "six"], ["wide"]), helper.make_node("MatMul", ["x", "wide"], ["y"])


def test_a_chain_of_them_is_folded_to_its_end():
    turn = helper.make_node("Transpose", ["table"], ["turned"])
    model = graph(turn, helper.make_node("Reshape", ["turned", "six"], ["wide"]), PRODUCT)
    fold(model)
    assert [node.op_type for node in model.graph.node] == ["MatMul"]
    (left,) = model.graph.initializer
    assert numpy_helper.to_array(left).ravel().tolist() == [0, 3, 1, 4, 2, 5]


@pytest.mark.parametrize(
    "model",
    [
        graph(RESHAPE, PRODUCT, helper.make_node("Identity", ["table"], ["z"]), outputs=("y", "z")),
        graph(RESHAPE, PRODUCT, outputs=("y", "wide")),
        graph(helper.make_node("Reshape", ["table", "kept"], ["wide"]), PRODUCT),
        graph(helper.make_node("Abs", ["table"], ["wide"]), PRODUCT),
        graph(helper.make_node("Reshape", ["x", "six"], ["wide"]), PRODUCT),
    ],
    ids=["read elsewhere", "an output", "a length of its input", "another operator", "no constant"],
)
def test_what_is_shared_or_no_mere_layout_stays_as_it_is(model):
    before = model.SerializeToString()
    fold(model)
    assert model.SerializeToString() == before
