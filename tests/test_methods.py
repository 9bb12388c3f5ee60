"""Each compression method against an independent reference: numpy, brute force, or the uncompressed model."""

import copy
import importlib
import logging
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
import torch
from gated_networks import COMPONENT as TEXT
from gated_networks import decoder
from onnx import helper
from onnx_graphs import apply, arrays, chain, exported_tower, feeds, gemm, make_tower, model, random, run
from torch import nn

from suite.contracts import Context

GRAPH_METHODS = ("baseline_fp32", "dynamic_int8", "static_int8", "int4_rtn", "magnitude_pruning", "svd_low_rank",
                 "int3_rtn", "gptq", "smoothquant", "fp16", "mixed_precision", "svd_llm")  # fmt: skip
METHODS = (*GRAPH_METHODS, "width_pruning")
VARIANTS = [(method, variant) for method in GRAPH_METHODS for variant in importlib.import_module(f"methods.{method}").CARD.variants]


@pytest.fixture(scope="module")
def tower() -> onnx.ModelProto:
    return exported_tower()


# What holds for every method


@pytest.mark.parametrize("method", METHODS)
def test_card_sets_every_parameter_of_every_variant(method: str) -> None:
    card = importlib.import_module(f"methods.{method}").CARD
    known = {parameter.name: parameter for parameter in card.parameters}
    assert card.name == method
    for variant in card.variants:
        assert set(variant.parameters) == set(known)
        assert [known[name].check(value) for name, value in variant.parameters.items()] == [None] * len(known)


@pytest.mark.parametrize(("method", "variant"), VARIANTS, ids=lambda value: getattr(value, "name", value))
def test_graph_method_keeps_to_itself(
    method: str, variant: Any, tower: onnx.ModelProto, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    """It runs in ONNX Runtime, leaves its input as it was, writes into the scratch folder alone, and neither logs nor prints."""
    (elsewhere := tmp_path / "elsewhere").mkdir()
    (scratch := tmp_path / "scratch").mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(elsewhere))
    before, handlers, level = tower.SerializeToString(), list(logging.getLogger().handlers), logging.getLogger().level
    result = apply(method, {"fusion": tower}, scratch, **variant.parameters)["fusion"]
    assert run(result, next(feeds(1))).shape == (1, 10)
    assert tower.SerializeToString() == before
    assert list(elsewhere.iterdir()) == []
    assert (list(logging.getLogger().handlers), logging.getLogger().level, logging.root.manager.disable) == (handlers, level, 0)
    assert capfd.readouterr() == ("", "")


@pytest.mark.parametrize(("method", "variant"), VARIANTS, ids=lambda value: getattr(value, "name", value))
def test_graph_method_is_deterministic(method: str, variant: Any, tower: onnx.ModelProto, tmp_path: Path) -> None:
    first, second = (apply(method, {"fusion": tower}, tmp_path, **variant.parameters)["fusion"] for _ in range(2))
    assert first.SerializeToString() == second.SerializeToString()


@pytest.mark.parametrize("method", ["magnitude_pruning", "svd_low_rank", "svd_llm"])
def test_graph_without_a_weight_is_refused(method: str, tmp_path: Path) -> None:
    empty = model([helper.make_node("Relu", ["x"], ["y"])], {}, (1, 4), (1, 4))
    with pytest.raises(ValueError, match="no constant floating-point weight"):
        apply(method, {"vision": empty}, tmp_path, scope="local", sparsity=0.5, keep=0.5, items=1, dampening=0.01)


def test_baseline_is_the_model_itself(tower: onnx.ModelProto, tmp_path: Path) -> None:
    assert apply("baseline_fp32", {"fusion": tower}, tmp_path)["fusion"] == tower


# Magnitude pruning


def test_local_pruning_zeroes_exactly_the_smallest_of_each_weight(tmp_path: Path) -> None:
    weights = {"w0": random(8, 10), "w1": random(10, 6, seed=1) * 100}
    found = arrays(apply("magnitude_pruning", {"text": chain(*weights.values())}, tmp_path, scope="local", sparsity=0.3)["text"])
    for name, weight in weights.items():
        threshold = np.sort(np.abs(weight), axis=None)[int(0.3 * weight.size)]
        np.testing.assert_array_equal(found[name], np.where(np.abs(weight) < threshold, 0, weight))
        assert np.count_nonzero(found[name] == 0) == int(0.3 * weight.size)


def test_global_pruning_has_one_threshold_over_all_components(tmp_path: Path) -> None:
    vision, text = random(8, 10), random(10, 6, seed=1) * 0.1
    parts = {"vision": chain(vision), "text": chain(text)}
    found = apply("magnitude_pruning", parts, tmp_path, scope="global", sparsity=0.5)
    threshold = np.sort(np.abs(np.concatenate([vision.ravel(), text.ravel()])))[70]
    for name, weight in (("vision", vision), ("text", text)):
        np.testing.assert_array_equal(arrays(found[name])["w0"], np.where(np.abs(weight) < threshold, 0, weight))
    assert sum(np.count_nonzero(arrays(part)["w0"] == 0) for part in found.values()) == 70


def test_pruning_leaves_biases_and_embedding_tables(tower: onnx.ModelProto, tmp_path: Path) -> None:
    before = arrays(tower)
    after = arrays(apply("magnitude_pruning", {"fusion": tower}, tmp_path, scope="local", sparsity=0.5)["fusion"])
    layers = {node.input[1] for node in tower.graph.node if node.op_type in ("MatMul", "Gemm", "Conv")}
    changed = {name for name in before if not np.array_equal(before[name], after[name])}
    assert changed == layers & set(before)
    assert all(np.count_nonzero(after[name]) == after[name].size - after[name].size // 2 for name in changed)


# Singular value decomposition


@pytest.mark.parametrize("shape", [(40, 24), (24, 40), (32, 32)])
@pytest.mark.parametrize("keep", [0.75, 0.5, 0.25])
def test_factors_are_the_best_of_their_rank(shape: tuple[int, int], keep: float, tmp_path: Path) -> None:
    weight, x = random(*shape), random(3, shape[0], seed=1)
    result = apply("svd_low_rank", {"text": chain(weight)}, tmp_path, keep=keep)["text"]
    left, right = arrays(result).values()
    u, values, v = np.linalg.svd(weight.astype(np.float64))
    kept = left.shape[1]
    assert left.size + right.size <= keep * weight.size < (kept + 1) * sum(shape)
    assert np.linalg.norm(weight - left @ right) == pytest.approx(np.sqrt((values[kept:] ** 2).sum()), rel=1e-5)
    np.testing.assert_allclose(run(result, {"x": x}), x @ (u[:, :kept] * values[:kept]) @ v[:kept], rtol=1e-3, atol=1e-4)


@pytest.mark.parametrize("transposed", [0, 1])
def test_gemm_keeps_its_bias_when_factorised(transposed: int, tmp_path: Path) -> None:
    weight, bias, x = random(12, 20), random(20, seed=1), random(3, 12, seed=2)
    result = apply("svd_low_rank", {"text": gemm(weight, bias, transposed)}, tmp_path, keep=0.5)["text"]
    u, values, v = np.linalg.svd(weight)
    assert [node.op_type for node in result.graph.node] == ["MatMul", "Gemm"]
    np.testing.assert_allclose(run(result, {"x": x}), x @ (u[:, :3] * values[:3]) @ v[:3] + bias, rtol=1e-3, atol=1e-4)


def test_shared_weight_is_factorised_once_and_a_tiny_one_is_left(tmp_path: Path) -> None:
    shared, tiny = random(16, 16), random(16, 1, seed=1)
    nodes = [helper.make_node("MatMul", [a, w], [b], name=b) for a, w, b in (("x", "w", "h"), ("h", "w", "g"), ("g", "tiny", "y"))]
    result = apply("svd_low_rank", {"text": model(nodes, {"w": shared, "tiny": tiny}, (1, 16), (1, 1))}, tmp_path, keep=0.5)["text"]
    assert {name: array.shape for name, array in arrays(result).items()} == {"tiny": (16, 1), "w_left": (16, 4), "w_right": (4, 16)}
    assert len(result.graph.node) == 5


# Width pruning


def network() -> nn.ModuleDict:
    """Two feed-forward blocks of different make, one of them nested and with dropout."""
    first = nn.Sequential(nn.LayerNorm(6), nn.Linear(6, 16), nn.GELU(), nn.Linear(16, 6))
    second = nn.Sequential(nn.Linear(6, 9, bias=False), nn.ReLU(), nn.Dropout(0.5), nn.Linear(9, 3), nn.Softmax(-1))
    return nn.ModuleDict({"first": first, "second": nn.Sequential(second)})


class Network(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.blocks = network()

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.blocks["second"](x + self.blocks["first"](x))


def masked(module: nn.Module, keep: float) -> nn.Module:
    """A copy in which the least important hidden units, found one by one, have no outgoing weight."""
    module = copy.deepcopy(module)
    for sequence in (m for m in module.modules() if isinstance(m, nn.Sequential)):
        linear = [layer for layer in sequence if isinstance(layer, nn.Linear)]
        if len(linear) == 2:
            first, second = linear[0].weight.detach().numpy(), linear[1].weight.detach().numpy()
            score = [float(np.sqrt((first[u] ** 2).sum()) * np.sqrt((second[:, u] ** 2).sum())) for u in range(len(first))]
            removed = np.argsort(score)[: len(score) - round(keep * len(score))]
            second[:, removed] = 0
    return module


@pytest.mark.parametrize("keep", [0.75, 0.5])
@pytest.mark.parametrize("make", [Network, make_tower])
@torch.no_grad()
def test_width_pruning_is_masking_the_removed_units(make: Any, keep: float, tmp_path: Path) -> None:
    torch.manual_seed(0)
    module = make().eval()
    x = (torch.randn(4, 6),) if make is Network else tuple(torch.from_numpy(a) for a in next(feeds(1)).values())
    whole = module(*x)
    pruned = apply("width_pruning", {"text": module}, tmp_path, keep=keep)["text"]
    torch.testing.assert_close(pruned(*x), masked(module, keep)(*x), rtol=1e-5, atol=1e-6)
    assert not torch.allclose(pruned(*x), whole, atol=1e-3)
    assert torch.equal(module(*x), whole), "the module that was handed in has changed"


def test_width_pruning_makes_the_layers_smaller(tmp_path: Path) -> None:
    module = apply("width_pruning", {"text": Network()}, tmp_path, keep=0.5)["text"]
    shapes = [tuple(p.shape) for p in module.parameters() if p.ndim == 2]
    assert shapes == [(8, 6), (6, 8), (4, 6), (3, 4)]
    assert (module.blocks["first"][1].out_features, module.blocks["first"][3].in_features) == (8, 8)


@torch.no_grad()
def test_width_pruning_finds_blocks_that_are_no_sequence_and_gated_ones(tmp_path: Path) -> None:
    whole, masked, x = decoder(), decoder(), torch.randn(3, 6, 16)
    given = Context(components={"text": TEXT}, seed=0, scratch=tmp_path, feeds=lambda component: iter(()))
    pruned = importlib.import_module("methods.width_pruning.apply").apply({"text": whole}, {"keep": 0.75}, given)["text"]
    for writers, reader, count in (((masked.mlp.gate_proj, masked.mlp.up_proj), masked.mlp.down_proj, 18), ((masked.fc1,), masked.fc2, 15)):
        norms = [np.linalg.norm(layer.weight.numpy(), axis=1) for layer in writers] + [np.linalg.norm(reader.weight.numpy(), axis=0)]
        reader.weight[:, np.argsort(np.prod(norms, 0))[: reader.in_features - count]] = 0
    torch.testing.assert_close(pruned(x), masked(x), rtol=1e-5, atol=1e-6)
    assert not torch.allclose(pruned(x), whole(x), atol=1e-3)
    assert (tuple(pruned.mlp.up_proj.weight.shape), tuple(pruned.fc2.weight.shape)) == ((18, 16), (16, 15))


def test_width_pruning_says_where_there_is_nothing_to_prune(tmp_path: Path) -> None:
    plain = nn.Sequential(nn.Linear(4, 4), nn.LayerNorm(4), nn.Linear(4, 4))
    with pytest.raises(ValueError, match="no feed-forward block to prune in text, audio"):
        apply("width_pruning", {"text": plain, "audio": plain}, tmp_path, keep=0.5)
    both = apply("width_pruning", {"vision": Network(), "text": plain}, tmp_path, keep=0.5)
    assert [tensor.shape for tensor in both["text"].parameters()] == [tensor.shape for tensor in plain.parameters()]
    assert sum(t.numel() for t in both["vision"].parameters()) < sum(t.numel() for t in Network().parameters())
