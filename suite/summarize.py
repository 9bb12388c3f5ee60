"""From records to what the site shows. Pure: records and raw columns in, boards out; no torch, no runtime."""

from collections import defaultdict
from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from typing import Any, Literal

import numpy as np

from suite.contracts import BASELINE
from suite.record import Estimate, Record
from suite.statistics import difference

Array = np.ndarray[Any, np.dtype[Any]]
Columns = Callable[[Record], dict[str, Array]]

Verdict = Literal["better", "tie", "worse"]

SPEED_MARGIN = 0.01
"""A speed-up counts only beyond it: so far is the uncompressed model, timed against itself, from 1 now and then."""

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

    difference: accuracy minus the baseline's on the same items. size_ratio: baseline bytes / bytes, and so for
    bit-operations. rank: 1 + the rows of the
    board whose interval lies wholly above this one's; rows that cannot be told apart share it. incomparable: why there is no
    difference, naming what differs.
    """

    record: Record
    metric: str
    difference: Estimate | None = None
    flips: Flips | None = None
    size_ratio: float | None = None
    bit_operations_ratio: float | None = None
    rank: int | None = None
    incomparable: str | None = None
    size_frontier: bool = False
    latency_frontier: bool = False

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
    def bytes(self) -> int | None:
        found = self.record.artifact
        return found.total("bytes") if found is not None and self.record.status == "ok" else None

    @property
    def accuracy_verdict(self) -> Verdict | None:
        return None if self.difference is None else verdict(self.difference, 0.0)

    @property
    def speed_verdict(self) -> Verdict | None:
        return None if self.speed_up is None else verdict(self.speed_up, 1.0, SPEED_MARGIN)


@dataclass(frozen=True, slots=True)
class Board:
    """Rows that may stand in one table: one model, target, tier, test set and host. Best accuracy first, failures last."""

    model: str
    target: str
    tier: str
    host: str
    metric: str
    rows: tuple[Row, ...]

    @property
    def baseline(self) -> Row | None:
        return next((row for row in self.rows if row.is_baseline and row.record.status == "ok"), None)


def verdict(estimate: Estimate, neutral: float, margin: float = 0.0) -> Verdict:
    """A tie unless the whole interval lies beyond the margin around what is neutral."""
    if estimate.low > neutral + margin:
        return "better"
    return "worse" if estimate.high < neutral - margin else "tie"


def board_key(record: Record) -> tuple[str, str, str, int, str]:
    cell = record.cell
    return cell.model, cell.target, cell.tier, cell.test_seed, record.environment.host


def summarize(records: Iterable[Record], columns: Columns) -> tuple[Board, ...]:
    """Boards in the order of model, target, tier and host. `columns` gives a record's raw columns."""
    groups: dict[tuple[str, str, str, int, str], list[Record]] = defaultdict(list)
    for record in records:
        if record.cell.component is None:
            groups[board_key(record)].append(record)
    return tuple(_board(groups[key], columns) for key in sorted(groups))


def newest_first(records: Iterable[Record]) -> list[Record]:
    """By the time at which they were made; of two of one second, by name."""
    return sorted(records, key=lambda record: (record.created, record.name), reverse=True)


def identity(record: Record) -> tuple[object, ...]:
    """What two records share of which the newer replaces the older; the first five are those of a board."""
    return (*board_key(record), record.cell.method, record.cell.variant, record.cell.component)


def _board(records: list[Record], columns: Columns) -> Board:
    newest = {(record.cell.method, record.cell.variant): record for record in reversed(newest_first(records))}
    first = records[0]
    metric = next((r.accuracy.metric for r in newest.values() if r.accuracy is not None), "")
    baseline = next((r for r in newest.values() if r.cell.method == BASELINE and r.status == "ok"), None)
    hits = columns(baseline)[metric] if baseline is not None else None
    rows = [_row(record, metric, baseline, hits, columns) for record in newest.values()]
    rows = _with_frontier(_with_rank(rows))
    rows.sort(key=lambda row: (row.accuracy is None, -(row.accuracy.value if row.accuracy else 0.0), row.record.name))
    cell = first.cell
    return Board(cell.model, cell.target, cell.tier, first.environment.host, metric, tuple(rows))


def first_difference(record: Record, baseline: Record) -> tuple[str, object, object] | None:
    """The first thing that makes two records incomparable, and what it is in each; None if nothing does."""
    pairs = (
        ("model revision", record.provenance.model_sha256, baseline.provenance.model_sha256),
        ("test set", record.provenance.test_sha256, baseline.provenance.test_sha256),
        ("number of test items", _items(record), _items(baseline)),
        ("suite version", record.provenance.suite_version, baseline.provenance.suite_version),
        ("target settings", record.cell.settings, baseline.cell.settings),
    )
    return next((pair for pair in pairs if pair[1] != pair[2]), None)


def difference_in_keys(record: Record, baseline: Record) -> str | None:
    """The same in words."""
    found = first_difference(record, baseline)
    return found and f"{found[0]} differs from the baseline's ({short(found[1])} against {short(found[2])})"


def _items(record: Record) -> int | None:
    return None if record.accuracy is None else record.accuracy.items


def short(value: object) -> str:
    """A value that tells two records apart, no longer than a person needs."""
    return str(value)[:12] if isinstance(value, str) else str(value)


def compare(record: Record, board: Board, columns: Columns) -> Row:
    """A record that is not on the board itself (of one component, say) beside the board's baseline."""
    baseline = board.baseline.record if board.baseline else None
    return _row(record, board.metric, baseline, columns(baseline)[board.metric] if baseline else None, columns)


def _row(record: Record, metric: str, baseline: Record | None, hits: Array | None, columns: Columns) -> Row:
    row = Row(record=record, metric=metric)
    if record.status != "ok":
        return row
    if baseline is None or hits is None:
        return replace(row, incomparable="no baseline was measured")
    reason = difference_in_keys(record, baseline)
    if reason is not None:
        return replace(row, incomparable=reason)
    mine = columns(record)[metric]
    ratio, fewer = (_ratio(name, baseline, record) for name in ("bytes", "bit_operations"))
    flips = _flips(mine, hits)
    return replace(row, difference=difference(mine, hits), flips=flips, size_ratio=ratio, bit_operations_ratio=fewer)


def _ratio(name: str, baseline: Record, record: Record) -> float | None:
    """A figure of the baseline / that of the record; None where one of them is not known, or zero."""
    old, new = (one.figures().get(name) for one in (baseline, record))
    return old / new if old and new else None


def _flips(mine: Array, old: Array) -> Flips | None:
    """None for a metric of degrees, by which an item is not simply right or wrong."""
    if not mine.dtype == old.dtype == np.bool_:
        return None
    return Flips(int(np.sum(old & ~mine)), int(np.sum(mine & ~old)), float(np.mean(mine == old)))


def _with_rank(rows: list[Row]) -> list[Row]:
    lows = np.sort([row.accuracy.low for row in rows if row.accuracy is not None])

    def rank(row: Row) -> int | None:
        return None if row.accuracy is None else 1 + int(lows.size - np.searchsorted(lows, row.accuracy.high, side="right"))

    return [replace(row, rank=rank(row)) for row in rows]


def _with_frontier(rows: list[Row]) -> list[Row]:
    small = _frontier([(i, -row.bytes, row.accuracy.value) for i, row in enumerate(rows) if row.bytes and row.accuracy])
    fast = _frontier([(i, row.speed_up.value, row.accuracy.value) for i, row in enumerate(rows) if row.speed_up and row.accuracy])
    return [replace(row, size_frontier=i in small, latency_frontier=i in fast) for i, row in enumerate(rows)]


def _frontier(points: list[tuple[int, float, float]]) -> set[int]:
    """Indices of the points (index, gain, accuracy) that no other point beats: at least as good on both axes, better on one."""
    corner, kept = (0.0, -np.inf), set()
    for index, gain, accuracy in sorted(points, key=lambda point: (-point[1], -point[2])):
        if accuracy > corner[1]:
            corner = gain, accuracy
        if (gain, accuracy) == corner:  # equal points stand together
            kept.add(index)
    return kept
