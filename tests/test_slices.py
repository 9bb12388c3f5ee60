"""Groups of the test: how they are stored, and that each is compared with the baseline as a slice of so many groups has to be."""

import math
from statistics import NormalDist

import numpy as np
import pytest
from boards import GOLDEN
from msgspec.structs import replace
from scipy import stats

from suite.record import Accuracy
from suite.slices import encode, groups, worst
from suite.statistics import share, wilson


def record(of, hits):
    """A record whose slices are those of the items: slice name -> group of each item."""
    by_group = {name: {str(group): share(hits[np.asarray(names) == group]) for group in np.unique(names)} for name, names in of.items()}
    return replace(GOLDEN, accuracy=Accuracy(len(hits), "recall_at_1", {"recall_at_1": share(hits)}, by_group, 1.0))


def found(of, hits, baseline):
    return groups(record(of, hits), encode(of), hits, baseline)


def newcombe(hits, baseline, confidence):
    """Method 10 of Newcombe (1998), from scipy's Wilson intervals and counts made one by one."""
    table = {(new, old): sum(1 for a, b in zip(hits, baseline, strict=True) if (a, b) == (new, old)) for new in (0, 1) for old in (0, 1)}
    e, f, g, h = table[1, 1], table[1, 0], table[0, 1], table[0, 0]
    n = e + f + g + h
    ci = [stats.binomtest(k, n).proportion_ci(confidence, "wilson") for k in (e + f, e + g)]
    p, q = (e + f) / n, (e + g) / n
    top = e * h - f * g
    top = max(top - n / 2, 0) if top > 0 else top
    bottom = math.sqrt((e + f) * (g + h) * (e + g) * (f + h))
    phi = top / bottom if bottom else 0.0
    below, above, other_above, other_below = p - ci[0].low, ci[0].high - p, ci[1].high - q, q - ci[1].low
    return (
        p - q - math.sqrt(below**2 - 2 * phi * below * other_above + other_above**2),
        p - q + math.sqrt(above**2 - 2 * phi * above * other_below + other_below**2),
    )


def test_groups_are_stored_as_their_places_in_the_alphabet():
    columns = encode({"script": np.array(["Latin", "Greek", "Latin", "Cyrillic"]), "one": np.array(["x"] * 4)})
    assert {name: column.tolist() for name, column in columns.items()} == {"slice:script": [2, 1, 2, 0], "slice:one": [0] * 4}
    assert {column.dtype for column in columns.values()} == {np.dtype(np.int16)}


def test_by_hand():
    of = {"kind": np.array(["b", "a", "b", "a", "b", "b"])}
    hits, baseline = np.array([0, 1, 0, 1, 1, 0], bool), np.array([1, 1, 1, 0, 1, 0], bool)
    a, b = found(of, hits, baseline)
    assert (a.slice, a.name, a.items, a.artifact.value, a.baseline.value, a.difference.value) == ("kind", "a", 2, 1.0, 0.5, 0.5)
    assert (b.name, b.items, b.artifact.value, b.baseline.value, b.difference.value) == ("b", 4, 0.25, 0.75, -0.5)
    assert b.baseline == wilson(np.array([1, 1, 1, 0], bool))


@pytest.mark.parametrize("number", [1, 2, 7])
def test_intervals_are_those_of_an_independent_computation(number):
    rng = np.random.default_rng(number)
    names = np.array([f"group {index}" for index in rng.integers(0, number, 700)])
    baseline = rng.random(700) < 0.8
    hits = np.where(rng.random(700) < 0.2, rng.random(700) < 0.5, baseline)
    every = found({"kind": names}, hits, baseline)
    assert [group.name for group in every] == sorted(set(names))
    for group in every:
        mine = names == group.name
        wanted = newcombe(hits[mine], baseline[mine], 1 - 0.05 / number)
        assert (group.difference.low, group.difference.high) == pytest.approx(wanted, abs=1e-9)


def test_the_number_of_groups_of_a_slice_widens_its_intervals_alone():
    hits, baseline = np.arange(300) % 5 > 0, np.arange(300) % 7 > 0
    halves, tenths = np.arange(300) // 150, np.arange(300) % 10
    alone = found({"halves": halves.astype(str)}, hits, baseline)
    both = found({"halves": halves.astype(str), "tenths": tenths.astype(str)}, hits, baseline)
    assert [group for group in both if group.slice == "halves"] == list(alone)


def test_chance_alone_seldom_gives_a_group_that_lost():
    rng = np.random.default_rng(5)
    names = np.repeat(np.arange(10), 60).astype(str)
    alarms = 0
    for _ in range(300):
        right = rng.random((2, 600)) < 0.7
        alarms += worst(found({"kind": names}, right[0], right[1])) is not None
    assert alarms / 300 < 0.06, "without the correction it is one in five"


def test_degrees_are_compared_as_degrees():
    rng = np.random.default_rng(2)
    baseline = rng.random(400)
    hits = np.clip(baseline - 0.05 + rng.normal(0, 0.02, 400), 0, 1)
    names = np.repeat(["x", "y"], 200)
    for group in found({"half": names}, hits, baseline):
        gaps = (hits - baseline)[names == group.name]
        half = NormalDist().inv_cdf(1 - 0.05 / 4) * stats.sem(gaps)
        assert group.difference.value == pytest.approx(gaps.mean())
        assert group.difference.high - group.difference.value == pytest.approx(half, rel=0.02)


def test_the_worst_is_the_one_whose_interval_ends_lowest():
    names = np.repeat(["few", "many", "same"], [6, 200, 200])
    baseline = np.ones(406, bool)
    hits = np.r_[np.arange(6) > 4, np.arange(200) > 139, np.ones(200, bool)]
    every = {group.name: group for group in found({"kind": names}, hits, baseline)}
    assert every["few"].difference.value < every["many"].difference.value
    assert every["few"].difference.high > every["many"].difference.high
    assert worst(every.values()) is every["many"]


def test_no_group_need_be_the_worst():
    hits = np.arange(40) % 4 > 0
    assert worst(found({"kind": np.repeat(["x", "y"], 20)}, hits, hits)) is None
    assert worst(()) is None


def test_what_does_not_fit_is_left_out():
    of, hits = {"kind": np.repeat(["x", "y"], 20)}, np.ones(40, bool)
    assert groups(record(of, hits), {}, hits, hits) == ()
    assert groups(record(of, hits), {"slice:kind": np.zeros(39, np.int16)}, hits, hits) == ()
    strange = np.repeat(np.array([0, 1, -1, 2, 999], np.int16), 8)
    assert [group.items for group in groups(record(of, hits), {"slice:kind": strange}, hits, hits)] == [8, 8]
    assert [group.items for group in groups(record(of, hits), {"slice:kind": strange / 2}, hits, hits)] == [8, 8]
    assert groups(record(of, hits), {"slice:kind": strange - 2000}, hits, hits) == ()
    none = replace(record(of, hits), accuracy=replace(record(of, hits).accuracy, slices={"kind": {}}))
    assert groups(none, encode(of), hits, hits) == ()
    failed = replace(GOLDEN, status="timeout", reason="why", accuracy=None)
    assert groups(failed, encode(of), hits, hits) == ()
