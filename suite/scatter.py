"""Geometry of accuracy against a gain: points with whiskers, the frontier, and names that collide with nothing."""

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from suite.charts import Array, Axis, Frame, Tick
from suite.record import Estimate
from suite.summarize import Board, Row

POINTS = 400
"""About this many points are drawn in one chart at most; those of the frontier always are."""

WIDE = Frame(620, 400, left=46, right=14, top=26, bottom=46)
NARROW = Frame(343, 340, left=40, right=8, top=26, bottom=46)

TEXT = 11.5
"""Size of a label in SVG units; the style sheet says the same."""

Box = tuple[float, float, float, float]


@dataclass(frozen=True, slots=True)
class Mark:
    """A row's point and the ends of its whiskers. `below`: it lies under the axis and is drawn on its edge."""

    row: Row
    x: float
    y: float
    x_low: float
    x_high: float
    y_low: float
    y_high: float
    frontier: bool
    below: bool


@dataclass(frozen=True, slots=True)
class Label:
    """A mark's name; `anchor` as in SVG. A distant one has a leader line."""

    text: str
    row: Row
    x: float
    y: float
    anchor: str
    leader: Box | None


@dataclass(frozen=True, slots=True)
class Scatter:
    """Better is to the right and up. neutral, baseline: positions of no gain and of the baseline's accuracy. omitted: rows undrawn."""

    frame: Frame
    x_ticks: tuple[Tick, ...]
    y_ticks: tuple[Tick, ...]
    marks: tuple[Mark, ...]
    frontier: str
    labels: tuple[Label, ...]
    neutral: float | None
    baseline: float | None
    omitted: int

    @property
    def below(self) -> int:
        """How many marks lie under the axis."""
        return sum(mark.below for mark in self.marks)


@dataclass(frozen=True, slots=True)
class _Point:
    row: Row
    gain: Estimate
    accuracy: Estimate
    frontier: bool


def size_chart(board: Board, frame: Frame) -> Scatter | None:
    """Accuracy against megabytes, smaller to the right; None if there is nothing to compare."""
    neutral = None if board.baseline is None else _megabytes(board.baseline)
    points = _points(board, _megabytes, lambda row: row.size_frontier)
    return _scatter(board, points, frame, neutral.value if neutral else None, reverse=True)


def speed_chart(board: Board, frame: Frame) -> Scatter | None:
    """Accuracy against speed-up; None if there is nothing to compare."""
    points = _points(board, lambda row: row.speed_up, lambda row: row.latency_frontier)
    return _scatter(board, points, frame, 1.0, reverse=False)


def _megabytes(row: Row) -> Estimate | None:
    return None if row.bytes is None else Estimate(row.bytes / 1e6, row.bytes / 1e6, row.bytes / 1e6)


def _points(board: Board, gain: Callable[[Row], Estimate | None], frontier: Callable[[Row], bool]) -> list[_Point]:
    found = ((row, gain(row), row.accuracy) for row in board.rows)
    return [_Point(row, x, y, frontier(row)) for row, x, y in found if x is not None and y is not None]


def _scatter(board: Board, points: list[_Point], frame: Frame, neutral: float | None, reverse: bool) -> Scatter | None:
    if len(points) < 2:
        return None
    step = math.ceil(len(points) / POINTS)
    drawn = [point for index, point in enumerate(points) if point.frontier or point.row.is_baseline or index % step == 0]
    x_axis, y_axis = _gain_axis(drawn, neutral, frame, reverse), _accuracy_axis(drawn, frame)
    marks = tuple(_mark(point, x_axis, y_axis) for point in drawn)
    baseline = board.baseline.accuracy if board.baseline else None
    return Scatter(
        frame=frame,
        x_ticks=x_axis.ticks(),
        y_ticks=y_axis.ticks(),
        marks=marks,
        frontier=_staircase([mark for mark in marks if mark.frontier]),
        labels=place_labels(marks, frame),
        neutral=None if neutral is None else x_axis.at(neutral),
        baseline=None if baseline is None else y_axis.at(baseline.value),
        omitted=len(points) - len(drawn),
    )


def _gain_axis(points: list[_Point], neutral: float | None, frame: Frame, reverse: bool) -> Axis:
    lows, highs = [point.gain.low for point in points], [point.gain.high for point in points]
    low, high = min([*lows, neutral or math.inf]), max([*highs, neutral or 0.0])
    low = max(low, high / 1e4)
    room = math.exp(max(0.05 * math.log(high / low), 0.03))
    start, end = frame.left, frame.width - frame.right
    return Axis(low / room, high * room, *((end, start) if reverse else (start, end)), log=True)


def _accuracy_axis(points: list[_Point], frame: Frame) -> Axis:
    """Down to half the best accuracy: what lost more is drawn on the edge, so that small differences can be seen."""
    best = max(point.accuracy.value for point in points)
    shown = [point.accuracy for point in points if point.accuracy.value >= best / 2]
    low, high = min(accuracy.low for accuracy in shown), max(accuracy.high for accuracy in shown)
    if len(shown) < len(points):
        low = min(low, best / 2)
    room = max((high - low) * 0.05, 0.004)
    return Axis(max(0.0, low - room), min(1.0, high + room), frame.height - frame.bottom, frame.top)


def _mark(point: _Point, x_axis: Axis, y_axis: Axis) -> Mark:
    gain, accuracy = point.gain, point.accuracy
    return Mark(
        row=point.row,
        x=x_axis.at(gain.value),
        y=y_axis.at(accuracy.value),
        x_low=x_axis.at(gain.low),
        x_high=x_axis.at(gain.high),
        y_low=y_axis.at(accuracy.low),
        y_high=y_axis.at(accuracy.high),
        frontier=point.frontier,
        below=accuracy.value < y_axis.low,
    )


def _staircase(marks: list[Mark]) -> str:
    """The path that bounds what the frontier dominates: down, then right."""
    ordered = sorted(marks, key=lambda mark: (mark.x, mark.y))
    steps = "".join(f"V{mark.y}H{mark.x}" for mark in ordered[1:])
    return f"M{ordered[0].x} {ordered[0].y}{steps}" if ordered else ""


def _places() -> Iterator[tuple[float, float, str]]:
    """Offsets from a mark at which its label may stand, nearest first."""
    yield from ((10, 4, "start"), (-10, 4, "end"), (0, -11, "middle"), (0, 19, "middle"))
    for distance in (22, 36, 52, 70, 90, 112, 136, 164, 194):
        for right, down in ((0.75, 0.75), (-0.75, 0.75), (0.75, -0.6), (-0.75, -0.6), (0.3, 1.0), (-0.3, 1.0)):
            yield distance * right, distance * down, "start" if right > 0 else "end"


PLACES = tuple(_places())


def place_labels(marks: Sequence[Mark], frame: Frame) -> tuple[Label, ...]:
    """Names of the frontier's marks, each at its nearest free place; one that finds none is left out."""
    points = np.array([(mark.x - 6, mark.y - 6, mark.x + 6, mark.y + 6) for mark in marks]).T
    placed: list[Label] = []
    for mark in sorted((mark for mark in marks if mark.frontier), key=lambda mark: (mark.y, mark.x)):
        free = (label for label in _candidates(mark) if _is_free(label, points, placed, frame))
        label = next(free, None)
        if label is not None:
            placed.append(label)
    return tuple(placed)


def _candidates(mark: Mark) -> Iterator[Label]:
    cell = mark.row.record.cell
    for dx, dy, anchor in PLACES:
        leader = _leader(mark, dx, dy) if math.hypot(dx, dy) > 20 else None
        yield Label(f"{cell.method} · {cell.variant}", mark.row, round(mark.x + dx, 1), round(mark.y + dy, 1), anchor, leader)


def _leader(mark: Mark, dx: float, dy: float) -> Box:
    near = 7 / math.hypot(dx, dy)
    return round(mark.x + near * dx, 1), round(mark.y + near * dy, 1), round(mark.x + dx, 1), round(mark.y + dy - 4, 1)


def _is_free(label: Label, points: Array, placed: list[Label], frame: Frame) -> bool:
    box = _box(label)
    if box[0] < frame.left or box[1] < frame.top - TEXT or box[2] > frame.width or box[3] > frame.height - frame.bottom:
        return False
    if np.any((box[0] < points[2]) & (points[0] < box[2]) & (box[1] < points[3]) & (points[1] < box[3])):
        return False
    return not any(_overlap(box, _box(other)) or _crosses(label.leader, _box(other)) or _crosses(other.leader, box) for other in placed)


def _box(label: Label) -> Box:
    width = 0.58 * TEXT * len(label.text)
    left = label.x - {"start": 0.0, "middle": width / 2, "end": width}[label.anchor]
    return left, label.y - TEXT, left + width, label.y + 3


def _overlap(one: Box, other: Box) -> bool:
    return one[0] < other[2] and other[0] < one[2] and one[1] < other[3] and other[1] < one[3]


def _crosses(line: Box | None, box: Box) -> bool:
    """Whether a leader line passes through a box, looked at in steps of a few units."""
    if line is None:
        return False
    steps = 1 + int(math.hypot(line[2] - line[0], line[3] - line[1]) / 4)
    ends = ((line[0] + (line[2] - line[0]) * step / steps, line[1] + (line[3] - line[1]) * step / steps) for step in range(steps + 1))
    return any(box[0] < x < box[2] and box[1] < y < box[3] for x, y in ends)
