"""Whether times look like times. A forger who writes numbers down by hand, copies them or scales the baseline's is seen; one who takes the
trouble to draw them from a good model of noise is not: only measuring again tells (`squeezemark reproduce`)."""

from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np

from suite.record import Record
from suite.submission.texts import shown

Array = np.ndarray[Any, np.dtype[Any]]

PREFIXES = "component:", "first_call:"
ENOUGH = 50
"""Fewer times than these may look like anything."""
DISTINCT = 0.02
"""At least such a share of the times of one column differ. Of the published ones 86 % and more do."""
COARSE_NS = 1000
"""A clock of which every reading is a multiple of this counts no nanoseconds."""
SAME_SHAPE = 0.002
"""The standard deviation of log(baseline / artifact) over calls. Of the published records, none has less than 0.018."""


def problems(record: Record, columns: Mapping[str, Array]) -> Iterator[str]:
    """What times that were measured are not."""
    if record.latency is not None and not {"baseline_ns", "compressed_ns"} <= columns.keys():
        yield "it has a latency and no times"
        return
    for name, array in columns.items():
        if name.endswith("_ns") or name.startswith(PREFIXES):
            yield from (f"{shown(name, 60)} {problem}" for problem in _of_column(array))
    if record.latency is not None:
        yield from _of_pair(columns["baseline_ns"], columns["compressed_ns"])


def _of_column(array: Array) -> Iterator[str]:
    if array.dtype.kind == "f" and not (np.isfinite(array).all() and (array == np.floor(array)).all()):
        yield "has times that are no whole nanoseconds"
        return
    if array.size == 0 or (array <= 0).any():
        yield "has no times, or some that are not above 0"
        return
    if array.size < ENOUGH:
        return
    distinct = np.unique(array).size
    if distinct < max(3, DISTINCT * array.size):
        yield f"has only {distinct} different times among {array.size}"
    if np.gcd.reduce(array.ravel().astype(np.int64)) >= COARSE_NS:
        yield "has nothing but multiples of a microsecond"
    rows = array.reshape(-1, array.shape[-1])
    if array.ndim == 3 and array.shape[-1] >= 4 and len(np.unique(rows, axis=0)) < len(rows):
        yield "has a block of times twice"


def _of_pair(baseline: Array, compressed: Array) -> Iterator[str]:
    if baseline.shape != compressed.shape or baseline.size < ENOUGH or min(baseline.min(), compressed.min()) <= 0:
        return
    spread = float(np.std(np.log(baseline.astype(np.float64)) - np.log(compressed.astype(np.float64))))
    if spread < SAME_SHAPE:
        yield f"the artifact's times are the baseline's but for a factor (their ratio varies by {spread:.2%})"
