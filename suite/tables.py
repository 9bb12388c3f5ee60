"""Tables for a terminal."""

from collections.abc import Iterable
from typing import TYPE_CHECKING

from rich.table import Table
from rich.text import Text

from suite.comparable import board_key
from suite.metrics import find
from suite.sensitivity import Impact, Sensitivity
from suite.summarize import Row
from suite.versus import OUTCOMES, Contrast, Versus

if TYPE_CHECKING:
    from suite.anatomy import Anatomy
    from suite.recommend import Advice

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


def versus_table(found: Iterable[Versus]) -> Table:
    """Models and their metrics down; the two variants, the one against the other, and the outcome across. All of the same two variants.

    Without what could not be compared at all, of which there must be less than everything.
    """
    found = tuple(side for side in found if side.contrasts)
    one, other = found[0].one, found[0].other
    table = Table(title=f"{'/'.join(one)} against {'/'.join(other)}", title_justify="left")
    for column in ("model, metric", "\n".join(one), "\n".join(other), "first against second", "outcome"):
        table.add_column(column, overflow="fold")
    places = [board_key(side.records[0])[1:] if side.records else () for side in found]
    differing = [part for part, values in enumerate(zip(*filter(None, places), strict=True)) if len(set(values)) > 1]
    for side, whole in zip(found, places, strict=True):
        place = ", ".join(str(whole[part]) for part in differing if whole)
        table.add_row(Text.assemble((side.model, "bold"), (f"\n{place}" if place else "", "dim")))
        for contrast in side.contrasts:
            table.add_row(*_contrast(contrast, side))
        table.add_section()
    return table


def _contrast(contrast: Contrast, side: Versus) -> tuple[str | Text, ...]:
    metric, gap = find(contrast.metric), contrast.gap
    values = [metric.show(contrast.one), metric.show(contrast.other)]
    if contrast.metric == "speed_up" and side.records is not None:
        shown = find("latency_ms").show
        times = (record.latency.median_ms.value for record in side.records if record.latency)
        values = [f"{value}\n{shown(time)}" for value, time in zip(values, times, strict=True)]
    told = f"{gap.value:.2f}x" if contrast.relative else f"{gap.value:+.3f}"
    if gap.low < gap.high:
        told += f"\n{gap.low:.2f} to {gap.high:.2f}" if contrast.relative else f"\n{gap.low:+.3f} to {gap.high:+.3f}"
    return f"  {metric.title}", *values, told, Text(OUTCOMES[contrast.verdict], MARKS[contrast.verdict])


def advice_table(advice: "Advice", show: int) -> Table:
    """The first picks of a board: what each costs and gains."""
    board, baseline = advice.board, advice.board.baseline
    base = (
        f"uncompressed {baseline.accuracy.value:.3f}, {find('bytes').show(baseline.bytes)}"
        if baseline and baseline.accuracy and baseline.bytes
        else ""
    )
    table = Table(title=f"{board.model} on {board.target}, {board.host}: {base}", title_justify="left")
    for column in ("rank", "method", find(board.metric).title, "size", "speed-up"):
        table.add_column(column, overflow="fold")
    for pick in advice.picks[:show]:
        row, gap = pick.row, pick.row.difference
        assert gap is not None
        tied = sum(other.rank == pick.rank for other in advice.picks) > 1
        speed = (
            f"{row.speed_up.value:.2f}x\n{row.not_ranked or f'{row.speed_up.low:.2f} to {row.speed_up.high:.2f}'}"
            if row.speed_up and advice.timed
            else "not timed"
        )
        size = f"{find('bytes').show(row.bytes)}\n{row.size_ratio:.1f}x smaller" if row.bytes and row.size_ratio else ""
        cells = (f"{'=' if tied else ''}{pick.rank}", f"{row.record.cell.method}\n  {row.record.cell.variant}")
        table.add_row(*cells, f"{gap.value:+.3f}\n{gap.low:+.3f} to {gap.high:+.3f}", size, speed)
    return table
