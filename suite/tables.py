"""Tables for a terminal."""

from collections.abc import Iterable
from typing import TYPE_CHECKING

from rich.table import Table
from rich.text import Text

from suite.metrics import find
from suite.sensitivity import Impact, Sensitivity
from suite.summarize import Row

if TYPE_CHECKING:
    from suite.anatomy import Anatomy

MARKS = {"worse": "red", "better": "green", "tie": "dim"}


def sensitivity_table(found: Sensitivity) -> Table:
    """Variants down, components across: what each loses when it alone is compressed, and all of it at once."""
    board = found.board
    baseline = board.baseline.accuracy if board.baseline else None
    base = f", uncompressed {baseline.value:.3f} ({baseline.low:.3f} to {baseline.high:.3f})" if baseline else ""
    table = Table(title=f"{board.model} on {board.target}: {find(board.metric).title}{base}", title_justify="left")
    for column in ("variant", *found.components, "all of it", "hurts most"):
        table.add_column(column, overflow="fold")
    for impact in found.impacts:
        cells = [_cell(impact.parts.get(name)) for name in found.components]
        table.add_row(f"{impact.method}\n  {impact.variant}", *cells, _cell(impact.whole), _worst(impact))
    return table


def _worst(impact: Impact) -> str:
    if impact.worst is not None:
        return impact.worst
    return "" if len(impact.parts) < 2 else "no telling"


def _cell(row: Row | None) -> Text:
    if row is None:
        return Text("–", "dim")
    if row.difference is None or row.accuracy_verdict is None:
        return Text(row.incomparable or row.record.status.replace("_", " "), "dim")
    gap = row.difference
    mark = "≈ " if row.accuracy_verdict == "tie" else ""
    return Text.assemble((f"{mark}{gap.value:+.3f}", MARKS[row.accuracy_verdict]), (f"\n{gap.low:+.3f} to {gap.high:+.3f}", "dim"))


def anatomy_table(parts: "Iterable[Anatomy]") -> Table:
    """Components down; a dash where a figure is not to be had."""
    table = Table(title="components, on the first call of a request", title_justify="left")
    for column in ("component", "modality", "parameters", "multiply-accumulates", "activations"):
        table.add_column(column, justify="left" if column in ("component", "modality") else "right")
    for part in parts:
        counts = (part.parameters, part.macs, part.activations)
        table.add_row(part.component.name, part.component.modality, *("–" if count is None else f"{count:,}" for count in counts))
    return table
