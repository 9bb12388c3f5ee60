"""The statistics behind every published figure, as pure functions of raw samples. numpy only: the worker has no need of them."""

import functools
import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from suite.bounds import CERTAIN, MINIMUM_SAMPLES, order_of_bound
from suite.record import Estimate

Array = np.ndarray[Any, np.dtype[Any]]

Z = 1.959963984540054
"""The 97.5 % quantile of the standard normal distribution."""

NORMAL = 2000
"""Degrees of freedom from which Student's t is the normal distribution, to three digits of its quantile."""

RESAMPLES = 2000
SEED = 20261122

STRETCH = 1.15
"""By how much Student's quantile is stretched where launches were added until the interval was narrow enough: stopping at a moment when
the launches happen to agree makes a plain interval too narrow. Found by simulation (docs/measurement.md): 5 to 12 launches, stop at 1 %.
"""


def wilson(values: Array) -> Estimate:
    """A share of items with its Wilson score interval (1927). `values`: shape (items,), each 0 or 1."""
    return wilson_counts(float(np.sum(values)), len(values))


def share(values: Array) -> Estimate:
    """The mean over items with its interval: Wilson's for bool, Student's t for degrees (float64, as token accuracy has them)."""
    return wilson(values) if values.dtype == np.bool_ else mean(values)


def mean(values: Array, z: float = Z) -> Estimate:
    """Mean of float64 (items,), interval by Student's t; never outside what was seen. One item, or equal ones, give no width."""
    value = float(np.mean(values))
    if values.size < 2:
        return Estimate(value, value, value)
    half = z / Z * student_quantile(min(values.size - 1, NORMAL)) * float(np.std(values, ddof=1)) / math.sqrt(values.size)
    return Estimate(value, min(value, max(value - half, float(values.min()))), max(value, min(value + half, float(values.max()))))


def difference(compressed: Array, baseline: Array, z: float = Z) -> Estimate:
    """Mean difference over the same items: Newcombe's for two bool columns, Student's t over the items' differences otherwise.

    `z`: the quantile of the standard normal distribution that stands for the confidence; that of 95 % unless said otherwise.
    """
    if compressed.dtype == baseline.dtype == np.bool_:
        return paired_difference(compressed, baseline, z)
    return mean(compressed.astype(np.float64) - baseline.astype(np.float64), z)


def wilson_counts(hits: float, items: int, z: float = Z) -> Estimate:
    """The same from counts. Raises ValueError for no items."""
    if items == 0:
        raise ValueError("a share of no items has no value")
    share, z2 = hits / items, z * z
    centre = (share + z2 / (2 * items)) / (1 + z2 / items)
    half = z / (1 + z2 / items) * math.sqrt(share * (1 - share) / items + z2 / (4 * items * items))
    low = 0.0 if hits == 0 else max(0.0, centre - half)
    return Estimate(share, float(low), 1.0 if hits == items else float(min(1.0, centre + half)))


def paired_difference(compressed: Array, baseline: Array, z: float = Z) -> Estimate:
    """Mean difference of two 0/1 columns over the same items, with the interval of `paired_counts`."""
    new, old = compressed.astype(bool), baseline.astype(bool)
    both, only_new, only_old, neither = (int(np.count_nonzero(x)) for x in (new & old, new & ~old, ~new & old, ~new & ~old))
    return paired_counts(both, only_new, only_old, neither, z)


def paired_counts(both: int, only_new: int, only_old: int, neither: int, z: float = Z) -> Estimate:
    """The same from how many items both, one or none got right. The interval is Newcombe's hybrid score method for paired data
    (1998, method 10), which holds where a Wald interval does not: near 0 and 1, and for few discordant items.
    """
    items = both + only_new + only_old + neither
    p, q = wilson_counts(both + only_new, items, z), wilson_counts(both + only_old, items, z)
    margins = (both + only_new) * (only_old + neither) * (both + only_old) * (only_new + neither)
    covariance = float(both * neither - only_new * only_old)
    if covariance > 0:
        covariance = max(covariance - items / 2, 0.0)
    phi = covariance / math.sqrt(margins) if margins > 0 else 0.0
    difference = (only_new - only_old) / items
    below = (p.value - p.low) ** 2 - 2 * phi * (p.value - p.low) * (q.high - q.value) + (q.high - q.value) ** 2
    above = (p.high - p.value) ** 2 - 2 * phi * (p.high - p.value) * (q.value - q.low) + (q.value - q.low) ** 2
    return Estimate(difference, difference - math.sqrt(max(below, 0.0)), difference + math.sqrt(max(above, 0.0)))


def middle(values: Array) -> Array:
    """The median over the last axis of what is not NaN; NaN where nothing is."""
    found = np.sort(values, axis=-1)  # NaN comes last
    known = np.sum(~np.isnan(found), axis=-1, keepdims=True)
    ends = [np.take_along_axis(found, np.maximum(place, 0), -1)[..., 0] for place in ((known - 1) // 2, np.minimum(known // 2, known - 1))]
    return (ends[0] + ends[1]) / 2  # type: ignore[no-any-return]


def quad_log_ratios(baseline_ns: Array, compressed_ns: Array) -> Array:
    """log(median baseline time / median artifact time) of each ABBA quad; NaN for one that was left out.

    Both arguments have shape (launches, quads, calls): the timed calls of a quad's two blocks of that side, see
    `suite.undisturbed`.
    """
    found: Array = np.log(middle(baseline_ns)) - np.log(middle(compressed_ns))
    return found


@functools.lru_cache(maxsize=32)
def _student(freedom: float) -> tuple[Array, Array]:
    """Angles a from 0 to a right one, and the share of Student's t distribution (1908) within sqrt(freedom) tan(a) on both sides: a has
    the density cos(a)^(freedom - 1).
    """
    angles = np.linspace(0.0, np.pi / 2, 100_001)
    density = np.cos(angles) ** (freedom - 1)
    area = np.concatenate([[0.0], np.cumsum(density[1:] + density[:-1])])
    return angles, area / area[-1]


@functools.cache
def student_quantile(freedom: float, confidence: float = 0.95) -> float:
    """What Student's t stays within, on both sides, with this confidence: the 97.5 % quantile unless said otherwise.

    `freedom` is 1 or more, and need not be whole.
    """
    angles, within = _student(freedom)
    return math.sqrt(freedom) * math.tan(np.interp(confidence, within, angles))


def student_tail(t: Array, freedom: float) -> Array:
    """The two-sided p-value of each t, 0 or more (infinity too), float64 of its shape."""
    angles, within = _student(freedom)
    return 1.0 - np.interp(np.arctan(t / math.sqrt(freedom)), angles, within)


def _known(launches: Array) -> Array:
    """Those that were not left out."""
    return launches[~np.isnan(launches)]


def over_launches(logs: Array, stretch: float = 1.0) -> Estimate:
    """exp of the mean over launches of each launch's median, its interval by Student's t over the launches.

    `logs`: logarithms of times or ratios, shape (launches, quads). What a launch draws anew (addresses, core, neighbours) is shared
    by its quads, so launches are the sample. Resampling so few of them gives intervals that are far too narrow; Student's does not.
    `stretch`: STRETCH where the spread of the launches decided how many there are. Raises ValueError for fewer than two launches.
    """
    launches = _known(middle(logs))
    if launches.size < 2:
        raise ValueError("an interval needs the spread between launches: two of them at least")
    mean = float(np.mean(launches))
    half = stretch * student_quantile(launches.size - 1) * float(np.std(launches, ddof=1)) / math.sqrt(launches.size)
    return Estimate(math.exp(mean), math.exp(mean - half), math.exp(mean + half))


def ratio_over_launches(one: Array, other: Array, stretch: float = 1.0) -> Estimate:
    """exp of the difference of two such means: how many times the ratio of `other` that of `one` is. Both of shape (launches, quads).

    Two sessions share no launch, so the launches are two independent samples whose spreads need not be equal: the interval is Welch's
    (1947), its degrees of freedom Satterthwaite's (1946). `stretch`: the larger of both. Raises ValueError for fewer than two launches
    of either.
    """
    samples = [_known(middle(logs)) for logs in (one, other)]
    if min(sample.size for sample in samples) < 2:
        raise ValueError("an interval needs the spread between launches: two of them at least")
    parts = [float(np.var(sample, ddof=1)) / sample.size for sample in samples]
    variance = sum(parts)
    weights = sum(part * part / (sample.size - 1) for part, sample in zip(parts, samples, strict=True))
    half = stretch * student_quantile(variance * variance / weights) * math.sqrt(variance) if weights > 0 else 0.0
    mean = float(np.mean(samples[0]) - np.mean(samples[1]))
    return Estimate(math.exp(mean), math.exp(mean - half), math.exp(mean + half))


def hierarchical_bootstrap(logs: Array) -> Estimate:
    """The same estimate with a percentile bootstrap interval: launches are drawn with replacement, then quads within each.

    A quad that was left out stands for the median of its launch. Shown beside the other for those who expect it: with so few launches it
    is too narrow (docs/measurement.md has its coverage).
    """
    logs = logs[~np.isnan(middle(logs))]
    launches, quads = logs.shape
    logs = np.where(np.isnan(logs), middle(logs)[:, None], logs)
    rng = np.random.default_rng(SEED)
    launch = rng.integers(0, launches, (RESAMPLES, launches, 1))
    drawn = logs[launch, rng.integers(0, quads, (RESAMPLES, launches, quads))]
    low, high = np.quantile(np.median(drawn, axis=2).mean(axis=1), [0.025, 0.975])
    value = float(np.mean(np.median(logs, axis=1)))
    return Estimate(math.exp(value), math.exp(min(low, value)), math.exp(max(high, value)))


def speed_up(baseline_ns: Array, compressed_ns: Array, stretch: float = 1.0) -> Estimate:
    """Baseline latency / artifact latency from paired samples of shape (launches, quads, calls)."""
    return over_launches(quad_log_ratios(baseline_ns, compressed_ns), stretch)


def median_ms(samples_ns: Array, stretch: float = 1.0) -> Estimate:
    """Time in milliseconds of samples of shape (launches, quads, calls): the geometric mean of the launches' medians."""
    return over_launches(np.log(middle(samples_ns) / 1e6), stretch)


def percentiles_ms(samples_ns: Sequence[float] | Array) -> dict[str, float]:
    """The percentiles that so many samples allow, in milliseconds; none that they do not."""
    flat = np.asarray(samples_ns, dtype=np.float64).ravel()
    return {f"p{percentile}": float(np.percentile(flat, percentile)) / 1e6 for percentile in _allowed(flat.size)}


def _allowed(samples: int) -> list[int]:
    return [percentile for percentile, needed in MINIMUM_SAMPLES.items() if samples >= needed]


def percentile_bounds_ms(samples_ns: Array) -> dict[str, float]:
    """Upper bounds of the same percentiles, in milliseconds: that of a typical launch is no greater, at a confidence of 0.99.

    `samples_ns`: shape (launches, quads, calls). The larger of two: the order statistic of the pooled calls that MLPerf Inference's
    early stopping gives, and Student's upper limit over the launches of each launch's own percentile. The first takes all calls for
    independent, which those of one launch are not: where launches differ, it alone would hold in 60 % of all runs (docs/measurement.md).
    """
    launches = samples_ns.reshape(len(samples_ns), -1).astype(np.float64)
    flat = np.sort(launches, axis=None)
    bounds = {}
    for percentile in _allowed(flat.size):
        pooled = float(flat[order_of_bound(flat.size, percentile) - 1])
        bounds[f"p{percentile}"] = max(pooled, _upper_limit(np.percentile(launches, percentile, axis=1))) / 1e6
    return bounds


def _upper_limit(values: Array) -> float:
    """What the geometric mean that `values` (launches,), all above 0, are drawn around does not exceed; 0 for a single one."""
    if values.size < 2:
        return 0.0
    logs = np.log(values)
    quantile = student_quantile(values.size - 1, 2 * CERTAIN - 1)
    return math.exp(float(np.mean(logs)) + quantile * float(np.std(logs, ddof=1)) / math.sqrt(values.size))
