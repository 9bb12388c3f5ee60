"""What is measured of a network on calibration data, against numpy on all of it at once, scipy, and Jacobians."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from scipy.stats import entropy
from torch import nn

from suite.contracts import Component, Context, NotApplicable, Tensor
from suite.surgery import gradients
from suite.surgery.activations import Calls, Covariance, Histogram, Moments, watch
from suite.surgery.calls import example
from suite.surgery.gradients import sensitivity
from suite.surgery.importance import Criterion, layers, observe


def calls(feeds: list[np.ndarray]) -> Calls:
    """Calls of a component `text` with the one input `x`."""
    component = Component("text", "text", (Tensor("x", "float32", ("batch", *(feeds[0].shape[1:] if feeds else (4,)))),), ())
    return Calls(
        Context(components={"text": component}, seed=0, scratch=Path(), feeds=lambda name: ({"x": feed} for feed in feeds)), "text"
    )


def random(*shape: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).normal(size=shape).astype(np.float32)


@pytest.fixture
def feeds() -> list[np.ndarray]:
    return [random(1, 5, 4, seed=seed) * np.float32([1, 5, 0.1, 0]) + np.float32([0, 3, 0, 2]) for seed in range(7)]


def seen(module: nn.Module, feeds: list[np.ndarray], kind: Any) -> Any:
    (statistic,) = watch(module, calls(feeds), layers(module), kind).values()
    return statistic


def test_moments_are_numpys_over_all_positions(feeds: list[np.ndarray]) -> None:
    found, every = seen(nn.Sequential(nn.Linear(4, 2)), feeds, Moments), np.concatenate(feeds).reshape(-1, 4).astype(np.float64)
    np.testing.assert_allclose(found.norm, np.linalg.norm(every, axis=0), rtol=1e-6)
    np.testing.assert_allclose(found.mean, every.mean(0), rtol=1e-6)
    np.testing.assert_allclose(found.deviation, every.std(0), atol=1e-6)


def test_correlation_is_numpys_and_0_for_what_is_constant(feeds: list[np.ndarray]) -> None:
    feeds = [np.concatenate([feed, feed[..., :1] * -2 + feed[..., 1:2] * 0.1], 2) for feed in feeds]
    found, every = seen(nn.Sequential(nn.Linear(5, 2)), feeds, Covariance), np.concatenate(feeds).reshape(-1, 5).astype(np.float64)
    np.testing.assert_allclose(found.covariance, np.cov(every.T, bias=True), atol=1e-5)
    varying = [0, 1, 2, 4]
    np.testing.assert_allclose(found.correlation[varying][:, varying], np.corrcoef(every[:, varying].T), atol=1e-5)
    assert not found.correlation[3].any()


def test_entropy_is_scipys_of_the_means_of_calls_in_bins_that_all_features_share(feeds: list[np.ndarray]) -> None:
    found, every = seen(nn.Sequential(nn.Linear(4, 2)), feeds, Histogram), np.concatenate(feeds).astype(np.float64)
    means = every.mean(1)
    counts = [np.histogram(column, Histogram.BINS, (means.min(), means.max()))[0] for column in means.T]
    np.testing.assert_allclose(found.entropy, [entropy(count, base=2) for count in counts], rtol=1e-9)
    np.testing.assert_allclose(found.mean, every.mean((0, 1)), rtol=1e-6)
    assert found.entropy[3] == 0
    assert found.entropy.argmax() == 1


def test_a_constant_layer_has_no_entropy() -> None:
    assert not seen(nn.Sequential(nn.Linear(4, 2)), [np.ones((1, 4), np.float32)] * 3, Histogram).entropy.any()


def test_every_place_of_a_plane_is_a_position_of_a_convolution() -> None:
    feeds = [random(1, 3, 6, 5, seed=seed) for seed in range(4)]
    found = seen(nn.Sequential(nn.Conv2d(3, 2, 3, padding=1)), feeds, Moments)
    np.testing.assert_allclose(found.norm, np.sqrt((np.concatenate(feeds).astype(np.float64) ** 2).sum((0, 2, 3))), rtol=1e-6)
    assert found.count == 4 * 30


class Small(nn.Module):
    """A convolution, a grouped one and a linear layer, two outputs of very different size and one of integers."""

    def __init__(self) -> None:
        super().__init__()
        self.first, self.second, self.last = nn.Conv2d(2, 4, 3), nn.Conv2d(4, 4, 1, groups=2), nn.Linear(4, 3)

    def forward(self, x: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
        hidden = self.second(self.first(x).relu()).tanh().mean((2, 3))
        answer = self.last(hidden)
        return answer, 1000 * hidden, answer.argmax(-1)


def test_sensitivity_is_the_sum_of_squared_jacobians(monkeypatch: pytest.MonkeyPatch) -> None:
    """In expectation over directions: with 1,600 of them to some 5 %."""
    monkeypatch.setattr(gradients, "DRAWS", 400)
    torch.manual_seed(0)
    module, feeds = Small().eval(), [random(1, 2, 5, 5, seed=seed) for seed in range(4)]
    found = sensitivity(module, calls(feeds), layers(module), 0)
    names = [f"{name}.weight" for name in layers(module)]
    parameters = {name: parameter.detach() for name, parameter in module.named_parameters()}
    answers = [module(torch.from_numpy(feed)) for feed in feeds]
    scales = [torch.stack([answer[i] for answer in answers]).square().mean().sqrt().detach() for i in range(2)]
    wanted, gates = dict.fromkeys(names, 0.0), 0.0
    for feed in feeds:
        jacobians = torch.func.jacrev(
            lambda p, feed=feed: torch.cat(
                [
                    a / s / a.numel() ** 0.5
                    for a, s in zip(torch.func.functional_call(module, p, torch.from_numpy(feed))[:2], scales, strict=True)
                ],
                1,
            )[0]
        )(parameters)
        for name in names:
            terms = jacobians[name] * parameters[name]
            wanted[name] = wanted[name] + terms.square().sum(0) / len(feeds)
            gates = (
                gates + terms.flatten(3).sum(3)[:, :, :].reshape(7, 2, 2, 2).sum(2).flatten(1).square().sum(0) / 4
                if "second" in name
                else gates
            )
    for name in layers(module):
        torch.testing.assert_close(found[name].elements.float(), wanted[f"{name}.weight"], rtol=0.15, atol=1e-4)
    torch.testing.assert_close(found["second"].units.float(), gates, rtol=0.15, atol=1e-4)


def test_sensitivity_is_the_same_twice_and_another_with_another_seed() -> None:
    module, feeds = Small().eval(), [random(1, 2, 5, 5)]
    first, again, other = (sensitivity(module, calls(feeds), layers(module), seed)["last"].elements for seed in (0, 0, 1))
    assert torch.equal(first, again)
    assert not torch.equal(first, other)


def test_no_calibration_and_numbers_that_are_none_are_refused_in_a_sentence() -> None:
    module, criterion = nn.Sequential(nn.Linear(4, 2)), Criterion(elements=lambda layer: layer.weight, watch=Moments)
    with pytest.raises(ValueError, match="'text' is fed nothing on the calibration split"):
        observe(module, "text", calls([]).context, criterion)
    with pytest.raises(ValueError, match="the layer '0' of the component 'text' is fed NaN or infinity"):
        observe(module, "text", calls([np.float32([[1, 2, np.nan, 3]])]).context, criterion)


def test_a_network_that_cuts_its_gradients_is_refused() -> None:
    class Cut(nn.Sequential):
        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return super().forward(x).detach()

    module = Cut(nn.Linear(4, 2))
    with pytest.raises(NotApplicable, match="no gradient of its outputs reaches its weights"):
        sensitivity(module, calls([random(1, 4)]), layers(module), 0)


def test_a_layer_that_never_runs_is_left_out_and_one_without_need_sees_no_data() -> None:
    module = nn.ModuleDict({"used": nn.Linear(4, 2), "idle": nn.Linear(4, 2)})
    module.forward = lambda x: module["used"](x)  # type: ignore[method-assign]
    assert set(observe(module, "text", calls([random(1, 4)]).context, Criterion(elements=lambda layer: layer.weight, watch=Moments))) == {
        "used"
    }
    assert set(observe(module, "text", calls([]).context, Criterion(elements=lambda layer: layer.weight))) == {"used", "idle"}


def test_example_inputs_need_no_data_and_give_every_length_its_own() -> None:
    inputs = (Tensor("past", "float32", ("batch", 3, "past", 8)), Tensor("ids", "int64", ("batch", "tokens")))
    past, ids = example(Component("decoder", "decoder", inputs, ()), 0)
    assert (past.shape, ids.shape) == ((2, 3, 3, 8), (2, 4))
    assert past.dtype == torch.float32
    assert ids.dtype == torch.int64
    assert not ids.any()
