"""The server scenario: queues that are known in closed form, bounds that are order statistics, and the search for a rate."""

import numpy as np
import pytest

from suite import arrivals

RNG = np.random.default_rng(3)


def test_latencies_in_a_queue():
    """Arrivals at 10, 20, 21 and 50, each served for 5: the third waits until 25."""
    assert arrivals.waits(np.array([10.0, 10, 1, 29]), np.full(4, 5.0)).tolist() == [5, 5, 9, 5]


def test_the_mean_latency_is_that_of_the_textbook():
    """Pollaczek and Khinchine: with constant service S at load r the mean wait is S r / (2 (1 - r))."""
    load, served = 0.6, np.ones(400_000)
    found = arrivals.waits(RNG.exponential(1 / load, served.size), served)
    assert found.mean() == pytest.approx(1 + load / (2 * (1 - load)), rel=0.02)


def _queue(served_ns, rates):
    """What a real server would show, with the rates that were asked of it."""

    def serve(rate):
        rates.append(rate)
        rng = np.random.default_rng(len(rates))
        return arrivals.waits(rng.exponential(1e9 / rate, arrivals.REQUESTS), np.full(arrivals.REQUESTS, served_ns))

    return serve


@pytest.mark.parametrize("start", [450.0, 600.0, 620.0])
def test_the_highest_rate_is_one_at_which_the_bound_held_and_the_next_did_not(start):
    rates, bound = [], 5e6
    rate, latencies = arrivals.highest_rate(start, bound, _queue(1e6, rates))
    assert rate in rates
    assert arrivals.holds(latencies, bound)
    if start == 450.0:
        assert rates == sorted(rates)
        assert rates[-1] == rate * arrivals.STEP, "upwards it stops at the first rate that is too high"
    else:
        assert rates == sorted(rates, reverse=True)
        assert rates[-1] == rate, "downwards at the first one that is not"


def test_where_no_rate_keeps_the_bound_it_is_none():
    rates = []
    rate, latencies = arrivals.highest_rate(50.0, 5e6, _queue(6e6, rates))
    assert (rate, len(rates)) == (0.0, arrivals.TRIES + 1)
    assert latencies.min() >= 6e6


def test_the_search_begins_where_a_simulation_keeps_the_bound():
    times = np.full(100, 1e6)
    rate = arrivals.expected_rate(times, 5e6, np.random.default_rng(0))
    assert 300 < rate < 950
    assert arrivals.expected_rate(times, 2e6, np.random.default_rng(0)) < rate
    assert arrivals.expected_rate(times, 0.5e6, np.random.default_rng(0)) == 250.0, "a quarter of what can be served at all"


def test_requests_are_answered_in_their_order_and_none_before_it_arrives(monkeypatch):
    clock, asked = [0], []
    monkeypatch.setattr(arrivals.timing, "now", lambda: clock.__setitem__(0, clock[0] + 1000) or clock[0])
    monkeypatch.setattr(arrivals.time, "sleep", lambda seconds: clock.__setitem__(0, clock[0] + int(seconds * 1e9)))

    def call(index):
        asked.append(index)
        clock[0] += 500_000

    latencies = arrivals._serve(call, np.random.default_rng(1), 1000.0)
    assert asked == list(range(arrivals.REQUESTS))
    assert latencies.min() >= 500_000
    assert np.median(latencies) < 3_000_000 < 20 * 1e6
