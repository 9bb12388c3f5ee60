"""The statistics behind every published figure, as pure functions of raw samples. numpy only: the worker has no need of them."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from suite.record import Estimate

Array = np.ndarray[Any, np.dtype[Any]]

Z = 1.959963984540054
"""The 97.5 % quantile of the standard normal distribution."""

RESAMPLES = 2000
SEED = 20261122

MINIMUM_SAMPLES = {50: 11, 90: 64, 95: 130, 97: 219, 99: 662}
"""Percentile -> the samples that it needs at a confidence of 0.99, by the early-stopping rule of MLPerf Inference."""


def wilson(values: Array) -> Estimate:
    """A share of items with its Wilson score interval (1927). `values`: shape (items,), each 0 or 1."""
    return wilson_counts(float(np.sum(values)), len(values))


def wilson_counts(hits: float, items: int) -> Estimate:
    """The same from counts. Raises ValueError for no items."""
    if items == 0:
        raise ValueError("a share of no items has no value")
    share, z2 = hits / items, Z * Z
    centre = (share + z2 / (2 * items)) / (1 + z2 / items)
    half = Z / (1 + z2 / items) * np.sqrt(share * (1 - share) / items + z2 / (4 * items * items))
    low = 0.0 if hits == 0 else max(0.0, centre - half)
    return Estimate(share, float(low), 1.0 if hits == items else float(min(1.0, centre + half)))


def paired_difference(compressed: Array, baseline: Array) -> Estimate:
    """Mean difference of two 0/1 columns over the same items, interval by Newcombe's hybrid score method for paired data
    (1998, method 10), which holds where a Wald interval does not: near 0 and 1, and for few discordant items.
    """
    items = len(baseline)
    new, old = compressed.astype(bool), baseline.astype(bool)
    both, only_new, only_old, neither = (
        float(np.sum(x)) for x in (new & old, new & ~old, ~new & old, ~new & ~old)
    )
    p, q = wilson_counts(both + only_new, items), wilson_counts(both + only_old, items)
    margins = (both + only_new) * (only_old + neither) * (both + only_old) * (only_new + neither)
    covariance = both * neither - only_new * only_old
    if covariance > 0:
        covariance = max(covariance - items / 2, 0.0)
    phi = covariance / np.sqrt(margins) if margins > 0 else 0.0
    difference = p.value - q.value
    below = (p.value - p.low) ** 2 - 2 * phi * (p.value - p.low) * (q.high - q.value) + (q.high - q.value) ** 2
    above = (p.high - p.value) ** 2 - 2 * phi * (p.high - p.value) * (q.value - q.low) + (q.value - q.low) ** 2
    return Estimate(difference, float(difference - np.sqrt(max(below, 0.0))), float(difference + np.sqrt(max(above, 0.0))))


def quad_log_ratios(baseline_ns: Array, compressed_ns: Array) -> Array:
    """log(median baseline time / median artifact time) of each ABBA quad.

    Both arguments have shape (launches, quads, calls): the timed calls of a quad's two blocks of that side.
    """
    return np.log(np.median(baseline_ns, axis=-1)) - np.log(np.median(compressed_ns, axis=-1))  # type: ignore[no-any-return]


def _resample(table: Array) -> Array:
    """Medians of hierarchical resamples of `table` (launches, quads): launches with replacement, then quads within each."""
    launches, quads = table.shape
    rng = np.random.default_rng(SEED)
    launch = rng.integers(0, launches, (RESAMPLES, launches, 1))
    quad = rng.integers(0, quads, (RESAMPLES, launches, quads))
    return np.median(table[launch, quad].reshape(RESAMPLES, -1), axis=1)  # type: ignore[no-any-return]


def hierarchical_median(table: Array) -> Estimate:
    """Median of `table` (launches, quads) with a hierarchical percentile bootstrap interval: the spread between launches counts."""
    low, high = np.quantile(_resample(table), [0.025, 0.975])
    value = float(np.median(table))
    return Estimate(value, float(min(low, value)), float(max(high, value)))


def speed_up(baseline_ns: Array, compressed_ns: Array) -> Estimate:
    """Baseline latency / artifact latency from paired samples of shape (launches, quads, calls)."""
    found = hierarchical_median(quad_log_ratios(baseline_ns, compressed_ns))
    return Estimate(float(np.exp(found.value)), float(np.exp(found.low)), float(np.exp(found.high)))


def median_ms(samples_ns: Array) -> Estimate:
    """Median time in milliseconds of samples of shape (launches, quads, calls): the median over quads of their medians."""
    return hierarchical_median(np.median(samples_ns, axis=-1) / 1e6)


def percentiles_ms(samples_ns: Sequence[float] | Array) -> dict[str, float]:
    """The percentiles that so many samples allow, in milliseconds; none that they do not."""
    flat = np.asarray(samples_ns, dtype=np.float64).ravel()
    allowed = [percentile for percentile, needed in MINIMUM_SAMPLES.items() if flat.size >= needed]
    return {f"p{percentile}": float(np.percentile(flat, percentile)) / 1e6 for percentile in allowed}
