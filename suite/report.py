"""The verdict on one method against a board, on one page: where each variant lies, what it dominates and what dominates it. Pure.

A variant dominates another on two axes (accuracy and size, accuracy and speed) if it is surely better on one of them and not surely worse
on the other, by the 95 % intervals of `suite.versus`; they tie if neither is surely better on any. The frontier is that of the point
estimates, as everywhere on the site.
"""

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from functools import cache
from pathlib import Path
from typing import Any, Literal

import numpy as np

from suite.comparable import identity, newest_first
from suite.contracts import MethodCard, TargetCard
from suite.errors import UnknownName
from suite.publishing.press import sources
from suite.record import Record
from suite.scatter import WIDE, Scatter, place_labels, size_chart, speed_chart
from suite.store import Store
from suite.summarize import Board, Columns, Row, summarize
from suite.verdict import sentences
from suite.versus import Contrast, side_by_side

Relation = Literal["dominates", "dominated", "tie", "trade"]
AXES: Mapping[str, str] = {"size": "bytes", "speed": "speed_up"}
"""What stands against accuracy, and the metric that it is."""


@dataclass(frozen=True, slots=True)
class Standing:
    """A variant among the others of its board on two axes. problem: why it has no place there; the rest is then empty."""

    on_frontier: bool = False
    dominates: tuple[str, ...] = ()
    dominated: tuple[str, ...] = ()
    tie: tuple[str, ...] = ()
    trade: tuple[str, ...] = ()
    problem: str | None = None

    @property
    def compared(self) -> int:
        return len(self.dominates) + len(self.dominated) + len(self.tie) + len(self.trade)


@dataclass(frozen=True, slots=True)
class Entry:
    """One variant on one board. said: accuracy, size and latency, a sentence or two each. problem: why it has no figures."""

    row: Row
    said: tuple[str, ...] = ()
    standings: Mapping[str, Standing] = field(default_factory=dict)
    problem: str | None = None


@dataclass(frozen=True, slots=True)
class Place:
    """A board that the method is on. left_out: why other rows are not compared with -> how many."""

    board: Board
    entries: tuple[Entry, ...]
    charts: Mapping[str, Scatter | None]
    left_out: Mapping[str, int]
    published: int

    @property
    def alone(self) -> bool:
        """Whether there is nothing here but the method and the uncompressed model."""
        mine = {entry.row.record.name for entry in self.entries}
        return all(row.is_baseline or row.record.name in mine for row in self.board.rows)


@dataclass(frozen=True, slots=True)
class Report:
    """elsewhere: what keeps records of the same models and targets apart from these -> how many. unmeasured: models that have a board and
    no record of the method."""

    method: str
    card: MethodCard | None
    places: tuple[Place, ...]
    elsewhere: Mapping[str, int]
    unmeasured: tuple[str, ...]


def published() -> Path:
    """The folder of the published records: in a checkout; an installed package has none."""
    return sources() / "results"


def gather(folders: Iterable[Path]) -> tuple[list[Record], Columns]:
    """The records of several stores, each once, and their raw columns."""
    stores: dict[str, Store] = {}
    records: dict[str, Record] = {}
    for store in map(Store, folders):
        for record in store.records():
            if record.name not in records:
                records[record.name], stores[record.name] = record, store

    @cache
    def columns(of: str) -> dict[str, np.ndarray[Any, np.dtype[Any]]]:
        return stores[of].columns(records[of])

    return list(records.values()), lambda record: columns(record.name)


def report(
    method: str,
    records: list[Record],
    columns: Columns,
    public: frozenset[str],
    methods: Mapping[str, MethodCard],
    targets: Mapping[str, TargetCard],
) -> Report:
    """The method's verdict from records. public: names of those that are published. Raises UnknownName if nothing was recorded of it."""
    current = list({identity(record): record for record in reversed(newest_first(records)) if record.cell.component is None}.values())
    measured = sorted({record.cell.method for record in current})
    if method not in measured:
        raise UnknownName("measured method", method, measured)
    boards = summarize(current, columns)
    mine = [board for board in boards if any(row.record.cell.method == method for row in board.rows)]
    places = tuple(
        _place(board, method, columns, public, board.target not in targets or targets[board.target].ranks_latency) for board in mine
    )
    elsewhere = Counter(_apart(board, mine) for board in boards if board not in mine for _ in board.rows)
    unmeasured = sorted({board.model for board in boards} - {board.model for board in mine})
    return Report(method, methods.get(method), places, dict(elsewhere - Counter({"": elsewhere[""]})), tuple(unmeasured))


def _apart(board: Board, mine: list[Board]) -> str:
    """What keeps a board apart from those of the method; empty where none of them is about the same model and target."""
    near = [other for other in mine if (other.model, other.target) == (board.model, board.target)]
    if not near:
        return ""
    if board.host not in {other.host for other in near}:
        return f"of another machine, {board.host}"
    if board.tier not in {other.tier for other in near}:
        return f"of the {board.tier} tier, beside which only records of that tier can stand (squeezemark run --tier {board.tier})"
    return "of another test set"


def _place(board: Board, method: str, columns: Columns, public: frozenset[str], ranked: bool) -> Place:
    mine = [row for row in board.rows if row.record.cell.method == method]
    left_out = Counter(reason for row in board.rows if row not in mine and (reason := _problem(row)) is not None)
    good = [row for row in board.rows if _problem(row) is None]
    entries = tuple(_entry(row, board, [other for other in good if other is not row], columns, ranked) for row in mine)
    charts = {"size": _labelled(size_chart(board, WIDE), method), "speed": _labelled(speed_chart(board, WIDE) if ranked else None, method)}
    return Place(board, entries, charts, dict(left_out), sum(row.record.name in public for row in board.rows))


def _labelled(chart: Scatter | None, method: str) -> Scatter | None:
    """With the names of the method's own marks instead of the frontier's."""
    if chart is None:
        return None
    own = [replace(mark, frontier=mark.row.record.cell.method == method) for mark in chart.marks]
    return replace(chart, labels=place_labels(own, WIDE))


def _problem(row: Row) -> str | None:
    """Why a row cannot be compared with the others of its board; None if it can."""
    if row.record.status != "ok":
        return f"{row.record.status.replace('_', ' ')}: {row.record.reason}"
    return row.incomparable and str(row.incomparable)


def _entry(row: Row, board: Board, others: list[Row], columns: Columns, ranked: bool) -> Entry:
    problem = _problem(row)
    if problem is not None or board.baseline is None:
        return Entry(row, problem=problem or "no baseline was measured")
    found = {name(other): side_by_side(_pair(row), _pair(other), row.record, other.record, columns, ranked) for other in others}
    standings = {
        "size": _standing(row.size_frontier, {other: _relation(side.contrasts, "size") for other, side in found.items()}),
        "speed": _standing(row.latency_frontier, {other: _relation(side.contrasts, "speed") for other, side in found.items()}),
    }
    untimed = _untimed(row, ranked)
    if untimed is not None:
        standings["speed"] = Standing(problem=untimed)
    return Entry(row, sentences(row, board.baseline), standings)


def _untimed(row: Row, ranked: bool) -> str | None:
    if not ranked:
        return "the times of this target are never ranked"
    return "it was not timed" if row.speed_up is None else row.not_ranked and str(row.not_ranked)


def _standing(on_frontier: bool, relations: Mapping[str, Relation | None]) -> Standing:
    def of(kind: Relation) -> tuple[str, ...]:
        return tuple(sorted(other for other, relation in relations.items() if relation == kind))

    return Standing(on_frontier, of("dominates"), of("dominated"), of("tie"), of("trade"))


def _relation(contrasts: tuple[Contrast, ...], axis: str) -> Relation | None:
    """From the side of the first; None where the two have no verdict on this axis."""
    gain = next((contrast for contrast in contrasts if contrast.metric == AXES[axis]), None)
    if gain is None:
        return None
    verdicts = {contrasts[0].verdict, gain.verdict}  # the headline metric comes first
    if verdicts == {"tie"}:
        return "tie"
    if "worse" not in verdicts:
        return "dominates"
    return "trade" if "better" in verdicts else "dominated"


def _pair(row: Row) -> tuple[str, str]:
    return row.record.cell.method, row.record.cell.variant


def name(row: Row) -> str:
    """What a variant is called on a board: method/variant."""
    return "/".join(_pair(row))


def as_rows(found: Report) -> list[dict[str, Any]]:
    """One object for each variant on each board, for scripts."""
    return list(_rows(found))


def _rows(found: Report) -> Iterator[dict[str, Any]]:
    for place in found.places:
        board = place.board
        for entry in place.entries:
            where = {"model": board.model, "target": board.target, "tier": board.tier, "host": board.host}
            standings = {
                axis: {"problem": one.problem} if one.problem else {
                    "on_frontier": one.on_frontier, "dominates": one.dominates, "dominated_by": one.dominated, "ties": one.tie,
                }
                for axis, one in entry.standings.items()
            }  # fmt: skip
            yield {"name": name(entry.row), **where, "record": entry.row.record.name, "problem": entry.problem, **standings}
