"""Who is surely better than whom on a board, corrected for how many are compared. Pure: raw answers or timings in, ranks out.

A rank is one more than the rows that are surely better. Each row is held against the K - 1 others one by one, one-sided, at a K - 1 th
of 5 % (Bonferroni): that any row is named better than a row although it is not happens to that row at most once in 20 boards. So the
rank of a row is a lower bound of its true place at a confidence of 95 % (Mogstad, Romano, Shaikh and Wilhelm 2024), and the rows of rank 1
hold the truly best at that confidence: multiple comparisons with the best (Hsu 1984).
"""

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np

from suite.bounds import binomial
from suite.record import Estimate
from suite.statistics import NORMAL, student_quantile

Array = np.ndarray[Any, np.dtype[Any]]

ERROR = 0.05
"""How often a board may be wrong about a row."""

BLOCK = 512
"""Rows that are held against all others at a time: a board of 10,000 rows must not need the memory of all its pairs."""

SAME = 1e-12
"""Mean scores within it are equal: what differs is the order of a sum."""


@dataclass(frozen=True, slots=True)
class Speed:
    """A speed-up with its Student interval over so many launches, as `suite.statistics.over_launches` makes it."""

    estimate: Estimate
    launches: int
    stretch: float = 1.0

    @property
    def log_error(self) -> float:
        """The standard error of its logarithm, got back from its interval."""
        width = math.log(self.estimate.high) - math.log(self.estimate.low)
        return width / 2 / (self.stretch * student_quantile(self.launches - 1))


def side(one: Estimate, other: Estimate) -> Literal["better", "tie", "worse"]:
    """Whether a ratio of 95 % lies surely above an independent one, surely below it, or neither: by the square-and-add rule (MOVER: Zou and
    Donner 2008) on logarithms. An interval that reaches 0 decides nothing.
    """
    if min(one.low, other.low) <= 0:
        return "tie"
    gap = math.log(one.value / other.value)
    if gap > math.hypot(math.log(one.value / one.low), math.log(other.high / other.value)):
        return "better"
    return "worse" if -gap > math.hypot(math.log(one.high / one.value), math.log(other.value / other.low)) else "tie"


def accuracy_ranks(answers: Sequence[Array]) -> list[int]:
    """The rank of each row by its answers to the same items, columns (items,): bool by McNemar's exact test, float64 by a paired t."""
    if len(answers) < 2 or not answers[0].size:
        return [1] * len(answers)
    above = ERROR / (len(answers) - 1)
    stacked = np.stack(answers)
    blocks = _surely_more_right(stacked, above) if stacked.dtype == np.bool_ else _surely_higher(stacked.astype(np.float64), above)
    return [1 + int(count) for block in blocks for count in block.sum(axis=1)]


def discordant(answers: Array, rows: slice) -> tuple[Array, Array]:
    """Of bool (K, items), for the rows in the slice and all K: items that only the other got right, and that only one of both did.

    Both int64, shape (rows, K).
    """
    right = answers.astype(np.float32)  # counts are exact up to 16 million items, and products of matrices fast
    both = right[rows] @ right.T
    totals = right.sum(axis=1)
    gained = (totals[None, :] - both).astype(np.int64)
    return gained, gained + (totals[rows, None] - both).astype(np.int64)


def _surely_more_right(answers: Array, error: float) -> Iterator[Array]:
    needed = np.zeros(answers.shape[1] + 1, np.int64)  # by how many items differ; filled as they come
    for start in range(0, len(answers), BLOCK):
        gained, differing = discordant(answers, slice(start, start + BLOCK))
        for count in np.flatnonzero(np.bincount(differing.ravel())).tolist():
            needed[count] = needed[count] or _needed(count, error)
        yield gained >= needed[differing]


def _needed(differing: int, error: float) -> int:
    """How many of the differing items one must have got right alone to be surely better, one-sided; more than there are if none will do."""
    tail = np.cumsum(binomial(differing, 0.5))
    return differing + 1 - int(np.searchsorted(tail, error, side="right"))


def _surely_higher(scores: Array, error: float) -> Iterator[Array]:
    items = scores.shape[1]
    if items < 2:
        yield np.zeros((len(scores), len(scores)), bool)
        return
    critical = student_quantile(min(items - 1, NORMAL), 1 - 2 * error)
    for start in range(0, len(scores), BLOCK):
        gaps, errors = paired_gaps(scores, slice(start, start + BLOCK))
        yield gaps > np.maximum(critical * errors, SAME)


def paired_gaps(scores: Array, rows: slice) -> tuple[Array, Array]:
    """Of float64 (K, items), for the rows in the slice and all K: the other's mean less one's own, and its standard error.

    Both of shape (rows, K).
    """
    means, items = scores.mean(axis=1), scores.shape[1]
    centred = scores - means[:, None]
    variances = np.sum(centred * centred, axis=1)
    apart = variances[rows, None] + variances[None, :] - 2 * (centred[rows] @ centred.T)
    return means[None, :] - means[rows, None], np.sqrt(np.maximum(apart, 0.0) / (items - 1) / items)


def speed_ranks(speeds: Sequence[Speed], margin: float) -> list[int]:
    """The rank of each row by its speed-up. Every row was timed in a session of its own, so two of them are two independent samples:
    Welch's t (1947), its degrees of freedom Satterthwaite's (1946), rounded down. One is faster only beyond the margin, a share.
    """
    if len(speeds) < 2:
        return [1] * len(speeds)
    logs = np.array([math.log(speed.estimate.value) for speed in speeds])
    parts = np.array([speed.log_error**2 for speed in speeds])
    freedoms = np.array([speed.launches - 1 for speed in speeds], float)
    stretches = np.array([speed.stretch for speed in speeds])
    confidence = 1 - 2 * ERROR / (len(speeds) - 1)
    ranks: list[int] = []
    for row in range(len(speeds)):
        variances = parts + parts[row]
        weights = parts * parts / freedoms + parts[row] ** 2 / freedoms[row]
        with np.errstate(invalid="ignore", divide="ignore"):
            freedom = np.where(weights > 0, np.floor(variances * variances / weights + SAME), 1.0)
        found, places = np.unique(np.maximum(freedom, 1.0), return_inverse=True)
        quantiles = np.array([student_quantile(float(each), confidence) for each in found])[places]
        bounds = logs - logs[row] - quantiles * np.sqrt(variances) * np.maximum(stretches, stretches[row])
        ranks.append(1 + int(np.sum(bounds > math.log1p(margin))))
    return ranks
