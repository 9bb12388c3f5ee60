"""Upper bounds of percentiles from order statistics, as MLPerf Inference's early stopping has them. numpy only: the worker uses it."""

import functools
import math
from typing import Any

import numpy as np

Array = np.ndarray[Any, np.dtype[Any]]

CERTAIN = 0.99
"""How sure the bound of a percentile is."""

MINIMUM_SAMPLES = {50: 11, 90: 64, 95: 130, 97: 219, 99: 662}
"""Percentile -> the samples that it needs at a confidence of 0.99, by the early-stopping rule of MLPerf Inference."""


def order_of_bound(samples: int, percentile: int) -> int:
    """k, counted from 1, so that the k-th smallest of independent samples is no less than the percentile at a confidence of 0.99.

    The fewest samples at which it is not the largest of them are MINIMUM_SAMPLES. Raises ValueError where not even the largest will do.
    """
    below = np.cumsum(binomial(samples, percentile / 100))
    order = int(np.searchsorted(below, CERTAIN)) + 1
    if order > samples:
        raise ValueError(f"{samples} samples have no upper bound of their p{percentile}")
    return order


@functools.lru_cache(maxsize=2048)
def binomial(trials: int, chance: float) -> Array:
    """The probabilities of 0 to `trials` successes, shape (trials + 1,), not to be written to. `chance` is above 0 and below 1.

    Kept for later: boards ask for the same few thousand again and again.
    """
    factorials = np.concatenate([[0.0], np.cumsum(np.log(np.arange(1, trials + 1)))])
    hits = np.arange(trials + 1)
    logs = factorials[-1] - factorials - factorials[::-1] + hits * math.log(chance) + (trials - hits) * math.log1p(-chance)
    found: Array = np.exp(logs)
    found.flags.writeable = False
    return found
