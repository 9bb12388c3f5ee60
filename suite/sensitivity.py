"""Where compression hurts: each variant on one component at a time, beside the whole. Pure: records and raw columns in, tables out."""

from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from statistics import NormalDist

from suite.comparable import identity, newest_first
from suite.record import Record
from suite.statistics import difference
from suite.summarize import Board, Columns, Row, compare, summarize


@dataclass(frozen=True, slots=True)
class Impact:
    """A variant. parts: component -> the row in which it alone was compressed; whole: that of all it applies to, on the board.

    worst: the component whose loss is surely the greatest, if there is one.
    """

    method: str
    variant: str
    parts: Mapping[str, Row]
    whole: Row | None
    worst: str | None = None


@dataclass(frozen=True, slots=True)
class Sensitivity:
    """A board's variants, component by component; `components` in the order in which records name them."""

    board: Board
    components: tuple[str, ...]
    impacts: tuple[Impact, ...]


def sensitivities(records: Iterable[Record], columns: Columns, boards: Iterable[Board] | None = None) -> tuple[Sensitivity, ...]:
    """One for each board of which a component was compressed alone. `boards`: those of the same records, if they are known already."""
    known = list(records)
    alone: dict[tuple[object, ...], list[Record]] = defaultdict(list)
    for record in newest_first(known):
        if record.cell.component is not None:
            alone[identity(record)[:5]].append(record)
    found = []
    for board in summarize(known, columns) if boards is None else boards:
        parts = alone.get(identity(board.rows[0].record)[:5], [])
        if parts:
            found.append(_sensitivity(board, parts, columns))
    return tuple(found)


def _sensitivity(board: Board, records: list[Record], columns: Columns) -> Sensitivity:
    rows: dict[tuple[str, str], dict[str, Row]] = defaultdict(dict)
    for record in records:
        cell = record.cell
        rows[cell.method, cell.variant].setdefault(str(cell.component), compare(record, board, columns))
    wholes = {(row.record.cell.method, row.record.cell.variant): row for row in board.rows}
    for name, row in wholes.items():
        touched = {component for step in row.record.cell.recipe for component in step.components}
        if len(touched) == 1 and not row.is_baseline and row.record.status == "ok":
            rows[name].setdefault(touched.pop(), row)  # on one component only: the whole is the part
    every = list(dict.fromkeys(name for row in board.rows for step in row.record.cell.recipe for name in step.components))
    every += [name for parts in rows.values() for name in parts if name not in every]
    impacts = tuple(Impact(*name, parts, wholes.get(name), worst(parts, board, columns)) for name, parts in sorted(rows.items()))
    return Sensitivity(board, tuple(every), impacts)


def worst(parts: Mapping[str, Row], board: Board, columns: Columns) -> str | None:
    """The component that lost most, if its answers are surely worse than the baseline's and than those of every other component.

    Each is compared with it item by item, by intervals that are widened for the number of comparisons (Bonferroni).
    """
    known = {name: row for name, row in parts.items() if row.difference is not None}
    if len(known) < 2 or board.baseline is None:
        return None
    name = min(known, key=lambda name: known[name].difference.value)  # type: ignore[union-attr]  # those without are left out above
    others = [board.baseline, *(row for key, row in known.items() if key != name)]
    mine, z = columns(known[name].record)[board.metric], NormalDist().inv_cdf(1 - 0.025 / len(others))
    gaps = (difference(mine, columns(other.record)[board.metric], z) for other in others)
    return name if all(gap.high < 0 for gap in gaps) else None
