"""Geometry of a time line: one figure of a variant from release to release, with its interval. No words, no markup."""

from collections.abc import Sequence
from dataclasses import dataclass

from suite.charts import Axis, Frame, Tick
from suite.publishing.history import Verdict
from suite.record import Estimate

WIDTH, HEIGHT = 343.0, 176.0
ROOM = 0.16
"""Share of the span that is left free above and below, for the words at a mark."""

NAME = 72.0
"""What the name of a release, or the word at a mark, takes of the width."""


@dataclass(frozen=True, slots=True)
class Reading:
    """A figure in one release. value: None where there is none. fresh: it was measured for this release. joined: it may be held against
    the one before. turn: what the rule of releases says of that step."""

    release: str
    value: Estimate | None
    fresh: bool
    joined: bool
    turn: Verdict | None = None


@dataclass(frozen=True, slots=True)
class Mark:
    """A reading that has a value: which of all it is, and where it and the ends of its interval lie."""

    place: int
    reading: Reading
    x: float
    y: float
    y_low: float
    y_high: float


@dataclass(frozen=True, slots=True)
class Timeline:
    """Releases to the right, evenly spaced. names: of those releases for which there is room, the newest among them. worded: whether the
    words of a turn have room at their marks. neutral: the height of what is neither better nor worse."""

    frame: Frame
    names: tuple[Tick, ...]
    ticks: tuple[Tick, ...]
    marks: tuple[Mark, ...]
    path: str
    neutral: float | None
    worded: bool


def timeline(readings: Sequence[Reading], neutral: float | None = None, log: bool = False) -> Timeline | None:
    """None if no reading has a value. `log`: for ratios, all of them above 0."""
    known = [reading.value for reading in readings if reading.value is not None]
    if not known:
        return None
    frame = Frame(WIDTH, HEIGHT, left=52, right=40, top=12, bottom=28)
    upright = _upright([edge for value in known for edge in (value.low, value.high)], frame, neutral, log)
    across = Axis(0.0, max(1.0, len(readings) - 1.0), frame.left + 24, frame.width - frame.right)
    marks = tuple(
        Mark(place, reading, across.at(place), *(upright.at(edge) for edge in (reading.value.value, reading.value.low, reading.value.high)))
        for place, reading in enumerate(readings)
        if reading.value is not None
    )
    path = "".join(f"{'L' if index and mark.reading.joined else 'M'}{mark.x} {mark.y}" for index, mark in enumerate(marks))
    step = (across.end - across.start) / max(1, len(readings) - 1)
    inside = neutral is not None and upright.low <= neutral <= upright.high
    level = upright.at(neutral) if neutral is not None and inside else None
    return Timeline(
        frame,
        _names(readings, across, step),
        tuple(Tick(tick.at, tick.text.replace("-", "\N{MINUS SIGN}")) for tick in upright.ticks(5)),
        marks,
        path,
        level,
        step >= NAME,
    )


def _upright(edges: list[float], frame: Frame, neutral: float | None, log: bool) -> Axis:
    """Holds every interval, and what is neutral if it is near."""
    low, high = min(edges), max(edges)
    if neutral is not None:
        span = max(high - low, 0.02)
        low, high = (min(low, neutral) if low - neutral < span else low), (max(high, neutral) if neutral - high < span else high)
    if log:
        room = max((high / low) ** ROOM, 1.01)
        return Axis(low / room, high * room, frame.height - frame.bottom, frame.top, log=True)
    wide = max((high - low) * ROOM, abs(high) * 0.02, 0.001)
    return Axis(low - wide, high + wide, frame.height - frame.bottom, frame.top)


def _names(readings: Sequence[Reading], across: Axis, step: float) -> tuple[Tick, ...]:
    """Counted from the newest."""
    every = next(count for count in range(1, len(readings) + 1) if count * step >= NAME or count == len(readings))
    last = len(readings) - 1
    return tuple(Tick(across.at(place), readings[place].release) for place in range(last, -1, -every))[::-1]
