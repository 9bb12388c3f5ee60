"""Holds the known results against the boards: holds, does not hold, cannot be told, with the figures. Pure: rows and raw columns in."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from statistics import NormalDist
from typing import Literal

from suite.comparable import first_difference
from suite.known import KNOWN, MARGIN, NOTES, Above, Known, OnFrontier, OnlyDownload, Within
from suite.pages import BoardView
from suite.record import Estimate
from suite.statistics import Z, difference
from suite.summarize import SIZE_MARGIN, Columns, Row
from suite.wording import say

State = Literal["holds", "fails", "open", "missing"]
STATES: tuple[State, ...] = ("holds", "fails", "open", "missing")

NOTHING = say("none of it has been measured yet")

HIDDEN = 0.05
"""So large a speed-up may not hide in the interval of one that is said to be none."""


@dataclass(frozen=True, slots=True)
class Point:
    """One comparison. gap: `one`'s score minus `other`'s; where `share`, the change of a figure as a share of `other`'s."""

    label: str
    one: Row
    other: Row
    gap: Estimate
    share: bool
    state: State


@dataclass(frozen=True, slots=True)
class Verdict:
    """A known result on one board. absent: what could not be held against it, in words. note: why it does not hold, if somebody knows."""

    view: BoardView
    state: State
    points: tuple[Point, ...]
    absent: tuple[str, ...]
    note: str | None


@dataclass(frozen=True, slots=True)
class Judgement:
    """A known result on every board."""

    known: Known
    verdicts: tuple[Verdict, ...]

    @property
    def counts(self) -> Mapping[State, int]:
        """How many boards have each state."""
        return {state: sum(verdict.state == state for verdict in self.verdicts) for state in STATES}

    @property
    def shares(self) -> bool:
        """Whether its figures are changes as shares, not differences of scores."""
        return any(point.share for verdict in self.verdicts for point in verdict.points)

    @property
    def absent(self) -> tuple[str, ...]:
        """What could not be held against it on any board, each reason once; not that there is nothing at all."""
        return tuple(dict.fromkeys(reason for verdict in self.verdicts for reason in verdict.absent if reason != NOTHING))


def judge(views: Iterable[BoardView], columns: Columns, known: Iterable[Known] = KNOWN) -> tuple[Judgement, ...]:
    """Every known result, in the order of its table."""
    views = tuple(views)
    return tuple(Judgement(one, tuple(_verdict(one, view, columns) for view in views)) for one in known)


def _verdict(known: Known, view: BoardView, columns: Columns) -> Verdict:
    case = _Case(view, columns)
    rule = known.rule
    if isinstance(rule, Above):
        points = tuple(case.above(rule))
        state = every(points)
    elif isinstance(rule, Within):
        points = tuple(case.within(rule))
        state = some(points)
    elif isinstance(rule, OnFrontier):
        points = tuple(case.on_frontier(rule))
        state = "holds" if case.unrivalled else some(points)
    else:
        points = tuple(case.only_download(rule))
        state = every(points) if len(points) == 3 else _at_best_open(points)
    note = NOTES.get((known.id, view.board.model)) if state == "fails" else None
    return Verdict(view, state, points, tuple(dict.fromkeys(case.absent)), note)


def every(points: Iterable[Point]) -> State:
    """Of a result that each comparison must show."""
    states = {point.state for point in points}
    return "missing" if not states else "fails" if "fails" in states else "holds" if states == {"holds"} else "open"


def some(points: Iterable[Point]) -> State:
    """Of a result that one comparison is enough for."""
    states = {point.state for point in points}
    return "missing" if not states else "holds" if "holds" in states else "fails" if states == {"fails"} else "open"


def _at_best_open(points: Iterable[Point]) -> State:
    state = every(points)
    return "open" if state == "holds" else state


def against(gap: Estimate, threshold: float) -> State:
    """On which side of the threshold a difference surely lies."""
    return "holds" if gap.low > threshold else "fails" if gap.high < threshold else "open"


class _Case:
    """One board under examination. Intervals are widened for the number of comparisons on the board (Bonferroni), so that of many
    one does not decide by chance. `absent` collects what could not be compared, and why.
    """

    def __init__(self, view: BoardView, columns: Columns) -> None:
        self.view, self.board, self.columns = view, view.board, columns
        self.rows = {f"{row.record.cell.method}/{row.record.cell.variant}": row for row in self.board.rows}
        self.absent: list[str] = []
        self.unrivalled = False

    def above(self, rule: Above) -> Iterator[Point]:
        """A point for each pair of which both were measured."""
        pairs = [(self._usable(one), self._usable(other)) for one, other in rule.pairs if one in self.rows or other in self.rows]
        usable = [(one, other) for one, other in pairs if one is not None and other is not None and self._alike(one, other)]
        if not pairs:
            self.absent.append(NOTHING)
        for one, other in usable:
            gap = self._gap(one, other, len(usable))
            yield Point(_name(one), one, other, gap, False, against(gap, 0.0))

    def within(self, rule: Within) -> Iterator[Point]:
        """A point for each variant of the methods, against the uncompressed model."""
        baseline, rows = self.board.baseline, [row for row in self.board.rows if row.record.cell.method in rule.methods]
        if not rows:
            self.absent.append(NOTHING)
        elif baseline is None:
            self.absent.append(say("no uncompressed model was measured beside it"))
        if baseline is None:
            return
        usable = [row for row in rows if self._usable("/".join(_key(row))) and self._alike(row, baseline)]
        for row in sorted(usable, key=_key):
            gap = self._gap(row, baseline, len(usable))
            yield Point(_name(row), row, baseline, gap, False, against(gap, -MARGIN))

    def on_frontier(self, rule: OnFrontier) -> Iterator[Point]:
        """A point for each variant that has rivals: of those that decide, the one that comes closest."""
        rows = [row for row in self.board.rows if row.record.cell.method == rule.method]
        if not rows:
            self.absent.append(NOTHING)
        for row in sorted((row for row in rows if self._usable("/".join(_key(row)))), key=_key):
            rivals = [other for other in self.board.rows if other is not row and _no_larger(other, row) and self._alike(row, other)]
            if not rivals:
                self.unrivalled = True
                self.absent.append(say("nothing on the board is as small as {name}", name="/".join(_key(row))))
                continue
            gaps = ((say("against {name}", name=_name(other)), other, gap) for other, gap in self._gaps(row, rivals))
            points = [Point(label, row, other, gap, False, against(gap, 0.0)) for label, other, gap in gaps]
            worst = every(points)
            yield min((point for point in points if point.state == worst), key=lambda point: (point.gap.value, point.label))

    def only_download(self, rule: OnlyDownload) -> Iterator[Point]:
        """Points for the size on disk, the download and the speed."""
        row, baseline = self._usable(rule.name), self.board.baseline
        if row is None or baseline is None or not self._alike(row, baseline):
            return
        size, download = (row.record.figures()[name] / baseline.record.figures()[name] - 1 for name in ("bytes", "zstd_bytes"))
        same: State = "holds" if abs(size) <= SIZE_MARGIN else "fails"
        yield Point(say("on disk"), row, baseline, Estimate(size, size, size), True, same)
        smaller: State = "holds" if download < -SIZE_MARGIN else "fails"
        yield Point(say("download"), row, baseline, Estimate(download, download, download), True, smaller)
        speed = row.speed_up
        if speed is None or row.not_ranked is not None or not self.view.ranks_latency:
            self.absent.append(say("its speed was not ranked"))
            return
        gain = Estimate(speed.value - 1, speed.low - 1, speed.high - 1)
        state: State = "fails" if row.speed_verdict == "better" else "holds" if gain.high < HIDDEN else "open"
        yield Point(say("speed"), row, baseline, gain, True, state)

    def _usable(self, name: str) -> Row | None:
        """The ok row of that method/variant; without one, `absent` says why."""
        row = self.rows.get(name)
        if row is None:
            self.absent.append(say("{name} has not been measured", name=name))
        elif row.accuracy is None:
            status = row.record.status.replace("_", " ")
            self.absent.append(say("{name}: {status}, {reason}", name=name, status=status, reason=row.record.reason))
        return row if row is not None and row.accuracy is not None else None

    def _alike(self, one: Row, other: Row) -> bool:
        differs = first_difference(one.record, other.record)
        if differs is not None:
            self.absent.append(
                say("the {key} of {one} and {other} differs", key=differs[0], one="/".join(_key(one)), other="/".join(_key(other)))
            )
        return differs is None

    def _gaps(self, row: Row, others: list[Row]) -> Iterator[tuple[Row, Estimate]]:
        return ((other, self._gap(row, other, len(others))) for other in others)

    def _gap(self, one: Row, other: Row, comparisons: int) -> Estimate:
        z = NormalDist().inv_cdf(1 - 0.025 / comparisons) if comparisons > 1 else Z
        metric = self.board.metric
        return difference(self.columns(one.record)[metric], self.columns(other.record)[metric], z)


def _key(row: Row) -> tuple[str, str]:
    return row.record.cell.method, row.record.cell.variant


def _name(row: Row) -> str:
    return " · ".join(_key(row))


def _no_larger(other: Row, row: Row) -> bool:
    return other.accuracy is not None and other.bytes is not None and row.bytes is not None and other.bytes <= row.bytes
