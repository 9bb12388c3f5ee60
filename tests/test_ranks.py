"""The rows of rank 1 hold the truly best as often as promised, and would not without the correction."""

import numpy as np
import pytest
from scipy import stats

from suite import ranks
from suite.ranks import Speed, accuracy_ranks, side, speed_ranks
from suite.record import Estimate
from suite.statistics import over_launches

WORLDS = 300


def alike(rng, rows, items, accuracy=0.8, churn=0.05):
    """Rows of the same true accuracy that share most answers, bool (rows, items)."""
    shared = rng.random(items) < accuracy
    redrawn = rng.random((rows, items)) < churn
    return np.where(redrawn, rng.random((rows, items)) < accuracy, shared)


def held(draw, rank):
    """In how many worlds the first row, than which none is better, has rank 1."""
    return np.mean([rank(draw(np.random.default_rng([7, world])))[0] == 1 for world in range(WORLDS)])


@pytest.mark.parametrize("rows", [2, 20])
def test_the_best_is_among_the_first(rows):
    assert held(lambda rng: alike(rng, rows, 600), accuracy_ranks) >= 0.95


def test_without_the_correction_the_best_would_be_lost(monkeypatch):
    monkeypatch.setattr(ranks, "ERROR", 0.05 * 19)
    assert held(lambda rng: alike(rng, 20, 600), accuracy_ranks) < 0.8


def test_the_best_of_degrees_is_among_the_first():
    def draw(rng):
        return rng.beta(4, 1, 400) + rng.normal(0, 0.05, (20, 400))

    assert held(draw, accuracy_ranks) >= 0.94, "a t of 400 items: nominal 0.95, 300 worlds"


def test_a_worse_one_is_told_from_the_best():
    rng = np.random.default_rng(1)
    answers = alike(rng, 12, 2000)
    answers[3] &= rng.random(2000) > 0.05
    found = accuracy_ranks(answers)
    assert found[3] > 1
    assert sum(rank == 1 for rank in found) >= 10


@pytest.mark.parametrize("differing", [0, 1, 8, 9, 40, 777])
def test_what_is_needed_is_the_critical_value_of_the_binomial_test(differing):
    needed = ranks._needed(differing, 0.05 / 20)
    tails = stats.binom.sf(np.arange(differing + 1) - 1, differing, 0.5)
    wanted = next((count for count in range(differing + 1) if tails[count] <= 0.05 / 20), differing + 1)
    assert needed == wanted


def test_blocks_of_rows_change_nothing(monkeypatch):
    answers = alike(np.random.default_rng(4), 30, 300, churn=0.4)
    degrees = answers + np.random.default_rng(5).normal(0, 0.1, answers.shape)
    found = accuracy_ranks(answers), accuracy_ranks(degrees)
    monkeypatch.setattr(ranks, "BLOCK", 7)
    assert (accuracy_ranks(answers), accuracy_ranks(degrees)) == found


def test_a_paired_t_is_that_of_scipy():
    scores = np.random.default_rng(6).random((3, 50))
    gaps, errors = ranks.paired_gaps(scores, slice(1, 3))
    wanted = stats.ttest_rel(scores[0], scores[2]).statistic
    assert gaps[1, 0] / errors[1, 0] == pytest.approx(wanted)


def test_the_lone_and_the_unasked_are_first():
    assert accuracy_ranks([]) == []
    assert accuracy_ranks([np.array([True])]) == accuracy_ranks([np.zeros(0, bool)]) == [1]
    assert accuracy_ranks([np.array([0.5]), np.array([0.9])]) == [1, 1], "one item has no spread"
    assert accuracy_ranks([np.full(9, 0.5), np.full(9, 0.5), np.full(9, 0.75)]) == [2, 2, 1], "they differ on every item alike"


def speeds(rng, rows, launches):
    return [Speed(over_launches(table), launches) for table in rng.normal(0, 0.01, (rows, launches, 1))]


@pytest.mark.parametrize("launches", [3, 7])
def test_the_fastest_is_among_the_first(launches):
    assert held(lambda rng: speeds(rng, 20, launches), lambda timed: speed_ranks(timed, 0.0)) >= 0.95


def test_without_the_correction_the_fastest_would_be_lost(monkeypatch):
    monkeypatch.setattr(ranks, "ERROR", 0.05 * 19)
    assert held(lambda rng: speeds(rng, 20, 7), lambda timed: speed_ranks(timed, 0.0)) < 0.8


def test_speeds_within_the_margin_of_each_other_tie():
    sure = [Speed(over_launches(np.log(np.full((5, 1), ratio))), 5) for ratio in (2.0, 1.985, 1.9)]
    assert speed_ranks(sure, 0.01) == [1, 1, 3]
    assert speed_ranks(sure, 0.0) == [1, 2, 3]
    assert speed_ranks([], 0.01) == []


def test_a_stretched_interval_is_that_of_the_same_launches():
    table = np.random.default_rng(9).normal(0, 0.01, (5, 3))
    plain, stretched = Speed(over_launches(table), 5), Speed(over_launches(table, 1.15), 5, 1.15)
    assert plain.log_error == pytest.approx(stretched.log_error) == pytest.approx(np.std(np.median(table, axis=1), ddof=1) / 5**0.5)


def test_a_side_is_decided_as_often_wrongly_as_promised():
    """Of two that are the same one is called better in a fortieth of all worlds, and worse in a fortieth, or less."""
    found = []
    for world in range(2000):
        rng = np.random.default_rng([11, world])
        one, other = (over_launches(rng.normal(0.3, spread, (launches, 1))) for spread, launches in ((0.01, 7), (0.02, 5)))
        found.append(side(one, other))
        assert side(other, one) == {"better": "worse", "worse": "better", "tie": "tie"}[found[-1]]
    assert 0.005 < found.count("better") / 2000 < 0.033
    assert 0.005 < found.count("worse") / 2000 < 0.033


def test_a_side_is_decided_where_the_truth_is_far_off():
    assert side(Estimate(1.2, 1.15, 1.25), Estimate(1.1, 1.09, 1.11)) == "better"
    assert side(Estimate(1.2, 1.05, 1.35), Estimate(1.1, 1.0, 1.2)) == "tie"


def test_an_interval_that_reaches_nothing_decides_nothing():
    assert side(Estimate(1.0, 0.0, 9.0), Estimate(5.0, 4.9, 5.1)) == "tie"
