"""Where compression hurts: each variant on one component at a time, beside the whole. Pure: records and raw columns in, tables out."""

from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from suite.record import Record
from suite.summarize import Board, Columns, Row, compare, identity, newest_first, summarize


@dataclass(frozen=True, slots=True)
class Impact:
    """A variant. parts: component -> the row in which it alone was compressed; whole: that of all it applies to, on the board."""

    method: str
    variant: str
    parts: Mapping[str, Row]
    whole: Row | None

    @property
    def worst(self) -> str | None:
        """The component whose loss is greatest, if its interval leaves out the losses of all the others and zero; else None."""
        known = {name: row.difference for name, row in self.parts.items() if row.difference is not None}
        if len(known) < 2:
            return None
        name = min(known, key=lambda name: known[name].value)
        highest = min(0.0, *(other.low for key, other in known.items() if key != name))
        return name if known[name].high < highest else None


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
    impacts = tuple(Impact(*name, parts, wholes.get(name)) for name, parts in sorted(rows.items()))
    return Sensitivity(board, tuple(every), impacts)
