"""Weights that are put into an exported graph: exactly what a fresh export would hold, or nothing at all."""

import copy

import numpy as np
import onnx
import pytest
import torch
from onnx import numpy_helper
from torch import nn

from suite.contracts import Component, Tensor
from suite.export import export
from suite.transplant import alike, transplant

COMPONENT = Component(
    "vision", "vision", (Tensor("pixels", "float32", ("batch", 3, 8, 8)),), (Tensor("scores", "float32", ("batch", 5)),)
)  # fmt: skip


class Network(nn.Module):
    """A layer of every kind that a weight is stored for in another way."""

    def __init__(self) -> None:
        super().__init__()
        self.stem = nn.Sequential(nn.Conv2d(3, 6, 3, bias=False), nn.BatchNorm2d(6), nn.ReLU(), nn.Conv2d(6, 8, 3), nn.BatchNorm2d(8))
        self.position = nn.Parameter(torch.randn(1, 16, 8))
        self.norm, self.feed = nn.LayerNorm(8), nn.Sequential(nn.Linear(8, 12), nn.GELU(), nn.Linear(12, 8, bias=False))
        self.head = nn.Linear(8, 5)
        self.scale = 1.0

    def forward(self, pixels: torch.Tensor) -> torch.Tensor:
        x = self.stem(pixels).flatten(2).transpose(1, 2) + self.position
        return self.head((x + self.feed(self.norm(x)) * self.scale).mean(1))


def network(seed: int) -> Network:
    torch.manual_seed(seed)
    found = Network().eval()
    with torch.no_grad():
        for norm in (found.stem[1], found.stem[4]):
            norm.running_mean.normal_()
            norm.running_var.uniform_(0.5, 2)
            norm.weight.normal_()
            norm.bias.normal_()
    return found


@pytest.fixture(scope="module")
def calls() -> list[dict[str, np.ndarray]]:
    rng = np.random.default_rng(0)
    return [{"pixels": rng.normal(size=(1, 3, 8, 8)).astype(np.float32)} for _ in range(3)]


@pytest.fixture(scope="module")
def exported(calls, tmp_path_factory):
    """Exports a network; the uncompressed one is that of seed 0."""

    def export_it(module: nn.Module) -> onnx.ModelProto:
        path = tmp_path_factory.mktemp("export") / "vision.onnx"
        export(module, COMPONENT, calls, path)
        return onnx.load(path)

    return export_it


@pytest.fixture(scope="module")
def baseline(exported) -> onnx.ModelProto:
    return exported(network(0))


def constants(model: onnx.ModelProto) -> dict[str, bytes]:
    return {tensor.name: numpy_helper.to_array(tensor).tobytes() for tensor in model.graph.initializer}


def test_a_transplanted_graph_is_bit_for_bit_a_fresh_export(exported, baseline):
    other = network(1)
    grown, fresh = transplant(other, network(0), baseline), exported(other)
    assert grown is not None
    assert constants(grown) == constants(fresh)
    assert constants(grown) != constants(baseline)
    assert [node.op_type for node in grown.graph.node] == [node.op_type for node in fresh.graph.node]


def test_zeros_stay_zeros_where_a_norm_is_folded_in(baseline):
    pruned = network(0)
    with torch.no_grad():
        pruned.stem[0].weight[:, 1] = 0
    grown = transplant(pruned, network(0), baseline)
    assert grown is not None
    stored = {tensor.name: numpy_helper.to_array(tensor) for tensor in grown.graph.initializer}
    assert np.count_nonzero(stored["stem.0.weight"][:, 1]) == 0
    assert constants(transplant(network(0), network(0), baseline)) == constants(baseline)


def other_setting(module: Network) -> None:
    module.scale = 2.0


def hooked(module: Network) -> None:
    module.head.register_forward_hook(lambda layer, given, answer: answer * 2)


def narrower(module: Network) -> None:
    module.feed = nn.Sequential(nn.Linear(8, 6), nn.GELU(), nn.Linear(6, 8, bias=False))


def another_layer(module: Network) -> None:
    module.feed[1] = nn.ReLU()


def another_forward(module: Network) -> None:
    module.forward = lambda pixels: module.head(pixels.mean((2, 3)))


def own_attribute(module: Network) -> None:
    module.head.keep = torch.ones(5)


@pytest.mark.parametrize("change", [other_setting, hooked, narrower, another_layer, another_forward, own_attribute])
def test_whatever_is_more_than_weights_is_exported_anew(change, baseline):
    module = copy.deepcopy(network(0))
    assert alike(module, network(0))
    change(module)
    assert not alike(module, network(0))
    assert transplant(module, network(0), baseline) is None


def test_a_weight_that_is_not_found_or_found_twice_is_exported_anew(baseline):
    module = network(1)
    lost = onnx.ModelProto()
    lost.CopyFrom(baseline)
    place = next(tensor for tensor in lost.graph.initializer if list(tensor.dims) == [8, 12])
    lost.graph.initializer.remove(place)
    assert transplant(module, network(0), lost) is None
    twice = onnx.ModelProto()
    twice.CopyFrom(baseline)
    again = twice.graph.initializer.add()
    again.CopyFrom(place)
    again.name = "again"
    assert transplant(module, network(0), twice) is None
