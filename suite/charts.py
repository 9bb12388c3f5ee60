"""Geometry of the site's charts, computed when it is built: results in, plain numbers for SVG templates out. No words, no markup."""

import math
import re
from dataclasses import dataclass
from functools import cache
from statistics import median
from typing import Any

import numpy as np

from suite.record import Estimate
from suite.summarize import Row

Array = np.ndarray[Any, np.dtype[Any]]

SHAPES = {
    "circle": "M-4.6 0a4.6 4.6 0 1 0 9.2 0a4.6 4.6 0 1 0-9.2 0Z",
    "square": "M-4.2-4.2H4.2V4.2H-4.2Z",
    "diamond": "M0-5.8L5.8 0L0 5.8L-5.8 0Z",
    "triangle": "M0-5.4L5.4 4.2H-5.4Z",
    "wedge": "M0 5.4L5.4-4.2H-5.4Z",
    "plus": "M-1.8-5.2H1.8V-1.8H5.2V1.8H1.8V5.2H-1.8V1.8H-5.2V-1.8H-1.8Z",
    "hexagon": "M-5.2 0L-2.6-4.5H2.6L5.2 0L2.6 4.5H-2.6Z",
    "star": "M0-6.2L1.7-1.9L6.2-1.9L2.6 1L3.9 5.4L0 2.8L-3.9 5.4L-2.6 1L-6.2-1.9L-1.7-1.9Z",
    "bar": "M-5.6-2H5.6V2H-5.6Z",
    "cross": "M-4.6-2.6L-2.6-4.6L0-2L2.6-4.6L4.6-2.6L2 0L4.6 2.6L2.6 4.6L0 2L-2.6 4.6L-4.6 2.6L-2 0Z",
}
"""SVG paths around the origin."""

FAMILY_SHAPES = {
    "baseline": "star",
    "quantization": "circle",
    "pruning": "triangle",
    "distillation": "square",
    "low-rank": "diamond",
    "structure": "wedge",
    "token reduction": "plus",
    "runtime": "hexagon",
    "recipe": "bar",
}
"""A family has a shape and, in the style sheet, a colour: neither is needed to tell it from the others."""


@dataclass(frozen=True, slots=True)
class Frame:
    """A drawing's size and the margins of its plot, in SVG units."""

    width: float
    height: float
    left: float
    right: float
    top: float
    bottom: float


@dataclass(frozen=True, slots=True)
class Tick:
    """A labelled position on an axis."""

    at: float
    text: str


@dataclass(frozen=True, slots=True)
class Axis:
    """Maps values to positions: `low` lies at `start`, `high` at `end`. `log` is for ratios."""

    low: float
    high: float
    start: float
    end: float
    log: bool = False

    def at(self, value: float) -> float:
        """The position of a value, held inside the axis."""
        low, high = self._warp(self.low), self._warp(self.high)
        share = (self._warp(value) - low) / (high - low) if high > low else 0.5
        return round(self.start + min(1.0, max(0.0, share)) * (self.end - self.start), 1)

    def all_at(self, values: Array) -> list[float]:
        """The positions of many, float64 (n,)."""
        low, high = self._warp(self.low), self._warp(self.high)
        warped = np.log(np.maximum(values, 1e-12)) if self.log else values
        shares = (warped - low) / (high - low) if high > low else np.full(values.shape, 0.5)
        return [round(place, 1) for place in (self.start + np.clip(shares, 0.0, 1.0) * (self.end - self.start)).tolist()]

    def ticks(self, most: int = 7) -> tuple[Tick, ...]:
        """Round values within the axis, about half of `most` to `most` of them."""
        narrow = not self.log or self.high < 1.6 * self.low
        values = _linear_ticks(self.low, self.high, most) if narrow else _log_ticks(self.low, self.high, most)
        return tuple(Tick(self.at(value), f"{value:.6g}") for value in values)

    def _warp(self, value: float) -> float:
        return math.log(max(value, 1e-12)) if self.log else value


def _linear_ticks(low: float, high: float, most: int) -> list[float]:
    span = max(high - low, 1e-9)
    unit = 10 ** math.floor(math.log10(span / most))
    step = next(unit * factor for factor in (1, 2, 2.5, 5, 10, 20) if span / (unit * factor) <= most)
    return [index * step for index in range(math.ceil(low / step - 1e-9), math.floor(high / step + 1e-9) + 1)]


def _log_ticks(low: float, high: float, most: int) -> list[float]:
    decades = range(math.floor(math.log10(low)), math.ceil(math.log10(high)) + 1)
    found: list[float] = []
    for digits in ((1,), (1, 3), (1, 2, 5), (1, 1.5, 2, 3, 5, 7), (1, 1.5, 2, 2.5, 3, 4, 5, 6, 8)):
        values = [digit * 10**decade for decade in decades for digit in digits if low <= digit * 10**decade <= high]
        if len(values) > most:
            break
        found = values
    return found


@dataclass(frozen=True, slots=True)
class Step:
    """One row of a ladder: its height and the ends of its interval. Without an accuracy, only its height.

    joined: it continues the step above (keep_50 after keep_75).
    """

    row: Row
    y: float
    joined: bool
    x: float | None
    x_low: float | None
    x_high: float | None


@dataclass(frozen=True, slots=True)
class Ladder:
    """A method's variants from top to bottom against accuracy from 0 to 1, so that ladders may be compared."""

    frame: Frame
    ticks: tuple[Tick, ...]
    steps: tuple[Step, ...]
    baseline: float | None


def ladder(rows: tuple[Row, ...], baseline: Estimate | None) -> Ladder:
    """Rows in the order in which they are given."""
    frame = Frame(343, 24 * len(rows) + 34, left=128, right=14, top=8, bottom=26)
    axis = Axis(0.0, 1.0, frame.left, frame.width - frame.right)
    stems = [re.sub(r"_?\d+$", "", row.record.cell.variant) if row.accuracy else None for row in rows]
    joined = [index > 0 and stem is not None and stem == stems[index - 1] for index, stem in enumerate(stems)]
    steps = tuple(_step(row, frame.top + 24 * index + 12, joined[index], axis) for index, row in enumerate(rows))
    return Ladder(frame, axis.ticks(5), steps, axis.at(baseline.value) if baseline else None)


def _step(row: Row, y: float, joined: bool, axis: Axis) -> Step:
    found = row.accuracy
    if found is None:
        return Step(row, y, joined, None, None, None)
    return Step(row, y, joined, axis.at(found.value), axis.at(found.low), axis.at(found.high))


@dataclass(frozen=True, slots=True)
class Launch:
    """One launch of the worker: the speed-ups of its ABBA quads as a path of dots, and the position of their median; None of a launch that
    did not have its core, and was left out."""

    y: float
    quads: str
    median: float | None


@dataclass(frozen=True, slots=True)
class Strips:
    """A strip of quads for each launch beside the published speed-up and its interval."""

    frame: Frame
    ticks: tuple[Tick, ...]
    launches: tuple[Launch, ...]
    x: float
    x_low: float
    x_high: float
    neutral: float | None


def strips(log_ratios: Array, estimate: Estimate) -> Strips:
    """`log_ratios`: shape (launches, quads), log(baseline / artifact); NaN is a quad that was left out."""
    ratios = np.exp(log_ratios)
    frame = Frame(343, 22 * len(ratios) + 40, left=62, right=14, top=8, bottom=32)
    low, high = min(float(np.nanmin(ratios)), estimate.low), max(float(np.nanmax(ratios)), estimate.high)
    room = 1 + max(0.01, 0.05 * (high / low - 1))
    axis = Axis(low / room, high * room, frame.left, frame.width - frame.right, log=True)
    launches = tuple(_launch(quads, frame.top + 22 * index + 11, axis) for index, quads in enumerate(ratios))
    neutral = axis.at(1.0) if axis.low <= 1.0 <= axis.high else None
    return Strips(frame, axis.ticks(5), launches, axis.at(estimate.value), axis.at(estimate.low), axis.at(estimate.high), neutral)


def _launch(quads: Array, y: float, axis: Axis) -> Launch:
    known = quads[~np.isnan(quads)]
    dots = "".join(f"M{place} {y}h0" for place in axis.all_at(known))
    return Launch(y, dots, axis.at(median(known.tolist())) if known.size else None)


@dataclass(frozen=True, slots=True)
class Histogram:
    """Timed calls of the baseline and of the artifact over milliseconds, as outlines of the same area."""

    frame: Frame
    ticks: tuple[Tick, ...]
    baseline: str
    compressed: str


BINS = 72


def histogram(baseline_ns: Array, compressed_ns: Array) -> Histogram:
    """Both of any shape. The slowest hundredth of each is outside the drawing."""
    sides = [np.asarray(side, np.float64).ravel() / 1e6 for side in (baseline_ns, compressed_ns)]
    low, high = min(float(side.min()) for side in sides), max(float(np.percentile(side, 99)) for side in sides)
    frame = Frame(343, 150, left=14, right=14, top=8, bottom=32)
    axis = Axis(low, max(high, low * 1.01), frame.left, frame.width - frame.right)
    counts = [np.histogram(side, BINS, (axis.low, axis.high))[0] / side.size for side in sides]
    tallest = max(float(count.max()) for count in counts) or 1.0
    outlines = [_outline(count / tallest, axis, frame) for count in counts]
    return Histogram(frame, axis.ticks(), outlines[0], outlines[1])


def _outline(heights: Array, axis: Axis, frame: Frame) -> str:
    floor = frame.height - frame.bottom
    tops = (floor - heights * (floor - frame.top)).tolist()
    path = "".join(f"V{top:.1f}{right}" for top, right in zip(tops, _edges(axis.start, axis.end), strict=True))
    return f"M{axis.start:.1f} {floor}{path}V{floor}Z"


@cache
def _edges(start: float, end: float) -> tuple[str, ...]:
    """The right edges of the bins, as a path has them."""
    return tuple(f"H{start + (index + 1) * ((end - start) / BINS):.1f}" for index in range(BINS))
