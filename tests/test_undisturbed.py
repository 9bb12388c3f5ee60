"""Calls that were interrupted are left out of medians and ratios: what is left, what is not, and that it keeps a bias away."""

import numpy as np
import pytest

from suite.statistics import hierarchical_bootstrap, middle, quad_log_ratios, speed_up
from suite.undisturbed import undisturbed

RNG = np.random.default_rng(7)


@pytest.mark.parametrize("size", [1, 2, 5, 40])
def test_the_middle_is_the_median_of_what_is_known(size):
    values = RNG.normal(size=(30, size))
    assert np.array_equal(middle(values), np.median(values, axis=-1))
    holes = np.where(RNG.random((30, size)) < 0.4, np.nan, values)
    holes[0] = np.nan
    for found, row in zip(middle(holes), holes, strict=True):
        known = row[~np.isnan(row)]
        assert found == np.median(known) if known.size else np.isnan(found)


def _columns(shape=(3, 3, 8)):
    times = {f"{side}_ns": RNG.integers(1000, 1100, shape) for side in ("baseline", "compressed")}
    return times | {f"{side}_cut": np.zeros(shape, bool) for side in ("baseline", "compressed")}


def test_without_interruptions_and_in_old_records_all_calls_count():
    columns = _columns()
    for old, new in (undisturbed(columns), undisturbed({name: array for name, array in columns.items() if name.endswith("_ns")})):
        assert np.array_equal(old, columns["baseline_ns"])
        assert np.array_equal(new, columns["compressed_ns"])


def test_an_interrupted_call_is_left_out_of_its_side_alone():
    columns = _columns()
    columns["baseline_cut"][1, 2, 3] = True
    old, new = undisturbed(columns)
    assert np.argwhere(np.isnan(old)).tolist() == [[1, 2, 3]]
    assert not np.isnan(new).any()


def test_a_quad_of_which_too_little_is_left_is_left_out_on_both_sides():
    columns = _columns()
    columns["compressed_cut"][0, 1, :7] = True
    old, new = undisturbed(columns)
    assert np.isnan(old[0, 1]).all()
    assert np.isnan(new[0, 1]).all()
    assert np.isnan(quad_log_ratios(old, new)).sum() == 1


def test_a_launch_of_which_nothing_is_left_is_left_out():
    columns = _columns((4, 3, 8))
    columns["compressed_cut"][1] = True
    old, new = undisturbed(columns)
    assert np.isnan(old[1]).all()
    assert np.isnan(new[1]).all()
    rest = {name: np.delete(array, 1, axis=0) for name, array in columns.items()}
    assert speed_up(old, new) == speed_up(rest["baseline_ns"], rest["compressed_ns"])
    assert hierarchical_bootstrap(quad_log_ratios(old, new)) == hierarchical_bootstrap(
        quad_log_ratios(rest["baseline_ns"], rest["compressed_ns"])
    )


def test_where_too_few_launches_had_their_core_all_calls_count():
    columns = _columns((4, 3, 8))
    columns["compressed_cut"][:2] = True
    old, new = undisturbed(columns)
    assert np.array_equal(new, columns["compressed_ns"])
    assert np.array_equal(old, columns["baseline_ns"])


def _beside_a_spinner(call_ms, slice_ms, calls):
    """Wall and CPU times of calls on a core that two processes share in slices of equal length."""
    left, wall, times, interrupted = slice_ms, 0.0, [], []
    for spent in call_ms * RNG.normal(1, 0.02, calls):
        wall, rest = 0.0, spent
        while rest > left:
            wall, rest, left = wall + left + slice_ms, rest - left, slice_ms
        left, wall = left - rest, wall + rest
        times.append(wall * 1e6)
        interrupted.append(spent < 0.95 * wall)
    return np.array(times), np.array(interrupted)


def test_a_neighbour_on_the_core_biases_the_ratio_of_all_calls_and_not_that_of_the_others():
    """Calls of 3.6 and 1.7 ms in slices of 3 ms: the true ratio is 2.12. Every other launch has a neighbour all of its time."""
    launches = []
    for launch in range(8):
        beside = launch % 2 == 0
        sides = [_beside_a_spinner(call_ms, 3.0 if beside else 1e9, 120) for call_ms in (3.6, 1.7)]
        launches.append(
            {f"{side}_{name}": array.reshape(3, 40) for side, pair in zip(("baseline", "compressed"), sides, strict=True)
             for name, array in zip(("ns", "cut"), pair, strict=True)}
        )  # fmt: skip
    columns = {name: np.stack([launch[name] for launch in launches]) for name in launches[0]}
    with_all = speed_up(columns["baseline_ns"], columns["compressed_ns"]).value
    assert speed_up(*undisturbed(columns)).value == pytest.approx(3.6 / 1.7, rel=0.01)
    assert abs(with_all / (3.6 / 1.7) - 1) > 0.1
