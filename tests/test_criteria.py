"""Each criterion of importance against brute force on small layers, and what all of them refuse."""

import copy
import importlib
import itertools
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

from methods.correlation_pruning.apply import fold, units
from suite.contracts import Component, Context, NotApplicable, Tensor
from suite.surgery.activations import Calls, Covariance
from suite.surgery.gradients import sensitivity
from suite.surgery.importance import Criterion, Layer
from suite.surgery.pruning import lowest, prune

DATA_FREE, CALIBRATED = ("random_pruning",), ("gradient_pruning", "entropy_pruning", "correlation_pruning", "wanda")
FLAT = Component("text", "text", (Tensor("x", "float32", ("batch", 6)),), (Tensor("y", "float32", ("batch", 3)),))
PLANE = Component("text", "text", (Tensor("x", "float32", ("batch", 4, 5, 5)),), (Tensor("y", "float32", ("batch", 4, 3, 3)),))


def data(component: Component, calls: int = 20) -> list[np.ndarray]:
    """Features of different size, mean and kinship."""
    rng, shape = np.random.default_rng(0), [1, *component.inputs[0].shape[1:]]
    found = [rng.normal(size=shape) for _ in range(calls)]
    for x in found:
        x *= np.linspace(0.1, 3, shape[1]).reshape(1, -1, *(1 for _ in shape[2:]))
        x += np.arange(shape[1]).reshape(1, -1, *(1 for _ in shape[2:])) % 3
        x[:, 1] = 0.5 * x[:, 0] + 0.01 * x[:, 1]
    return [x.astype(np.float32) for x in found]


def apply(method: str, module: nn.Module, feeds: list[np.ndarray], component: Component = FLAT, **parameters: Any) -> nn.Module:
    given = Context(components={"text": component}, seed=0, scratch=Path(), feeds=lambda name: ({"x": x} for x in feeds))
    parameters = {"granularity": "elements", "sparsity": 0.5} | parameters
    found: nn.Module = importlib.import_module(f"methods.{method}.apply").apply({"text": module}, parameters, given)["text"]
    return found


def linear() -> nn.Module:
    torch.manual_seed(0)
    return nn.Sequential(nn.Linear(6, 8), nn.Tanh(), nn.Linear(8, 3)).eval()


def zeroed(weight: torch.Tensor, scores: np.ndarray, count: int) -> np.ndarray:
    """The weight without the elements of the `count` lowest scores."""
    flat = weight.detach().numpy().copy().ravel()
    flat[np.argsort(scores.ravel())[:count]] = 0
    return flat.reshape(tuple(weight.shape))


@pytest.mark.parametrize("groups", [1, 2])
def test_wanda_is_magnitude_times_norm_in_each_row(groups: int) -> None:
    torch.manual_seed(0)
    module, feeds = nn.Sequential(nn.Conv2d(4, 4, 3, groups=groups)), data(PLANE)
    found, weight = apply("wanda", module, feeds, PLANE)[0].weight.detach().numpy(), module[0].weight.detach().numpy()
    norm = np.sqrt((np.concatenate(feeds).astype(np.float64) ** 2).sum((0, 2, 3)))
    for row, filters in enumerate(weight):
        first = row // (4 // groups) * (4 // groups)
        scores = np.stack([np.abs(kernel) * norm[first + place] for place, kernel in enumerate(filters)])
        np.testing.assert_array_equal(found[row], zeroed(torch.from_numpy(filters), scores, filters.size // 2))


def test_a_row_that_cannot_be_halved_leaves_its_rest_to_the_lowest() -> None:
    scores = torch.tensor([[3.0, 1.0, 2.0], [30.0, 10.0, 20.0], [0.3, 0.1, 0.2], [9.0, 9.0, 9.0]])
    assert lowest(scores, 0.5, per_row=True).int().tolist() == [[0, 1, 1], [0, 1, 0], [0, 1, 1], [1, 0, 0]]
    assert lowest(scores, 0.5).int().tolist() == [[1, 1, 1], [0, 0, 0], [1, 1, 1], [0, 0, 0]]


def test_entropy_and_correlation_weigh_the_inputs_of_each_element() -> None:
    module, feeds = linear(), data(FLAT)
    every, weight = np.concatenate(feeds).astype(np.float64), module[0].weight.detach().abs().double().numpy()
    shares = [np.histogram(column, 100, (every.min(), every.max()))[0] / len(every) for column in every.T]
    bits = np.array([-sum(p * np.log2(p) for p in share if p) for share in shares])
    found = apply("entropy_pruning", module, feeds)[0].weight.detach().numpy()
    np.testing.assert_array_equal(found, zeroed(module[0].weight, weight * bits, 24))
    r = np.abs(np.corrcoef(every.T) - np.eye(6)).max(1)
    alone = np.linalg.norm(every, axis=0) * np.sqrt(1 - r**2)
    found = apply("correlation_pruning", module, feeds)[0].weight.detach().numpy()
    np.testing.assert_array_equal(found, zeroed(module[0].weight, weight * alone, 24))


def test_gradient_keeps_what_the_outputs_depend_on() -> None:
    """What reads an input that is always 0, or writes a hidden unit that nothing reads, goes first."""
    module, feeds = linear(), data(FLAT)
    with torch.no_grad():
        module[2].weight[:, :2] = 0
    for x in feeds:
        x[:, :2] = 0
    found = apply("gradient_pruning", module, feeds)[0].weight
    assert found.count_nonzero() == found[2:, 2:].count_nonzero() == 24
    slim = apply("gradient_pruning", module, feeds, granularity="units", sparsity=0.25)
    x = torch.from_numpy(np.concatenate(feeds))
    torch.testing.assert_close(slim(x), module(x), rtol=1e-5, atol=1e-6)
    assert slim[0].out_features == 6


def turns(correlation: np.ndarray, weight: np.ndarray) -> list[int]:
    """Brute force: all pairs, again and again."""
    left, gone = list(range(len(weight))), []
    while len(left) > 1:
        pair = max(itertools.combinations(left, 2), key=lambda pair: correlation[pair])
        gone.append(min(pair, key=lambda unit: weight[unit]))
        left.remove(gone[-1])
    return gone + left


def test_taylor_terms_are_those_of_the_whole_jacobian() -> None:
    """What random directions in the outputs estimate, worked out for every output: of each weight, and of all that read a feature."""
    network, rows = linear(), [torch.from_numpy(x) for x in data(FLAT, 200)]
    given = Context(components={"text": FLAT}, seed=0, scratch=Path(), feeds=lambda name: ({"x": x.numpy()} for x in rows))
    found = sensitivity(network, Calls(given, "text"), {"0": network[0]}, 0)["0"]
    weight = network[0].weight.detach()
    scale = (network(torch.cat(rows)).square().mean() * 3).sqrt()
    slopes = [
        torch.autograd.functional.jacobian(lambda w, x=x: torch.func.functional_call(network, {"0.weight": w}, x)[0] / scale, weight)
        for x in rows
    ]
    terms = torch.stack(slopes).detach() * weight
    elements, read = terms.square().sum(1).mean(0), terms.sum(2).square().sum(1).mean(0)
    assert torch.allclose(found.elements.float(), elements, rtol=0.35, atol=0.02 * float(elements.max()))
    assert torch.allclose(found.units.float(), read, rtol=0.35, atol=0.02 * float(read.max()))
    assert float(found.elements.sum()) == pytest.approx(float(elements.sum()), rel=0.15)


def test_of_the_two_units_that_correlate_most_the_lighter_goes() -> None:
    rng = np.random.default_rng(1)
    activations = torch.from_numpy(rng.normal(size=(50, 12)) @ rng.normal(size=(12, 12))).float()
    statistic, reader = Covariance(12), nn.Linear(12, 5)
    statistic.update(activations, 0)
    found = units(Layer("reader", reader, reader.weight.detach(), statistic))
    weight = activations.numpy().std(0) * np.linalg.norm(reader.weight.detach().numpy(), axis=0)
    assert found.argsort().tolist() == turns(np.abs(np.corrcoef(activations.numpy().T)), weight)


def test_what_goes_is_regressed_on_what_it_correlates_with_most() -> None:
    rng, statistic = np.random.default_rng(2), Covariance(5)
    x = rng.normal(size=(60, 5)) @ rng.normal(size=(5, 5)) + 3
    statistic.update(torch.from_numpy(x).float(), 0)
    gain, offset = fold(statistic, torch.tensor([0, 2, 3, 4]), torch.tensor([False, True, False, False]))
    partner = max((0, 3, 4), key=lambda unit: abs(np.corrcoef(x[:, unit], x[:, 2])[0, 1]))
    slope, constant = np.polyfit(x[:, partner], x[:, 2], 1)
    assert gain[0].tolist() == pytest.approx([slope if unit == partner else 0 for unit in (0, 3, 4)], rel=1e-4)
    assert float(offset[0]) == pytest.approx(constant, rel=1e-4)


@pytest.mark.parametrize("method", ["correlation_pruning", "entropy_pruning"])
def test_units_that_add_nothing_go_without_loss(method: str) -> None:
    """Copies for correlation, constants that are not 0 for entropy."""
    module, feeds = linear(), data(FLAT)
    with torch.no_grad():
        module[0].weight[6:] = module[0].weight[:2] if method == "correlation_pruning" else 0
        module[0].bias[6:] = module[0].bias[:2] if method == "correlation_pruning" else 1
    found, x = apply(method, module, feeds, granularity="units", sparsity=0.25), torch.from_numpy(np.concatenate(feeds))
    torch.testing.assert_close(found(x), module(x), rtol=1e-4, atol=1e-5)
    assert found[0].out_features == 6


class Twins(nn.Module):
    """Two layers with one reader; half of the units of each repeat the other half, larger and shifted."""

    def __init__(self) -> None:
        super().__init__()
        self.left, self.right, self.last = nn.Linear(6, 8), nn.Linear(6, 4), nn.Linear(12, 3)
        with torch.no_grad():
            for layer in (self.left, self.right):
                half = layer.out_features // 2
                layer.weight[half:], layer.bias[half:] = 3 * layer.weight[:half], layer.bias[:half] - 1

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.last(torch.cat([self.left(x), self.right(x)], 1))


def test_units_of_two_layers_with_one_reader_fold_into_their_own() -> None:
    torch.manual_seed(0)
    module, feeds = Twins().eval(), data(FLAT)
    found, x = apply("correlation_pruning", module, feeds, granularity="units"), torch.from_numpy(np.concatenate(feeds))
    assert (found.left.out_features, found.right.out_features, found.last.in_features) == (4, 2, 6)
    torch.testing.assert_close(found(x), module(x), rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("method", [*DATA_FREE, *CALIBRATED])
def test_exactly_the_share_becomes_zero_twice_alike_and_elsewhere_nothing(method: str) -> None:
    module, feeds = linear(), data(FLAT)
    before = copy.deepcopy(module.state_dict())
    first, again = (apply(method, module, [] if method in DATA_FREE else feeds, sparsity=0.7).state_dict() for _ in range(2))
    for name, tensor in first.items():
        assert torch.equal(tensor, again[name])
        assert torch.equal(before[name], module.state_dict()[name])
        assert int((tensor == 0).sum()) == (int(0.7 * tensor.numel() + 1e-9) if name.endswith("weight") else 0)


def test_a_weight_that_two_layers_share_is_pruned_once() -> None:
    module = nn.Sequential(nn.Linear(6, 6), nn.Linear(6, 6))
    module[1].weight = module[0].weight
    found = apply("wanda", module, data(FLAT))
    assert found[0].weight is found[1].weight
    assert int((found[0].weight == 0).sum()) == 18


@pytest.mark.parametrize("method", CALIBRATED)
def test_bad_data_are_refused_in_a_sentence(method: str) -> None:
    with pytest.raises(ValueError, match="is fed nothing on the calibration split"):
        apply(method, linear(), [])
    with pytest.raises(ValueError, match=r"NaN or infinity|scores of the layer '0' are not finite"):
        apply(method, linear(), [np.full((1, 6), np.nan, np.float32)])
    module = linear()
    nn.init.constant_(module[0].weight, torch.inf)
    with pytest.raises(ValueError, match=r"scores of the layer '.' are not finite|NaN or infinity"):
        apply(method, module, data(FLAT))


@pytest.mark.parametrize("sparsity", [0.0, 1.0, -0.5, float("nan")])
@pytest.mark.parametrize("granularity", ["elements", "units"])
def test_a_sparsity_that_is_none_is_refused(granularity: str, sparsity: float) -> None:
    with pytest.raises(ValueError, match="the sparsity must lie between 0 and 1, both excluded, not be"):
        apply("random_pruning", linear(), [], granularity=granularity, sparsity=sparsity)


@pytest.mark.parametrize("method", [*DATA_FREE, *CALIBRATED, "l1_proximal"])
def test_the_bounds_of_a_card_leave_out_all_and_nothing(method: str) -> None:
    (sparsity,) = (found for found in importlib.import_module(f"methods.{method}").CARD.parameters if found.name == "sparsity")
    assert all(sparsity.check(value) for value in (0.0, 1.0, -0.1))
    assert sparsity.check(0.5) is None


def test_what_no_element_can_be_found_in_is_refused() -> None:
    with pytest.raises(NotApplicable, match="text: it has no linear or convolutional layer"):
        apply("random_pruning", nn.Sequential(nn.Tanh()), [])
    with pytest.raises(NotApplicable, match=r"text: it has an nn\.MultiheadAttention"):
        apply("random_pruning", nn.ModuleList([nn.MultiheadAttention(4, 2), nn.Linear(4, 4)]), [])


def test_scores_of_another_shape_are_refused() -> None:
    given = Context(components={"text": FLAT}, seed=0, scratch=Path(), feeds=lambda name: [])
    with pytest.raises(ValueError, match=r"scores of the layer '0' have the shape \(8,\), not \(8, 6\)"):
        prune({"text": linear()}, {"granularity": "elements", "sparsity": 0.5}, given, Criterion(elements=lambda layer: layer.weight[:, 0]))
