"""Whether a record and one of the same cell, measured by somebody else on a fresh test set, say the same. Pure.

Accuracy: the difference of the two holds 0, two independent samples of the same population (Newcombe 1998, method 10, for answers that
are right or wrong; Welch 1947 for degrees). Sizes are exact, and so is the hash of the artifact where the same libraries run the same
kernels. Speed-ups are compared where the machines are alike.
"""

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from statistics import NormalDist
from typing import Any

import numpy as np

from suite.metrics import find
from suite.record import Estimate, Record
from suite.statistics import Z, student_quantile, wilson_counts
from suite.summarize import SPEED_MARGIN

Array = np.ndarray[Any, np.dtype[Any]]
Columns = Mapping[str, Array]

SIZES = ("bytes", "parameters", "nonzero_parameters", "macs", "nonzero_macs", "bit_operations")
"""Figures that are the same to the last one, where both records have them."""
PRESSED = 0.01
"""By how much the download may differ: other versions of zstd press otherwise."""


@dataclass(frozen=True, slots=True)
class Check:
    """One of them. agrees: None where the two cannot be compared."""

    name: str
    agrees: bool | None
    words: str


def quantile(cells: int) -> float:
    """Of the standard normal distribution, so that all of so many honest cells agree at 95 % (Bonferroni)."""
    return NormalDist().inv_cdf(1 - 0.025 / max(cells, 1))


def checks(record: Record, columns: Columns, again: Record, fresh: Columns, z: float = Z) -> Iterator[Check]:
    """Everything that is compared of two ok records of one cell."""
    yield _test_set(record, again)
    yield _accuracy(record, columns, again, fresh, z)
    yield _size(record, again)
    yield _claims(record, again)
    yield _artifact(record, again)
    yield _speed(record, again, z)


def agree(found: tuple[Check, ...]) -> bool:
    """Whether nothing contradicts, on a fresh test set and with accuracy and size compared."""
    needed = {check.name: check.agrees for check in found}
    return all(check.agrees is not False for check in found) and all(needed.get(name) for name in ("test set", "accuracy", "size"))


def _test_set(record: Record, again: Record) -> Check:
    fresh = record.provenance.test_sha256 != again.provenance.test_sha256
    return Check("test set", fresh, "fresh" if fresh else "the very one that it was submitted with, which might have been learnt by heart")


def _accuracy(record: Record, columns: Columns, again: Record, fresh: Columns, z: float) -> Check:
    assert record.accuracy is not None
    assert again.accuracy is not None
    metric = record.accuracy.metric
    if metric != again.accuracy.metric:
        return Check("accuracy", False, f"it is given as {metric}, and the model's metric is {again.accuracy.metric}")
    gap = independent_difference(columns[metric], fresh[metric], z)
    values = [np.mean(column[metric]) for column in (columns, fresh)]
    words = f"{find(metric).title} {values[0]:.3f} submitted, {values[1]:.3f} here: difference {gap.low:+.3f} to {gap.high:+.3f}"
    return Check("accuracy", gap.low <= 0 <= gap.high, words)


def independent_difference(one: Array, other: Array, z: float = Z) -> Estimate:
    """Mean of one minus mean of the other, of different items, shapes (items,): both bool, or degrees."""
    if one.dtype == other.dtype == np.bool_:
        p, q = wilson_counts(float(one.sum()), len(one), z), wilson_counts(float(other.sum()), len(other), z)
        gap = p.value - q.value
        low = gap - math.hypot(p.value - p.low, q.high - q.value)
        return Estimate(gap, max(-1.0, low), min(1.0, gap + math.hypot(p.high - p.value, q.value - q.low)))
    gap = float(np.mean(one)) - float(np.mean(other))
    parts = [float(np.var(side, ddof=1)) / len(side) if len(side) > 1 else 0.0 for side in (one, other)]
    total = sum(parts)
    if total == 0:
        return Estimate(gap, gap, gap)
    freedom = total**2 / sum(part**2 / (len(side) - 1) for part, side in zip(parts, (one, other), strict=True) if part)
    half = z / Z * student_quantile(min(freedom, 2000.0)) * math.sqrt(total)
    return Estimate(gap, gap - half, gap + half)


def _size(record: Record, again: Record) -> Check:
    theirs, mine = record.figures(), again.figures()
    assert record.artifact is not None
    assert again.artifact is not None
    before = (record.artifact.baseline_parameters, again.artifact.baseline_parameters)
    if before[0] != before[1]:
        return Check("size", False, f"{before[0]:,} parameters uncompressed submitted, {before[1]:,} here")
    for name in (*SIZES, "zstd_bytes"):
        one, other = theirs.get(name), mine.get(name)
        if one is not None and other is not None and abs(one - other) > (PRESSED * other if name == "zstd_bytes" else 0):
            return Check("size", False, f"{find(name).title} {one:,.0f} submitted, {other:,.0f} here")
    return Check("size", True, f"{theirs['bytes']:,.0f} bytes, as submitted")


def _claims(record: Record, again: Record) -> Check:
    """What the card claims and whether it holds; what was found is told in words, which may change with the suite."""
    theirs, mine = ([(claim.claim, claim.claimed, claim.holds) for claim in one.artifact.claims] for one in (record, again) if one.artifact)
    other = next((claim for claim in theirs if claim not in mine), None)
    if other is None and len(theirs) == len(mine):
        return Check("claims", True, f"{len(mine)} as submitted" if mine else "none, as submitted")
    return Check(
        "claims", False, f"{other[0]} {other[1]} submitted, and not claimed here" if other else "fewer submitted than there are here"
    )


def _artifact(record: Record, again: Record) -> Check:
    theirs, mine = record.provenance.artifact_sha256, again.provenance.artifact_sha256
    if theirs == mine:
        return Check("artifact", True, "the very same files")
    libraries = (record.environment.libraries, again.environment.libraries)
    other = next((name for name in sorted({*libraries[0], *libraries[1]}) if libraries[0].get(name) != libraries[1].get(name)), None)
    kernels = record.environment.other_kernels(again.environment)
    if other is not None:
        return Check("artifact", None, f"other files, made with another version of {other}")
    if kernels is not None or record.environment.cpu != again.environment.cpu:
        return Check("artifact", None, "other files, made on another processor")
    return Check("artifact", False, "other files, made with the same libraries on the same kind of processor")


def _speed(record: Record, again: Record, z: float) -> Check:
    if record.latency is None or again.latency is None:
        return Check("speed-up", None, "it was not timed")
    if record.environment.host != again.environment.host or record.environment.other_kernels(again.environment):
        return Check("speed-up", None, f"submitted from another machine ({record.environment.host})")
    if not all(one.latency and one.latency.health and one.latency.health.ranked for one in (record, again)):
        return Check("speed-up", None, "one of the two was timed on a machine that was not quiet enough")
    logs = [[math.log(value) for value in (e.low, e.value, e.high)] for e in (record.latency.speed_up, again.latency.speed_up)]
    half = z / Z * math.hypot(*(max(high - value, value - low) for low, value, high in logs)) + SPEED_MARGIN
    words = f"{record.latency.speed_up.value:.2f}x submitted, {again.latency.speed_up.value:.2f}x here"
    return Check("speed-up", abs(logs[0][1] - logs[1][1]) <= half, words)
