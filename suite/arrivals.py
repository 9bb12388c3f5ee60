"""The server scenario: requests that arrive at random, and the highest rate at which they are still answered in time. Job `server`.

Arrivals are a Poisson process, answered one after another in their order, as MLPerf Inference's Server scenario has them (Reddi et al.,
arXiv:1911.02549). A rate counts if the 99th percentile of the latencies, from arrival to answer, lies below the bound at a confidence of
0.99: of so many requests the order statistic that says so, not the percentile of the sample.
"""

import time
from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np

from suite import arrays, loading, timing
from suite.bounds import order_of_bound
from suite.loading import SIDES, Array, Call
from suite.protocol import Job, Progress

REQUESTS = 1000
PERCENTILE = 99
STEP = 1.05
"""Rates that are tried lie this far apart."""
TRIES = 6
SPIN_NS = 200_000
"""So long before an arrival the process stops sleeping and waits with open eyes: sleeping ends late."""
SERVED = 100
"""Requests whose times tell where to begin."""


def server(job: Job, progress: Progress) -> dict[str, Any]:
    """Of both sides, into `job["out"]`: `rate:<side>`, float64 (), arrivals a second, the highest at which `job["bound_ms"]` held, 0 if
    none did; `latency_ns:<side>`, int64 (requests,), of the run at that rate (of the last one that was tried, if none held)."""
    loading.stay_on_one_core(int(job["threads"]))
    glue, inputs = loading.glue(job), arrays.load(job["inputs"])
    bound, found = float(job["bound_ms"]) * 1e6, dict[str, Array]()
    for number, side in enumerate(SIDES if job["launch"] % 2 else SIDES[::-1]):
        call = loading.call(glue.module.request, glue.size(inputs), inputs, loading.run(job, side))
        rng = np.random.default_rng([int(job["launch"]), number])
        times = np.array(timing.block(call, range(SERVED + timing.DROPPED), timing.DROPPED), np.float64)
        rate, latencies = highest_rate(expected_rate(times, bound, rng), bound, partial(_serve, call, rng))
        found |= {f"rate:{side}": np.array(rate), f"latency_ns:{side}": latencies}
        progress(number + 1, 2, "serving")
    arrays.save(job["out"], found)
    return {}


def highest_rate(rate: float, bound_ns: float, serve: Callable[[float], Array]) -> tuple[float, Array]:
    """The rate and its latencies: from a first guess step by step upwards as long as the bound holds, or downwards until it does.

    The rate is 0 where it held at none that was tried.
    """
    latencies = serve(rate)
    step = STEP if holds(latencies, bound_ns) else 1 / STEP
    kept = (rate, latencies) if step > 1 else (0.0, latencies)
    for _ in range(TRIES):
        rate *= step
        latencies = serve(rate)
        fine = holds(latencies, bound_ns)
        if fine or step < 1:
            kept = (rate if fine else 0.0, latencies)
        if fine != (step > 1):
            break
    return kept


def holds(latencies_ns: Array, bound_ns: float) -> bool:
    """Whether the 99th percentile lies below the bound, at a confidence of 0.99."""
    return float(np.sort(latencies_ns)[order_of_bound(len(latencies_ns), PERCENTILE) - 1]) <= bound_ns


def expected_rate(times_ns: Array, bound_ns: float, rng: "np.random.Generator") -> float:
    """Where to begin: the rate at which a simulation with these service times keeps the bound, by bisection; a quarter of what can be
    served at all if it keeps it at none."""
    most = 1e9 / float(times_ns.mean())
    low, high = 0.0, most
    served, gaps = rng.choice(times_ns, REQUESTS), rng.exponential(1.0, REQUESTS)
    for _ in range(20):
        middle = (low + high) / 2
        low, high = (middle, high) if holds(waits(gaps * 1e9 / middle, served), bound_ns) else (low, middle)
    return max(low, most / 4)


def waits(gaps_ns: Array, served_ns: Array) -> Array:
    """Latencies in a queue with one server, by Lindley's recursion (1952): each waits for what was there before it."""
    free, now, found = 0.0, 0.0, np.empty(len(served_ns))
    for index, (gap, spent) in enumerate(zip(gaps_ns, served_ns, strict=True)):
        now += gap
        free = max(free, now) + spent
        found[index] = free - now
    return found


def _serve(call: Call, rng: "np.random.Generator", rate: float) -> Array:
    """Nanoseconds from arrival to answer of REQUESTS requests, int64 (requests,): the real thing, with a real clock."""
    arrivals = np.cumsum(rng.exponential(1e9 / rate, REQUESTS)).astype(np.int64)
    latencies, start = np.empty(REQUESTS, np.int64), timing.now()
    for index, due in enumerate((start + arrivals).tolist()):
        ahead = due - timing.now()
        if ahead > SPIN_NS:
            time.sleep((ahead - SPIN_NS) / 1e9)
        while timing.now() < due:
            pass
        call(index)
        latencies[index] = timing.now() - due
    return latencies
