"""A metric from release to release: what moved, and whether that is more than measuring it again moves it. Pure: records in, changes out.

Two releases measured the same variant independently, each with its interval. Their difference gets one by the square-and-add rule
(MOVER: Zou and Donner 2008, as Newcombe's interval of two shares), on the scale of logarithms for ratios. A regression is a difference
whose whole interval lies on the wrong side; a bare difference is none. Where both answered the same items that is cautious: the pairing is
not used.
"""

import math
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal

from suite.metrics import find
from suite.record import Estimate, Record
from suite.summarize import SIZE_MARGIN, SPEED_MARGIN

Verdict = Literal["regression", "improvement", "no measurable change"]


@dataclass(frozen=True, slots=True)
class Move:
    """One metric of one variant in two releases. value: what is compared, new - old (of ratios: new / old), with its interval."""

    old: Record
    new: Record
    metric: str
    before: float
    after: float
    value: Estimate
    verdict: Verdict


def square_and_add(old: Estimate, new: Estimate) -> Estimate:
    """new - old with a 95 % interval, from two independent estimates with theirs."""
    value = new.value - old.value
    low = value - math.hypot(new.value - new.low, old.high - old.value)
    high = value + math.hypot(new.high - new.value, old.value - old.low)
    return Estimate(value, low, high)


def ratio(old: Estimate, new: Estimate) -> Estimate:
    """new / old with a 95 % interval; both are above 0."""
    logs = [Estimate(*(math.log(each) for each in (one.value, one.low, one.high))) for one in (old, new)]
    found = square_and_add(*logs)
    return Estimate(math.exp(found.value), math.exp(found.low), math.exp(found.high))


def moves(pairs: Iterable[tuple[Record, Record]]) -> tuple[Move, ...]:
    """Accuracy, speed-up and size of each pair (old, new) of ok records; regressions first."""
    order: dict[Verdict, int] = {"regression": 0, "improvement": 1, "no measurable change": 2}
    found = [move for old, new in pairs if old.status == new.status == "ok" and same_question(old, new) for move in _moves(old, new)]
    return tuple(sorted(found, key=lambda move: (order[move.verdict], move.new.name, move.metric)))


def same_question(old: Record, new: Record) -> bool:
    """Whether two records are of one revision of the model and one test set: otherwise a difference says nothing about the method."""
    return (old.provenance.model_sha256, old.provenance.test_sha256) == (new.provenance.model_sha256, new.provenance.test_sha256)


def _moves(old: Record, new: Record) -> list[Move]:
    found = []
    if old.accuracy and new.accuracy and old.accuracy.metric == new.accuracy.metric:
        metric = old.accuracy.metric
        before, after = old.accuracy.metrics[metric], new.accuracy.metrics[metric]
        gap = square_and_add(before, after) if find(metric).better == "higher" else square_and_add(after, before)
        found.append(Move(old, new, metric, before.value, after.value, gap, _verdict(gap, 0.0, 0.0)))
    if old.latency and new.latency and min(old.latency.speed_up.low, new.latency.speed_up.low) > 0:
        before, after = old.latency.speed_up, new.latency.speed_up
        gained = ratio(before, after)
        found.append(Move(old, new, "speed_up", before.value, after.value, gained, _verdict(gained, 1.0, SPEED_MARGIN)))
    if old.artifact and new.artifact:
        sizes = [record.artifact.total("bytes") for record in (old, new) if record.artifact]
        share = sizes[0] / sizes[1] if sizes[1] else 1.0
        exact = Estimate(share, share, share)
        found.append(Move(old, new, "bytes", sizes[0], sizes[1], exact, _verdict(exact, 1.0, SIZE_MARGIN)))
    return found


def _verdict(value: Estimate, neutral: float, margin: float) -> Verdict:
    if value.high < neutral - margin:
        return "regression"
    return "improvement" if value.low > neutral + margin else "no measurable change"


def title(metric: str) -> str:
    """A metric as people call it."""
    return find(metric).title
