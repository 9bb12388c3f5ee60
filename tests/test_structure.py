"""Units and heads that go: what is left answers as a network in which nothing reads them, or says why it cannot be done."""

import copy
from pathlib import Path
from typing import Any

import pytest
import torch
from gated_networks import COMPONENT as TEXT
from gated_networks import decoder
from onnx_graphs import COMPONENT, feeds, make_tower
from torch import nn

from suite.contracts import Component, Context, NotApplicable, Tensor
from suite.models.scene_captioner.network import CausalAttention
from suite.surgery.activations import Covariance, Moments
from suite.surgery.importance import Criterion, Layer
from suite.surgery.pruning import prune
from suite.surgery.structure import heads, units

IMAGE = Component("vision", "vision", (Tensor("x", "float32", ("batch", 2, 8, 8)),), (Tensor("y", "float32", ("batch", 3)),))
UNITS, HEADS = {"granularity": "units", "sparsity": 0.5}, {"granularity": "heads", "sparsity": 0.5}


def context(component: Component = IMAGE, calls: int = 8) -> Context:
    def data(name: str) -> Any:
        generator = torch.Generator().manual_seed(3)
        for _ in range(calls):
            shapes = {t.name: [{"batch": 1, "length": 7}.get(size, size) for size in t.shape] for t in component.inputs}
            yield {name: torch.randn(shape, generator=generator).numpy() for name, shape in shapes.items()}

    return Context(components={component.name: component}, seed=0, scratch=Path(), feeds=data)


def norms(layer: Layer[Any]) -> torch.Tensor:
    """The squared weights: a criterion that a test can follow by hand."""
    return layer.weight.square()


def smaller(module: nn.Module, parameters: dict[str, Any], **criterion: Any) -> nn.Module:
    return prune({"vision": module}, parameters, context(), Criterion(**{"elements": norms} | criterion))["vision"]


class Convolutions(nn.Module):
    """Batch norm, a depthwise convolution, a residual, a flattening that mixes places and channels, two layers with one reader."""

    def __init__(self) -> None:
        super().__init__()
        self.first, self.norm = nn.Conv2d(2, 8, 3, padding=1, bias=False), nn.BatchNorm2d(8)
        self.depthwise, self.point = nn.Conv2d(8, 8, 3, 2, 1, groups=8), nn.Conv2d(8, 6, 1)
        self.residual = nn.Sequential(nn.Conv2d(6, 10, 1), nn.ReLU(), nn.Conv2d(10, 6, 1))
        self.left, self.right, self.last = nn.Linear(96, 12), nn.Linear(96, 4), nn.Linear(16, 3)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = self.point(self.depthwise(self.norm(self.first(x)).relu()).relu())
        x = (x + self.residual(x)).flatten(1)
        return self.last(torch.cat([self.left(x).tanh(), self.right(x).sigmoid()], 1))


def convolutions() -> nn.Module:
    torch.manual_seed(1)
    module = Convolutions()
    nn.init.normal_(module.norm.bias), nn.init.uniform_(module.norm.running_var, 0.5, 2)
    return module.eval()


def lowest(scores: torch.Tensor, count: int) -> list[int]:
    return scores.argsort()[:count].tolist()


def share(*parts: torch.Tensor) -> torch.Tensor:
    return sum(part / part.mean() for part in parts)


@torch.no_grad()
def test_units_that_go_are_those_with_the_lowest_scores_and_leave_no_trace() -> None:
    module, x = convolutions(), torch.randn(5, 2, 8, 8)
    found, masked = smaller(module, UNITS), copy.deepcopy(module)
    square = {name: layer.weight.square() for name, layer in module.named_modules() if isinstance(layer, nn.Conv2d | nn.Linear)}
    inner = square["residual.2"].sum((0, 2, 3))
    masked.residual[2].weight[:, lowest(share(square["residual.0"].sum((1, 2, 3)), inner), 5)] = 0
    masked.point.weight[:, lowest(share(square["first"].sum((1, 2, 3)), square["point"].sum((0, 2, 3))), 4)] = 0
    read = square["last"].sum(0)
    masked.last.weight[:, lowest(share(square["left"].sum(1), read[:12]), 6)] = 0
    masked.last.weight[:, [12 + unit for unit in lowest(share(square["right"].sum(1), read[12:]), 2)]] = 0
    torch.testing.assert_close(found(x), masked(x), rtol=1e-5, atol=1e-6)
    shapes = {name: tuple(layer.weight.shape) for name, layer in found.named_modules() if name in square}
    assert shapes == {
        "first": (4, 2, 3, 3), "depthwise": (4, 1, 3, 3), "point": (6, 4, 1, 1), "residual.0": (5, 6, 1, 1), "residual.2": (6, 5, 1, 1),
        "left": (6, 96), "right": (2, 96), "last": (3, 8),
    }  # fmt: skip
    assert not torch.allclose(found(x), module(x), atol=1e-3)
    assert module.last.in_features == 16, "the module that was handed in has changed"


def test_the_units_of_a_transformer_are_those_of_its_feed_forward_layers_and_its_stem() -> None:
    arguments = tuple(torch.from_numpy(array) for array in next(feeds(1)).values())
    assert [(group.name, group.size, list(group.readers)) for group in units(make_tower(), arguments)] == [
        ("vision.stem.0", 32, ["vision.stem.3"]),
        ("vision.stem.3", 64, ["vision.stem.6"]),
        ("vision.stem.6", 128, ["vision.stem.9"]),
        ("vision.blocks.0.feed.0", 128, ["vision.blocks.0.feed.2"]),
        ("block.feed.0", 128, ["block.feed.2"]),
    ]


@torch.no_grad()
def test_the_gate_of_a_feed_forward_layer_goes_with_what_it_gates_and_grouped_queries_stay() -> None:
    module, x = decoder(), torch.randn(2, 7, 16)
    found = [(group.name, list(group.writers), list(group.readers)) for group in units(decoder(), (x,))]
    assert ("mlp.gate_proj", ["mlp.gate_proj", "mlp.up_proj"], ["mlp.down_proj"]) in found
    assert ("fc1", ["fc1"], ["fc2"]) in found
    assert not {"first", "second", "mlp.up_proj", "mlp.down_proj", "fc2", "head"} & {name for name, _, _ in found}
    given = Context(components={"text": TEXT}, seed=0, scratch=Path(), feeds=context(TEXT).feeds)
    pruned = prune({"text": module}, UNITS, given, Criterion(elements=norms))["text"]
    assert {name: tuple(layer.weight.shape) for name, layer in pruned.named_modules() if isinstance(layer, nn.Linear)} == {
        "attention.q_proj": (16, 16), "attention.o_proj": (16, 16), "attention.k_proj": (8, 16), "attention.v_proj": (8, 16),
        "mlp.gate_proj": (12, 16), "mlp.up_proj": (12, 16), "mlp.down_proj": (16, 12), "fc1": (10, 16), "fc2": (16, 10), "head": (5, 16),
    }  # fmt: skip
    masked = copy.deepcopy(module)
    sides = (masked.mlp.gate_proj.weight, masked.mlp.up_proj.weight, masked.mlp.down_proj.weight.T)
    masked.mlp.down_proj.weight[:, lowest(share(*(side.square().sum(1) for side in sides)), 12)] = 0
    masked.fc2.weight[:, lowest(share(masked.fc1.weight.square().sum(1), masked.fc2.weight.square().sum(0)), 10)] = 0
    torch.testing.assert_close(pruned(x), masked(x), rtol=1e-5, atol=1e-6)
    assert not torch.allclose(pruned(x), module(x), atol=1e-3)


@torch.no_grad()
def test_heads_go_as_wholes_from_queries_keys_values_and_output() -> None:
    module, arguments = make_tower(), tuple(torch.from_numpy(array) for array in next(feeds(1)).values())
    assert [group.name for group in heads(module, arguments)] == ["vision.blocks.0.attention", "block.attention", "block.cross"]
    given = Context(components={"fusion": COMPONENT}, seed=0, scratch=Path(), feeds=lambda name: feeds(4))
    found = prune({"fusion": module}, HEADS, given, Criterion(elements=norms))["fusion"]
    masked = copy.deepcopy(module)
    for attention in (masked.vision.blocks[0].attention, masked.block.attention, masked.block.cross):
        sides = [layer.weight.square().sum(1) for layer in (attention.query, attention.key, attention.value)]
        scores = share(*(side.reshape(2, 16).sum(1) for side in [*sides, attention.output.weight.square().sum(0)]))
        attention.output.weight[:, int(scores.argmin()) * 16 :][:, :16] = 0
    torch.testing.assert_close(found(*arguments), masked(*arguments), rtol=1e-4, atol=1e-5)
    attention = found.block.cross
    assert (attention.heads, attention.scale, tuple(attention.key.weight.shape), tuple(attention.output.weight.shape)) == (
        1, 16**-0.5, (16, 32), (32, 16),
    )  # fmt: skip


class Cached(nn.Module):
    """Attention whose keys and values are outputs."""

    def __init__(self) -> None:
        super().__init__()
        self.attention = CausalAttention(8, 2)

    def forward(self, x: torch.Tensor) -> tuple[torch.Tensor, ...]:
        empty = torch.zeros(len(x), self.attention.heads, 0, 4)
        return self.attention(x.flatten(2).transpose(1, 2) @ torch.ones(2, 8), empty, empty, torch.ones(64, 64, dtype=torch.bool).tril())


class Literal(nn.Module):
    """A reshape with a literal size: without some of its units the forward does not run."""

    def __init__(self) -> None:
        super().__init__()
        self.feed, self.last = nn.Linear(128, 8), nn.Linear(8, 3)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.last(self.feed(x.flatten(1)).reshape(-1, 8).relu())


class Mixed(nn.Module):
    """A softmax over units: each depends on all."""

    def __init__(self) -> None:
        super().__init__()
        self.feed, self.last = nn.Linear(128, 8), nn.Linear(8, 3)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.last(self.feed(x.flatten(1)).softmax(-1))


@pytest.mark.parametrize(
    ("module", "parameters", "reason"),
    [
        (Cached(), HEADS, r"vision: without some of them an output of 'attention' has the shape \(2, 1, 64, 4\), not \(2, 2, 64, 4\)"),
        (Literal(), UNITS, "vision: without some of them 'feed' does not run \\(RuntimeError"),
        (Mixed(), UNITS, "vision: without some of them 'feed' does not answer as if nothing read them"),
        (nn.Sequential(nn.Flatten(), nn.Linear(128, 3)), UNITS, "vision: no units to prune"),
        (nn.Sequential(nn.Flatten(), nn.Linear(128, 1), nn.Linear(1, 3)), UNITS, "vision: no group of units is large enough"),
        (nn.Sequential(nn.Flatten(), nn.Linear(128, 3)), HEADS, "vision: no heads to prune"),
        (nn.Sequential(nn.Linear(5, 3)), UNITS, r"vision: it does not run on random inputs of its shapes \(RuntimeError: mat1 and mat2"),
    ],
)
def test_what_cannot_be_done_is_said(module: nn.Module, parameters: dict[str, Any], reason: str) -> None:
    with pytest.raises(NotApplicable, match=f"^{reason}"):
        smaller(module.eval(), parameters)


def test_a_component_without_units_stays_when_another_has_some() -> None:
    plain = nn.Sequential(nn.Flatten(), nn.Linear(128, 3))
    given = Context(components={"a": IMAGE, "b": IMAGE}, seed=0, scratch=Path(), feeds=context().feeds)
    found = prune({"a": plain, "b": convolutions()}, UNITS, given, Criterion(elements=norms))
    assert [parameter.shape for parameter in found["a"].parameters()] == [parameter.shape for parameter in plain.parameters()]
    assert found["b"].last.in_features == 8


@torch.no_grad()
def test_what_goes_can_be_folded_into_what_stays() -> None:
    """With every unit twice, one of each pair says all: nothing is lost."""
    torch.manual_seed(0)
    module = nn.Sequential(nn.Flatten(), nn.Linear(128, 4), nn.Linear(4, 3, bias=False)).eval()
    for tensor in (module[1].weight, module[1].bias):
        tensor[2:] = tensor[:2] * 2

    def fold(inputs: Covariance, features: torch.Tensor, gone: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        assert features.tolist() == [0, 1, 2, 3]
        assert gone.tolist() == [True, True, False, False]
        return torch.eye(2) / 2, torch.tensor([1.0, 0.0])

    found = smaller(module, UNITS, units=lambda layer: torch.arange(4.0), watch=Moments, fold=fold)
    x = torch.randn(6, 2, 8, 8)
    torch.testing.assert_close(found(x), module(x) + module[2].weight[:, 0], rtol=1e-5, atol=1e-5)
