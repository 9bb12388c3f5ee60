"""Small ONNX graphs for the tests of the methods and of the audit, and one small transformer, exported as the suite does it."""

import importlib
import tempfile
from collections.abc import Iterable, Iterator, Mapping
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnxruntime
import torch
from onnx import helper, numpy_helper
from torch import nn

from suite.contracts import Component, Context, Tensor
from suite.export import export
from suite.models.layers import Block, TextEmbedding, VisionTransformer, initialise

Array = np.ndarray[Any, np.dtype[Any]]

COMPONENT = Component(
    "fusion",
    "fusion",
    (Tensor("pixel_values", "float32", ("batch", 1, 16, 16)), Tensor("input_ids", "int64", ("batch", 6))),
    (Tensor("logits", "float32", ("batch", 10)),),
)


class Tower(nn.Module):
    """Every kind of layer that the reference models have, 32 wide: convolutions, self- and cross-attention, embeddings, a mask."""

    def __init__(self) -> None:
        super().__init__()
        self.vision = VisionTransformer(1, 16, width=32, depth=1, heads=2)
        self.embedding = TextEmbedding(50, 6, 32)
        self.block, self.head = Block(32, heads=2, cross=True), nn.Linear(32, 10)
        initialise(self)

    def forward(self, pixel_values: torch.Tensor, input_ids: torch.Tensor) -> torch.Tensor:
        return self.head(self.block(self.embedding(input_ids), self.embedding.mask(input_ids), self.vision(pixel_values))[:, 0])


def make_tower() -> Tower:
    """The same random weights each time, with statistics in its batch norms and biases that are not zero."""
    with torch.random.fork_rng():
        torch.manual_seed(0)
        tower = Tower()
        for module in tower.modules():
            if isinstance(module, nn.BatchNorm2d):
                module.running_mean.uniform_(-0.2, 0.2), module.running_var.uniform_(0.5, 2.0)
            elif isinstance(module, nn.Linear):
                nn.init.normal_(module.bias, std=0.1)
    return tower.eval()


def feeds(items: int, seed: int = 0) -> Iterator[dict[str, Array]]:
    """Inputs of the tower, batch size 1."""
    generator = np.random.default_rng(seed)
    for _ in range(items):
        ids = generator.integers(1, 50, (1, 6))
        ids[:, generator.integers(2, 7) :] = 0
        yield {"pixel_values": generator.random((1, 1, 16, 16), np.float32), "input_ids": ids}


@cache
def exported_tower() -> onnx.ModelProto:
    """The tower as ONNX, exported once for all test modules."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "tower.onnx"
        export(make_tower(), COMPONENT, list(feeds(2)), path)
        return onnx.load(path)


def random(*shape: int, seed: int = 0) -> Array:
    """Normal float32 numbers."""
    return np.random.default_rng(seed).normal(size=shape).astype(np.float32)


def model(nodes: Iterable[onnx.NodeProto], constants: Mapping[str, Array], x: tuple[int, ...], y: tuple[int, ...]) -> onnx.ModelProto:
    """A graph from the float32 input `x` to the float32 output `y`; the batch is their first axis."""
    value = helper.make_tensor_value_info
    graph = helper.make_graph(
        list(nodes),
        "test",
        [value("x", onnx.TensorProto.FLOAT, ["batch", *x[1:]])],
        [value("y", onnx.TensorProto.FLOAT, ["batch", *y[1:]])],
        [numpy_helper.from_array(np.asarray(array), name) for name, array in constants.items()],
    )
    opsets = [helper.make_opsetid("", 20), helper.make_opsetid("com.microsoft", 1)]
    return helper.make_model(graph, opset_imports=opsets, ir_version=10)


def chain(*weights: Array) -> onnx.ModelProto:
    """x -> MatMul -> MatMul ... -> y, with the weights w0, w1..."""
    names = ["x", *(f"h{i}" for i in range(1, len(weights))), "y"]
    nodes = [helper.make_node("MatMul", [names[i], f"w{i}"], [names[i + 1]], name=f"layer{i}") for i in range(len(weights))]
    constants = {f"w{i}": weight for i, weight in enumerate(weights)}
    return model(nodes, constants, (1, weights[0].shape[0]), (1, weights[-1].shape[1]))


def gemm(weight: Array, bias: Array, transposed: int) -> onnx.ModelProto:
    """y = x weight + bias, with the weight `w` stored transposed or not."""
    node = helper.make_node("Gemm", ["x", "w", "b"], ["y"], name="layer", transB=transposed)
    return model([node], {"w": weight.T if transposed else weight, "b": bias}, (1, weight.shape[0]), (1, weight.shape[1]))


def arrays(graph: onnx.ModelProto) -> dict[str, Array]:
    """The initializers."""
    return {tensor.name: numpy_helper.to_array(tensor) for tensor in graph.graph.initializer}


def run(graph: onnx.ModelProto, feed: Mapping[str, Array], as_it_says: bool = False) -> Array:
    """The first output, by ONNX Runtime. as_it_says: operator by operator, not by integer kernels, which saturate on some processors."""
    options = onnxruntime.SessionOptions()
    if as_it_says:
        options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
    session = onnxruntime.InferenceSession(graph.SerializeToString(), options, providers=["CPUExecutionProvider"])
    return session.run(None, dict(feed))[0]


def context(scratch: Path, *components: str) -> Context:
    """What a method gets; the calibration items are the tower's."""
    return Context(components=dict.fromkeys(components, COMPONENT), seed=0, scratch=scratch, feeds=lambda component: feeds(128, 1))


def apply(method: str, parts: Mapping[str, Any], scratch: Path, **parameters: Any) -> dict[str, Any]:
    """The method applied to the parts."""
    return importlib.import_module(f"methods.{method}.apply").apply(parts, parameters, context(scratch, *parts))


def cosine(first: Array, second: Array) -> float:
    """Of the angle between two arrays."""
    return float(np.vdot(first, second) / np.linalg.norm(first) / np.linalg.norm(second))
