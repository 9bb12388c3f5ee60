"""A head that is tied to an embedding table is a layer that every method sees, and the table is stored once."""

import importlib

import numpy as np
import onnx
import onnxruntime
import pytest
import torch
from onnx import helper, numpy_helper
from onnx_graphs import apply, model, random, run
from torch import nn

from suite import stored
from suite.contracts import Component, Context, Tensor
from suite.export import answer, export
from suite.graph import weights
from suite.tied import to_gemm

WORDS, WIDTH = 300, 64
TEXT = Component(
    "text", "text", (Tensor("ids", "int64", ("batch", "tokens")),), (Tensor("logits", "float32", ("batch", "tokens", WORDS)),)
)  # fmt: skip


class Writer(nn.Module):
    """Its head's weight is its embedding table."""

    def __init__(self) -> None:
        super().__init__()
        self.table, self.middle, self.head = nn.Embedding(WORDS, WIDTH), nn.Linear(WIDTH, WIDTH), nn.Linear(WIDTH, WORDS)
        self.head.weight = self.table.weight

    def forward(self, ids):
        return self.head(torch.relu(self.middle(self.table(ids))))


@pytest.fixture(scope="module")
def writer():
    with torch.random.fork_rng():
        torch.manual_seed(0)
        return Writer().eval()


@pytest.fixture(scope="module")
def exported(writer, tmp_path_factory):
    path = tmp_path_factory.mktemp("tied") / "text.onnx"
    export(writer, TEXT, [{"ids": np.array([[1, 2, 299]])}], path)
    return onnx.load(path)


@pytest.mark.parametrize(("batch", "tokens"), [(1, 1), (3, 7), (2, 0)])
def test_a_tied_head_answers_as_before_whatever_the_lengths(batch, tokens, exported, writer):
    feed = {"ids": np.random.default_rng(0).integers(0, WORDS, (batch, tokens))}
    found, wanted = run(exported, feed), answer(writer, TEXT, feed)["logits"]
    assert found.shape == wanted.shape
    assert np.allclose(found, wanted, atol=1e-5)


def test_its_weight_is_found_and_stored_once(exported):
    assert {weight.array.shape for weight in weights(exported)} == {(WIDTH, WIDTH), (WORDS, WIDTH)}
    sizes = sorted(np.prod(tensor.dims) for tensor in exported.graph.initializer if len(tensor.dims) == 2)
    assert sizes == [WIDTH * WIDTH, WORDS * WIDTH]
    assert not [node for node in exported.graph.node if node.op_type == "Transpose"]


@pytest.mark.parametrize(
    ("method", "parameters", "bits"),
    [
        ("dynamic_int8", {"operators": "linear", "per_channel": True, "reduce_range": False}, 8),
        ("int4_rtn", {"block_size": 32, "accuracy_level": 0}, 4),
        ("int3_rtn", {"block_size": 32, "accuracy_level": 0}, 4),
    ],
)
def test_quantizers_quantize_it(method, parameters, bits, exported, tmp_path):
    quantized = apply(method, {"text": exported}, tmp_path, **parameters)["text"]
    assert {weight.bits for weight in stored.weights(quantized)} == {bits}
    assert sum(weight.elements for weight in stored.weights(quantized)) == WIDTH * (WIDTH + WORDS)
    feed = {"ids": np.random.default_rng(0).integers(0, WORDS, (3, 7))}
    assert np.corrcoef(run(exported, feed).ravel(), run(quantized, feed).ravel())[0, 1] > 0.95


def test_pruning_bears_out_what_it_claims(exported, tmp_path):
    pruned = apply("magnitude_pruning", {"text": exported}, tmp_path, scope="local", sparsity=0.5)["text"]
    found = stored.weights(pruned)
    assert sum(weight.zeros for weight in found) == sum(weight.elements for weight in found) // 2


def test_what_is_turned_for_something_else_too_stays_for_that():
    turn = helper.make_node("Transpose", ["w"], ["turned"])
    layers = [turn, helper.make_node("MatMul", ["x", "turned"], ["h"]), helper.make_node("MatMul", ["h", "turned"], ["g"])]
    graph = model([*layers, helper.make_node("Mul", ["g", "turned"], ["y"])], {"w": random(5, 5)}, (1, 5), (5, 5))
    before = run(graph, {"x": random(1, 5)})
    to_gemm(graph)
    assert np.allclose(before, run(graph, {"x": random(1, 5)}), atol=1e-5)
    assert [node.op_type for node in graph.graph.node].count("Gemm") == 2
    assert [node.op_type for node in graph.graph.node].count("Transpose") == 1


@pytest.mark.parametrize("perm", [[0, 1], [1, 0]])
def test_only_what_is_really_transposed(perm):
    nodes = [helper.make_node("Transpose", ["w"], ["turned"], perm=perm), helper.make_node("MatMul", ["x", "turned"], ["y"])]
    graph = model(nodes, {"w": random(5, 5)}, (1, 5), (1, 5))
    before = run(graph, {"x": random(2, 5)})
    to_gemm(graph)
    assert ("Gemm" in {node.op_type for node in graph.graph.node}) == (perm == [1, 0])
    assert np.allclose(before, run(graph, {"x": random(2, 5)}), atol=1e-5)
    assert numpy_helper.to_array(graph.graph.initializer[0]).shape == (5, 5)
    assert onnxruntime.InferenceSession(graph.SerializeToString()).get_outputs()[0].name == "y"


@pytest.mark.parametrize(("opset", "kinds"), [(13, ["Transpose", "MatMul"]), (15, ["Shape", "Concat", "Reshape", "Gemm", "Reshape"])])
def test_a_graph_of_an_opset_that_lacks_an_operator_stays_as_it_is(opset, kinds):
    ends = [helper.make_tensor_value_info(name, onnx.TensorProto.FLOAT, ["n", size]) for name, size in (("x", 4), ("y", 6))]
    nodes = [helper.make_node("Transpose", ["w"], ["t"]), helper.make_node("MatMul", ["x", "t"], ["y"])]
    table = numpy_helper.from_array(random(6, 4), "w")
    made = helper.make_model(
        helper.make_graph(nodes, "g", ends[:1], ends[1:], [table]), opset_imports=[helper.make_opsetid("", opset)], ir_version=8
    )
    to_gemm(made)
    onnx.checker.check_model(made, full_check=True)
    assert [node.op_type for node in made.graph.node] == kinds


@pytest.mark.parametrize(
    ("method", "parameters", "most"),
    [
        ("svd_low_rank", {"keep": 0.5}, 1e-4),
        ("static_int8", {"operators": "matmul", "items": 64, "reduce_range": True, "float_outputs": False}, 0.05),
        ("unsaturated_int8", {"static": True, "weights": "7_bits", "items": 64}, 0.05),
    ],
)
def test_a_weight_that_one_layer_reads_as_it_is_and_another_transposed(method, parameters, most, tmp_path):
    """y = x w wT, the weight stored once: of rank 4, so that a factorisation loses nothing; int8 comes as near as 7 bits do."""
    weight = (random(32, 4) @ random(4, 32, seed=1)).astype(np.float32) / 8
    layers = [
        helper.make_node("MatMul", ["x", "w"], ["h"], name="first"),
        helper.make_node("Gemm", ["h", "w"], ["y"], name="second", transB=1),
    ]
    graph = model(layers, {"w": weight}, (1, 32), (1, 32))
    given = Context(components={}, seed=0, scratch=tmp_path, feeds=lambda name: ({"x": random(1, 32, seed=i)} for i in range(64)))
    found = importlib.import_module(f"methods.{method}.apply").apply({"text": graph}, parameters, given)["text"]
    feeds = [{"x": random(1, 32, seed=i)} for i in range(100, 120)]
    wanted, answers = (np.stack([run(made, feed) for feed in feeds]) for made in (graph, found))
    assert np.linalg.norm(answers - wanted) < most * np.linalg.norm(wanted)
