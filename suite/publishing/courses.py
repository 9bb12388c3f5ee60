"""What was measured more than once: a variant's figures from release to release, each beside the baseline that was released with it.

Only what a release measured anew has a course worth drawing; everything else has one record in every release that holds it.
"""

from collections.abc import Container, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property

from suite.evidence import Evidence
from suite.pages import BoardView, Cards
from suite.publishing.history import Move, moves, same_question
from suite.publishing.release import Release
from suite.publishing.timeline import Reading, Timeline, timeline
from suite.record import Estimate, Record
from suite.summarize import Row, summarize

Name = tuple[str, str]
"""Method and variant."""

SHOWN = 40
"""No more courses of one method are drawn; those that became worse come first, and the pages of the releases hold all of them."""


@dataclass(frozen=True, slots=True)
class Stop:
    """A variant in one release. fresh: this release measured it anew, or was the first to hold it. apart: it answers another question than
    the record before. moves: metric -> what moved against the record before, where that can be told."""

    release: str
    view: BoardView
    row: Row
    fresh: bool
    apart: bool
    moves: Mapping[str, Move]

    def turn(self, metric: str) -> Move | None:
        """What moved of a figure. That of a difference to the baseline is told by the accuracy itself, as on the release's page."""
        return self.moves.get(self.row.metric if metric in ("accuracy", "difference") else metric)


@dataclass(frozen=True)
class Course:
    """A variant on one board, oldest release first."""

    stops: tuple[Stop, ...]

    @property
    def last(self) -> Stop:
        """The newest."""
        return self.stops[-1]

    @property
    def regressions(self) -> int:
        """How many figures surely became worse, of all steps."""
        return sum(move.verdict == "regression" for stop in self.stops for move in stop.moves.values())

    @cached_property
    def drawings(self) -> tuple[tuple[str, Timeline], ...]:
        """Figure -> its time line: accuracy (the difference to the baseline, of anything but the baseline itself), size, speed-up."""
        first = ("accuracy", None, False) if self.last.row.is_baseline else ("difference", 0.0, False)
        drawn = ((name, self._drawn(name, neutral, log)) for name, neutral, log in (first, ("bytes", None, False), ("speed_up", 1.0, True)))
        return tuple((name, line) for name, line in drawn if line is not None)

    def _drawn(self, name: str, neutral: float | None, log: bool) -> Timeline | None:
        found = []
        for place, stop in enumerate(self.stops):
            move = stop.turn(name)
            joined = place > 0 and not stop.apart and _figure(self.stops[place - 1], name) is not None
            found.append(Reading(stop.release, _figure(stop, name), stop.fresh, joined, move.verdict if move else None))
        return timeline(found, neutral, log)


def _figure(stop: Stop, name: str) -> Estimate | None:
    row = stop.row
    if name == "bytes":
        size = row.bytes
        return None if size is None else Estimate(size / 1e6, size / 1e6, size / 1e6)
    if name == "speed_up":
        return row.speed_up if stop.view.ranks_latency and not row.is_baseline else None
    return row.accuracy if name == "accuracy" else row.difference


@dataclass(frozen=True, slots=True)
class History:
    """releases: their names, oldest first. courses: method -> what releases measured anew of it, what became worse first."""

    releases: tuple[str, ...] = ()
    courses: Mapping[str, tuple[Course, ...]] = field(default_factory=dict)

    def of(self, method: str) -> tuple[Course, ...]:
        """Those of a method that are drawn."""
        return self.courses.get(method, ())[:SHOWN]

    def more(self, method: str) -> int:
        """How many are not."""
        return max(0, len(self.courses.get(method, ())) - SHOWN)


def name(record: Record) -> Name:
    """Of a record's variant."""
    return record.cell.method, record.cell.variant


def courses(evidence: Evidence, releases: Iterable[Release], wanted: Container[Name], cards: Cards) -> Iterator[tuple[str, Course]]:
    """Method and course of the wanted variants of one board. `evidence`: of them and of the baseline; `releases`: the oldest first."""
    stops: dict[Name, list[Stop]] = {}
    for release in releases:
        records = [record for record in evidence.records if evidence.files[record.name][1] in release.stems]
        for board in summarize(records, evidence.columns, evidence.provenance):
            view = BoardView(board, cards)
            for row in board.rows:
                if (found := name(row.record)) in wanted:
                    of = stops.setdefault(found, [])
                    of.append(_stop(release.name, view, row, of))
    return ((method, Course(tuple(stops[method, variant]))) for method, variant in sorted(stops))


def _stop(release: str, view: BoardView, row: Row, before: Sequence[Stop]) -> Stop:
    if not before:
        return Stop(release, view, row, True, False, {})
    old = before[-1].row.record
    fresh = old.key != row.record.key
    found = moves([(old, row.record)]) if fresh else ()
    return Stop(release, view, row, fresh, not same_question(old, row.record), {move.metric: move for move in found})
