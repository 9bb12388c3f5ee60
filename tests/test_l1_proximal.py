"""The proximal step of an L1 penalty against a numerical minimiser."""

from pathlib import Path

import numpy as np
import pytest
from onnx_graphs import apply, arrays, chain, random
from scipy.optimize import minimize

from methods.l1_proximal.apply import penalty_for, proximal


def test_the_proximal_step_is_the_minimum() -> None:
    weight = np.random.default_rng(0).normal(size=6)
    for penalty in (0.0, 0.3, 1.0, 2.5):
        found = proximal(weight, penalty)
        objective = [minimize(lambda v, w=w, p=penalty: (v[0] - w) ** 2 + p * abs(v[0]), w, method="Nelder-Mead").x[0] for w in weight]
        np.testing.assert_allclose(found, objective, atol=1e-3)


@pytest.mark.parametrize("sparsity", [0.1, 0.5, 0.7])
def test_the_penalty_zeroes_exactly_the_share_and_shrinks_the_rest(sparsity: float) -> None:
    weight = np.random.default_rng(1).normal(size=(7, 9)).astype(np.float32)
    penalty = penalty_for(weight, sparsity)
    found, kept = proximal(weight, penalty), np.sort(np.abs(weight), None)[int(sparsity * 63) :]
    assert np.count_nonzero(found == 0) == int(sparsity * 63)
    np.testing.assert_allclose(np.sort(np.abs(found[found != 0])), kept - penalty / 2, rtol=1e-5)
    assert np.count_nonzero(proximal(weight, penalty * 0.999) == 0) < int(sparsity * 63)


def test_a_penalty_or_weights_that_are_none_are_refused() -> None:
    for penalty in (-1.0, float("nan")):
        with pytest.raises(ValueError, match="the L1 penalty must be 0 or more, not"):
            proximal(np.ones(3), penalty)
    for sparsity in (0.0, 1.0):
        with pytest.raises(ValueError, match="the sparsity must lie between 0 and 1, both excluded"):
            penalty_for(np.ones(3), sparsity)
    with pytest.raises(ValueError, match="a weight holds NaN or infinity"):
        penalty_for(np.array([1.0, np.nan]), 0.5)


def test_each_weight_of_a_graph_has_a_penalty_of_its_own(tmp_path: Path) -> None:
    weights = {"w0": random(8, 10), "w1": random(10, 6, seed=1) * 100}
    found = arrays(apply("l1_proximal", {"text": chain(*weights.values())}, tmp_path, sparsity=0.5)["text"])
    for name, weight in weights.items():
        step = np.sort(np.abs(weight), None)[weight.size // 2 - 1]
        np.testing.assert_allclose(found[name], np.sign(weight) * np.clip(np.abs(weight) - step, 0, None), rtol=1e-5)
