"""McNemar's test agrees with scipy, the bootstrap with Newcombe's interval, and a divergence is said of scores alone."""

import numpy as np
import pytest
from scipy import stats
from test_statistics import columns_of

from suite.paired import McNemar, bootstrap_difference, divergence, mcnemar, paired, score_columns
from suite.statistics import paired_difference


@pytest.mark.parametrize(("gained", "lost"), [(0, 1), (5, 1), (12, 3), (7, 7), (40, 61), (0, 30), (900, 1100), (3, 20_000)])
def test_mcnemar_is_the_binomial_test_of_the_items_that_differ(gained, lost):
    found = mcnemar(*columns_of(50, gained, lost, 20))
    assert (found.gained, found.lost) == (gained, lost)
    assert found.exact == pytest.approx(stats.binomtest(gained, gained + lost).pvalue, rel=1e-8, abs=1e-300)
    seen = stats.binom.pmf(gained, gained + lost, 0.5)
    assert found.mid == pytest.approx(found.exact - seen if gained != lost else 1 - seen / 2, rel=1e-8, abs=1e-300)


def test_the_published_example_of_mcnemar():
    """Airway hyper-responsiveness (Bentur et al. 2009), as Fagerland, Lydersen and Laake 2013 test it: 1 against 7."""
    found = mcnemar(*columns_of(1, 1, 7, 12))
    assert (round(found.exact, 3), round(found.mid, 3)) == (0.070, 0.039)


def test_nothing_that_differs_is_no_difference():
    assert mcnemar(*columns_of(30, 0, 0, 9)) == McNemar(0, 0, 1.0, 1.0)


def test_the_exact_test_errs_on_the_safe_side_and_the_middle_one_hardly():
    """Of two that differ by chance alone, 5 % are called different at most; by the mid-p 5 % or thereabouts."""
    rng = np.random.default_rng(1947)
    gained = rng.binomial(30, 0.5, 4000)
    found = [mcnemar(*columns_of(10, count, 30 - count, 10)) for count in gained.tolist()]
    assert np.mean([test.exact <= 0.05 for test in found]) <= 0.055
    assert 0.03 <= np.mean([test.mid <= 0.05 for test in found]) <= 0.06


@pytest.mark.parametrize("table", [(780, 20, 40, 160), (1200, 150, 100, 350), (300, 0, 30, 70)])
def test_the_bootstrap_agrees_with_newcombe(table):
    mine, other = columns_of(*table)
    found, beside = bootstrap_difference(mine, other), paired_difference(mine, other)
    assert found == bootstrap_difference(mine, other), "its seed is fixed"
    assert found.value == pytest.approx(beside.value)
    width = beside.high - beside.low
    assert (found.low, found.high) == pytest.approx((beside.low, beside.high), abs=0.12 * width)


def test_the_bootstrap_of_degrees_is_one_over_items():
    rng = np.random.default_rng(1979)
    old = rng.random(600)
    new = old + rng.normal(0.02, 0.1, 600)
    found, gaps = bootstrap_difference(new, old), new - old
    drawn = gaps[rng.integers(0, 600, (2000, 600))].mean(axis=1)
    assert (found.low, found.high) == pytest.approx(np.quantile(drawn, [0.025, 0.975]), abs=6e-4)


def test_scores_are_what_the_glue_kept_as_floats():
    columns = {
        "top_1": np.ones(4, bool),
        "cider": np.ones(4),
        "probability": np.ones(4, np.float16),
        "digit": np.ones(4, np.int8),
        "slice:voice": np.ones(4),
        "baseline_ns": np.ones((3, 2)),
    }
    assert list(score_columns(columns, ("top_1", "cider"), 4)) == ["probability"]


def test_a_divergence_is_the_mean_change_of_what_both_have():
    old = {"score": np.array([0.1, 0.5, 0.9, np.nan], np.float16), "gone": np.ones(4), "other": np.ones(3)}
    new = {"score": np.array([0.2, 0.5, 0.5, 0.1], np.float16), "other": np.ones(4)}
    assert divergence(new, old) == {"score": pytest.approx(0.5 / 3, abs=1e-3)}
    assert divergence({}, old) == {}


def test_a_metric_of_degrees_has_no_mcnemar():
    columns = {"token_accuracy": np.array([0.5, 1.0]), "log_probability": np.array([-1.0, -2.0])}
    found = paired(columns, columns, "token_accuracy", ("token_accuracy",))
    assert found.mcnemar is None
    assert (found.bootstrap.value, dict(found.divergence)) == (0.0, {"log_probability": 0.0})
