"""Figures of time and memory from raw columns: loads that are refused, footprints, the server's rates."""

import numpy as np
import pytest

from suite import latency
from suite.bounds import order_of_bound
from suite.ranks import Speed
from suite.statistics import middle, quad_log_ratios
from suite.undisturbed import undisturbed

RNG = np.random.default_rng(11)


def _load(cpu_wall=1.0, waiting=0.0, launches=3):
    old, new = (mean * RNG.normal(1, 0.01, (launches, 3, 8)) for mean in (8e6, 4e6))
    host = {"host:cpu_wall": np.full((launches, 1), cpu_wall), "host:waiting": np.full((launches, 1), waiting)}
    return {"baseline_ns": old, "compressed_ns": new, "deviation": np.array([0.0, 0.02, 0.01]), **host}


def test_requests_a_second_are_those_of_the_whole_batch():
    found = latency.scenario(_load(), 8, 1)
    assert found.refused is None
    assert found.speed_up.value == pytest.approx(2.0, rel=0.02)
    assert found.items_per_s.value == pytest.approx(2000, rel=0.02)
    assert found.baseline_items_per_s.value == pytest.approx(1000, rel=0.02)
    assert (found.deviation, found.cpu_wall, found.run_delay) == (0.02, (1.0, 1.0, 1.0), 0.0)


@pytest.mark.parametrize(
    ("threads", "cpu_wall", "waiting", "said"),
    [
        (1, 0.8, 0.0, "its thread did not get its core"),
        (1, 1.0, 0.2, "waited for a core for 20% of their time"),
        (2, 1.9, 0.5, "waited for a core for 50% of their time"),
        (2, 1.1, np.nan, "2 threads had 1.10 cores"),
        (2, 1.1, 0.0, None),
        (2, 1.9, np.nan, None),
    ],
)
def test_a_load_that_did_not_get_its_cores_has_no_figure(threads, cpu_wall, waiting, said):
    found = latency.scenario(_load(cpu_wall, waiting), 1, threads)
    assert (found.speed_up is None) == (said is not None)
    assert said is None or said in found.refused
    assert found.cpu_wall == (cpu_wall,) * 3, "what was seen is kept"


def test_rates_of_a_server_are_those_at_which_the_bound_held():
    columns = {"rate:compressed": np.array([200.0, 210.0, 205.0]), "rate:baseline": np.array([100.0, 105.0, 102.5])}
    served = RNG.exponential(1e6, (3, 1000))
    found = latency.server({**columns, "latency_ns:compressed": served, "latency_ns:baseline": served}, 7.0)
    assert found.ratio.value == pytest.approx(2.0)
    assert found.rate_per_s.low < 205 < found.rate_per_s.high
    assert found.p99_ms == np.sort(served, axis=1)[:, order_of_bound(1000, 99) - 1].max() / 1e6
    columns["rate:baseline"][1] = 0.0
    none = latency.server({**columns, "latency_ns:compressed": served, "latency_ns:baseline": served}, 7.0)
    assert none.rate_per_s is None
    assert none.refused == "the uncompressed model kept the bound at no rate that was tried"


def test_a_footprint_is_the_worst_peak_and_the_typical_time():
    columns = {
        "footprint:compressed:load_ns": np.array([4e6, 5e6, 4.5e6]),
        "footprint:compressed:warm_up_ns": np.array([[3e6, 1e6], [5e6, 1.2e6], [4e6, 1.1e6]]),
        "footprint:compressed:load_bytes": np.array([1e6, 3e6, 2e6]),
        "footprint:compressed:inference_bytes": np.array([1e6, np.nan, 2e6]),
    }
    found = latency._footprint(columns, "compressed")
    assert found.load_ms.low < 4.5 < found.load_ms.high
    assert found.warm_up_ms == (4.0, 1.1)
    assert (found.load_bytes, found.inference_bytes) == (3_000_000, None)
    assert latency._footprint(columns, "baseline") is None


def test_launches_are_those_that_the_speed_up_is_formed_of():
    """Ranks get the standard error back from the interval, whose quantile is that of the launches in it."""
    columns = {f"{side}_ns": RNG.integers(1000, 1100, (6, 3, 8)) for side in ("baseline", "compressed")}
    columns |= {f"{side}_cut": np.zeros((6, 3, 8), bool) for side in ("baseline", "compressed")}
    columns["compressed_cut"][:3] = True
    found = latency.summarize(columns, busy=(1.0,) * 6)
    assert (found.launches, found.samples) == (3, 144)
    medians = middle(quad_log_ratios(*undisturbed(columns)))[3:]
    error = Speed(found.speed_up, found.launches, found.stretch).log_error
    assert error == pytest.approx(medians.std(ddof=1) / np.sqrt(3), rel=1e-3)
