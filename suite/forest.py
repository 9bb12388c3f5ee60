"""Geometry of a forest plot: differences with their intervals around zero, one below the other. No words, no markup."""

from collections.abc import Iterable
from dataclasses import dataclass

from suite.charts import Axis, Frame, Tick
from suite.judge import Judgement, Point

WIDTH, ROW = 343.0, 36.0
ROOM = 0.06
"""Share of the span that is left free at both ends."""

REACH = 5
"""What lies further from zero than so many thresholds is drawn on the edge, so that what happens near the threshold can be seen."""


LINES = 60
"""No more comparisons of one model than this are shown."""


@dataclass(frozen=True, slots=True)
class Whisker:
    """A comparison: the height of its name and of its mark, the mark and the ends of its interval. beyond: it is drawn on the edge."""

    point: Point
    name_y: float
    y: float
    x: float
    x_low: float
    x_high: float
    beyond: bool


@dataclass(frozen=True, slots=True)
class Forest:
    """zero: where nothing differs. threshold: what the differences are held against, if it is something else. more: not shown."""

    frame: Frame
    ticks: tuple[Tick, ...]
    whiskers: tuple[Whisker, ...]
    zero: float
    threshold: float | None
    more: int

    @property
    def beyond(self) -> int:
        """How many marks are drawn on the edge."""
        return sum(whisker.beyond for whisker in self.whiskers)


def forests(judgement: Judgement) -> tuple[Forest | None, ...]:
    """One for each verdict that has points, on the same axis, so that models may be compared. Shares are drawn in per cent."""
    every = [point for verdict in judgement.verdicts for point in verdict.points]
    threshold = judgement.known.threshold
    edges = [_scaled(point, value) for point in every for value in (point.gap.low, point.gap.high)]
    low, high = min([*edges, threshold, 0.0]), max([*edges, threshold, 0.0])
    if threshold:
        low, high = max(low, -REACH * abs(threshold)), min(high, REACH * abs(threshold))
    room = max((high - low) * ROOM, 0.001)
    return tuple(_forest(verdict.points, low - room, high + room, threshold) for verdict in judgement.verdicts)


def _forest(points: Iterable[Point], low: float, high: float, threshold: float) -> Forest | None:
    every = tuple(points)
    points = every[:LINES]
    if not points:
        return None
    frame = Frame(WIDTH, ROW * len(points) + 34, left=8, right=8, top=4, bottom=28)
    axis = Axis(low, high, frame.left, frame.width - frame.right)
    whiskers = tuple(_whisker(point, frame.top + ROW * index, axis) for index, point in enumerate(points))
    ticks = tuple(Tick(tick.at, _signed(tick.text) + ("%" if points[0].share else "")) for tick in axis.ticks(6))
    return Forest(frame, ticks, whiskers, axis.at(0.0), axis.at(threshold) if threshold else None, len(every) - len(points))


def _whisker(point: Point, top: float, axis: Axis) -> Whisker:
    value, low, high = (axis.at(_scaled(point, edge)) for edge in (point.gap.value, point.gap.low, point.gap.high))
    return Whisker(point, top + 13, top + 24, value, low, high, not axis.low <= _scaled(point, point.gap.value) <= axis.high)


def _scaled(point: Point, value: float) -> float:
    return value * 100 if point.share else value


def _signed(text: str) -> str:
    return text.replace("-", "\N{MINUS SIGN}") if text.startswith("-") else f"+{text}" if float(text) else "0"
