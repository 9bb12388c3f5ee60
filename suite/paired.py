"""What is said of two columns over the same items beside their difference: McNemar's test, a bootstrap, how far scores moved."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from suite.bounds import binomial
from suite.record import Estimate
from suite.slices import PREFIX
from suite.statistics import RESAMPLES, SEED

Array = np.ndarray[Any, np.dtype[Any]]


@dataclass(frozen=True, slots=True)
class McNemar:
    """Two-sided p-values of no difference, from the items that only one of two got right (1947).

    exact: the conditional test, a binomial of chance 1/2; it errs on the safe side. mid: the same with half the weight on what was
    seen, nearer to its nominal level (Fagerland, Lydersen and Laake 2013).
    """

    lost: int
    gained: int
    exact: float
    mid: float


@dataclass(frozen=True, slots=True)
class Paired:
    """Beside `Row.difference`. mcnemar: None for a metric of degrees. bootstrap: the same difference with the percentile interval of a
    bootstrap over items. divergence: raw column of scores -> the mean over items of the absolute change against the baseline.
    """

    mcnemar: McNemar | None
    bootstrap: Estimate
    divergence: Mapping[str, float] = field(default_factory=dict)


def mcnemar(compressed: Array, baseline: Array) -> McNemar:
    """Both of shape (items,), bool."""
    lost, gained = int(np.sum(baseline & ~compressed)), int(np.sum(compressed & ~baseline))
    if lost + gained == 0:
        return McNemar(0, 0, 1.0, 1.0)
    chances = binomial(lost + gained, 0.5)
    seen = float(chances[min(lost, gained)])
    tail = float(np.sum(chances[: min(lost, gained) + 1]))
    return McNemar(lost, gained, min(1.0, 2 * tail), 1.0 - seen / 2 if lost == gained else 2 * tail - seen)


def bootstrap_difference(compressed: Array, baseline: Array) -> Estimate:
    """Mean difference with a percentile bootstrap interval (Efron 1979) over items, which stay paired. Both of shape (items,).

    Bool columns have only three differences, -1, 0 and 1, so that a resample is a draw of their counts. The seed is fixed.
    """
    rng, items = np.random.default_rng(SEED), baseline.size
    gaps = compressed.astype(np.float64) - baseline.astype(np.float64)
    values, counts = np.unique(gaps, return_counts=True)
    drawn = rng.multinomial(items, counts / items, RESAMPLES) @ values / items
    low, high = np.quantile(drawn, [0.025, 0.975])
    value = float(np.mean(gaps))
    return Estimate(value, min(float(low), value), max(float(high), value))


def score_columns(columns: Mapping[str, Array], metrics: Iterable[str], items: int) -> dict[str, Array]:
    """The raw columns in which a model's glue kept scores of its items, such as probabilities: floats of shape (items, ...)."""
    known = set(metrics)
    return {
        name: array
        for name, array in columns.items()
        if array.dtype.kind == "f" and array.shape[:1] == (items,) and name not in known and not name.startswith(PREFIX)
    }


def divergence(compressed: Mapping[str, Array], baseline: Mapping[str, Array]) -> dict[str, float]:
    """The mean absolute change of each column of scores that both have, in its own unit, over the items where both are finite.

    A glue keeps the score of its own answer, not a distribution over answers: a Kullback-Leibler divergence cannot be had from it.
    """
    found = {}
    for name in sorted(compressed.keys() & baseline.keys()):
        mine, theirs = compressed[name].astype(np.float64), baseline[name].astype(np.float64)
        if mine.shape == theirs.shape:
            finite = np.isfinite(mine) & np.isfinite(theirs)
            if finite.any():
                found[name] = float(np.mean(np.abs(mine[finite] - theirs[finite])))
    return found


def paired(columns: Mapping[str, Array], baseline: Mapping[str, Array], metric: str, metrics: Iterable[str]) -> Paired:
    """Everything of this module, from the raw columns of a record and of its baseline, which answered the same items."""
    mine, old = columns[metric], baseline[metric]
    test = mcnemar(mine, old) if mine.dtype == old.dtype == np.bool_ else None
    known = tuple(metrics)
    scores = (score_columns(side, known, old.size) for side in (columns, baseline))
    return Paired(test, bootstrap_difference(mine, old), divergence(*scores))
