"""From records to what the site shows. Pure: records and raw columns in, boards out; no torch, no runtime."""

from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Any, Literal

import numpy as np

from suite.comparable import Place, board_key, difference_in_keys, first_difference, newest_first
from suite.contracts import BASELINE
from suite.figures import Grade
from suite.frontier import frontier
from suite.letters import tie_letters
from suite.paired import Paired, paired
from suite.provenance import NOBODY, SELF, Provenance, Tier
from suite.ranks import Speed, accuracy_ranks, side, speed_ranks
from suite.record import Estimate, Record
from suite.statistics import difference
from suite.wording import say

Array = np.ndarray[Any, np.dtype[Any]]
Columns = Callable[[Record], dict[str, Array]]

Verdict = Literal["better", "tie", "worse"]

SPEED_MARGIN = 0.01
"""A speed-up counts only beyond it: so far is the uncompressed model, timed against itself, from 1 now and then, at the least."""

SIZE_MARGIN = 0.01
"""Sizes are exact, but one that differs by less is nobody's gain: names and padding make as much."""


@dataclass(frozen=True, slots=True)
class Flips:
    """Items whose verdict changed against the baseline."""

    lost: int
    gained: int
    agreement: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """One record beside its baseline.

    difference: accuracy minus the baseline's on the same items, and `paired` what else is said of the two. size_ratio: baseline bytes /
    bytes, and so for bit-operations. rank, speed_rank: 1 + the rows of the board that surely answer better, or are surely faster,
    corrected for how many there are (`suite.ranks`); those of rank 1 may be the best. ties: its tie groups, a letter each
    (`suite.letters`). control: the speed-up of the uncompressed model, timed against itself. incomparable: why there is no difference.
    """

    record: Record
    metric: str
    difference: Estimate | None = None
    paired: Paired | None = None
    flips: Flips | None = None
    size_ratio: float | None = None
    bit_operations_ratio: float | None = None
    rank: int | None = None
    speed_rank: int | None = None
    ties: str | None = None
    control: Estimate | None = None
    incomparable: str | None = None
    size_frontier: bool = False
    latency_frontier: bool = False
    provenance: Tier = SELF

    @property
    def is_baseline(self) -> bool:
        return self.record.cell.method == BASELINE

    @property
    def accuracy(self) -> Estimate | None:
        """The headline metric; None unless the record is ok."""
        found = self.record.accuracy
        return found.metrics[self.metric] if found is not None and self.record.status == "ok" else None

    @property
    def speed_up(self) -> Estimate | None:
        found = self.record.latency
        return found.speed_up if found is not None and self.record.status == "ok" else None

    @property
    def speed(self) -> Speed | None:
        """Its speed-up as `suite.ranks` compares it; None of one that is not ranked."""
        found = self.record.latency
        if found is None or self.record.status != "ok" or self.not_ranked:
            return None
        return Speed(found.speed_up, found.launches, found.stretch)

    @property
    def host_grade(self) -> Grade | None:
        """That of the session which timed it; None of one that was not timed, or not graded (before schema 5)."""
        found = self.record.latency
        return found.health.grade if found is not None and found.health is not None else None

    @property
    def not_ranked(self) -> str | None:
        """Why its latency is shown and not ranked; None if it is."""
        found = self.record.latency
        if found is None or found.health is None or found.health.ranked:
            return None
        return say("not ranked (host grade {grade})", grade=found.health.grade)

    @property
    def bytes(self) -> int | None:
        found = self.record.artifact
        return found.total("bytes") if found is not None and self.record.status == "ok" else None

    @property
    def accuracy_verdict(self) -> Verdict | None:
        return None if self.difference is None else verdict(self.difference, 0.0)

    @property
    def speed_verdict(self) -> Verdict | None:
        return None if self.speed_up is None else speed_verdict(self.speed_up, self.control)

    @property
    def is_off(self) -> bool:
        """Whether it is a control that is not as fast as itself: its interval does not hold 1."""
        return self.is_baseline and self.speed_up is not None and not self.speed_up.low <= 1.0 <= self.speed_up.high


@dataclass(frozen=True, slots=True)
class Board:
    """Rows that may stand in one table: one model, target, tier, test set and host. Best accuracy first, failures last.

    untied: why its rows have no tie letters, in words.
    """

    model: str
    target: str
    tier: str
    host: str
    metric: str
    rows: tuple[Row, ...]
    untied: str | None = None

    @property
    def baseline(self) -> Row | None:
        return next((row for row in self.rows if row.is_baseline and row.record.status == "ok"), None)


def speed_verdict(mine: Estimate, control: Estimate | None) -> Verdict:
    """A tie too unless it surely differs from the control, which shows what launches do not: that one side has it easier."""
    found = verdict(mine, 1.0, SPEED_MARGIN)
    return found if control is None or side(mine, control) == found else "tie"


def verdict(estimate: Estimate, neutral: float, margin: float = 0.0) -> Verdict:
    """A tie unless the whole interval lies beyond the margin around what is neutral."""
    if estimate.low > neutral + margin:
        return "better"
    return "worse" if estimate.high < neutral - margin else "tie"


def summarize(records: Iterable[Record], columns: Columns, provenance: Provenance = NOBODY) -> tuple[Board, ...]:
    """Boards in the order of model, target, tier and host. `columns` gives a record's raw columns, `provenance` its tier."""
    groups: dict[Place, list[Record]] = defaultdict(list)
    for record in records:
        if record.cell.component is None:
            groups[board_key(record)].append(record)
    boards = (_board(groups[key], columns) for key in sorted(groups))
    return tuple(replace(board, rows=tuple(replace(row, provenance=provenance.tier(row.record)) for row in board.rows)) for board in boards)


def _board(records: list[Record], columns: Columns) -> Board:
    newest = {(record.cell.method, record.cell.variant): record for record in reversed(newest_first(records))}
    first = records[0]
    metric = next((r.accuracy.metric for r in newest.values() if r.accuracy is not None), "")
    baseline = next((r for r in newest.values() if r.cell.method == BASELINE and r.status == "ok"), None)
    old = columns(baseline) if baseline is not None else None
    rows = [_row(record, metric, baseline, old, columns) for record in newest.values()]
    rows.sort(key=lambda row: (row.accuracy is None, -(row.accuracy.value if row.accuracy else 0.0), row.record.name))
    peers, untied = _with_ties(_with_frontier(_with_speed_ranks(_peers(rows, baseline))), columns)
    placed, cell = {row.record.name: row for row in peers}, first.cell
    whole = tuple(placed.get(row.record.name, row) for row in rows)
    return Board(cell.model, cell.target, cell.tier, board_key(first)[4], metric, whole, untied)


def _peers(rows: list[Row], baseline: Record | None) -> list[Row]:
    """Those that may be held against each other: like the baseline, or without one like the best of them."""
    first = baseline or next((row.record for row in rows if row.accuracy is not None), None)
    return [row for row in rows if first and row.accuracy and first_difference(row.record, first) is None]


def compare(record: Record, board: Board, columns: Columns) -> Row:
    """A record that is not on the board itself (of one component, say) beside the board's baseline; its tier is not asked for."""
    baseline = board.baseline.record if board.baseline else None
    return _row(record, board.metric, baseline, columns(baseline) if baseline else None, columns)


def _row(record: Record, metric: str, baseline: Record | None, old: Mapping[str, Array] | None, columns: Columns) -> Row:
    row = Row(record=record, metric=metric)
    if record.status != "ok":
        return row
    if baseline is None or baseline.accuracy is None or old is None:
        return replace(row, incomparable=say("no baseline was measured"))
    reason = difference_in_keys(record, baseline)
    if reason is not None:
        return replace(row, incomparable=reason)
    mine = columns(record)
    beside = paired(mine, old, metric, baseline.accuracy.metrics)
    size, fewer = (_ratio(name, baseline, record) for name in ("bytes", "bit_operations"))
    gap, flips = difference(mine[metric], old[metric]), _flips(mine[metric], old[metric])
    row = replace(row, size_ratio=size, bit_operations_ratio=fewer, control=baseline.latency.speed_up if baseline.latency else None)
    return replace(row, difference=gap, paired=beside, flips=flips)


def _ratio(name: str, baseline: Record, record: Record) -> float | None:
    """A figure of the baseline / that of the record; None where one of them is not known, or zero."""
    old, new = (one.figures().get(name) for one in (baseline, record))
    return old / new if old and new else None


def _flips(mine: Array, old: Array) -> Flips | None:
    """None for a metric of degrees, by which an item is not simply right or wrong."""
    if not mine.dtype == old.dtype == np.bool_:
        return None
    return Flips(int(np.sum(old & ~mine)), int(np.sum(mine & ~old)), float(np.mean(mine == old)))


def _with_ties(rows: list[Row], columns: Columns) -> tuple[list[Row], str | None]:
    """Ranks and tie letters of rows that answered the same items."""
    answers = [columns(row.record)[row.metric] for row in rows]
    if len({array.dtype for array in answers}) > 1:
        answers = [array.astype(np.float64) for array in answers]
    ranks, letters = accuracy_ranks(answers), tie_letters(answers)
    untied, ties = (letters, [None] * len(rows)) if isinstance(letters, str) else (None, letters)
    return [replace(row, rank=rank, ties=tie) for row, rank, tie in zip(rows, ranks, ties, strict=True)], untied


def _with_speed_ranks(rows: list[Row]) -> list[Row]:
    """A timing from a noisy host is only ranked if all are noisy."""
    timed = [(row, row.speed) for row in rows if row.speed is not None]
    timed = [(row, speed) for row, speed in timed if row.record.latency and not row.record.latency.noisy] or timed
    ranks = speed_ranks([speed for _, speed in timed], SPEED_MARGIN)
    found = {row.record.name: rank for (row, _), rank in zip(timed, ranks, strict=True)}
    return [replace(row, speed_rank=found.get(row.record.name)) for row in rows]


def _with_frontier(rows: list[Row]) -> list[Row]:
    small = frontier([(i, -row.bytes, row.accuracy.value) for i, row in enumerate(rows) if row.bytes and row.accuracy])
    timed = ((i, row.speed_up, row.accuracy) for i, row in enumerate(rows) if row.not_ranked is None)
    fast = frontier([(i, speed.value, accuracy.value) for i, speed, accuracy in timed if speed and accuracy])
    return [replace(row, size_frontier=i in small, latency_frontier=i in fast) for i, row in enumerate(rows)]
