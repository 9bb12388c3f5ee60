"""Badges: what a method does to a model, as a small picture for somebody's README. Self-made SVG without script, style or outside parts."""

from collections.abc import Iterable, Iterator
from xml.sax.saxutils import escape, quoteattr

from suite.pages import BoardView, slug
from suite.publishing.feed import legal
from suite.summarize import Row

CHARACTER = 6.6
"""Pixels that a character of 11 px takes on average; `textLength` makes the text fit exactly."""

LONGEST = 80
"""Characters of each half."""

COLOURS = {"better": "#1a7f4b", "tie": "#1a7f4b", "worse": "#a8481c", None: "#57606a"}


def badges(views: Iterable[BoardView]) -> Iterator[tuple[str, str]]:
    """Path and text of a badge for each method on each model's board of a device's reference target: of its best variant there.

    The best is the smallest without a measurable loss; where all lose something, the most accurate one.
    """
    made: set[str] = set()
    for view in views:
        methods: dict[str, list[Row]] = {}
        for row in view.board.rows if view.cards.is_reference(view.board.target) else ():
            if row.difference is not None and not row.is_baseline:
                methods.setdefault(row.record.cell.method, []).append(row)
        for method, rows in methods.items():
            path = badge_path(method, view.board.model)
            if path not in made:
                made.add(path)
                yield path, _of(view, best(rows))


def badge_path(method: str, model: str) -> str:
    """Where it lies."""
    return f"badge/{slug(f'{method}--{model}')}.svg"


def best(rows: list[Row]) -> Row:
    """The row that speaks for its method."""
    lossless = [row for row in rows if row.accuracy_verdict != "worse"]
    if lossless:
        return min(lossless, key=lambda row: (row.bytes or 0, row.record.name))
    return max(rows, key=lambda row: (row.accuracy.value if row.accuracy else 0.0, row.record.name))


def _of(view: BoardView, row: Row) -> str:
    """Figures with what is known of them: a speed-up only where it is ranked, and a loss only if it is measurable."""
    said = [f"{row.size_ratio:.1f}× smaller"] if row.size_ratio and row.size_ratio >= 1.05 else ["no smaller"]
    if row.speed_up and view.ranks_latency and not row.not_ranked:
        said.append(f"{row.speed_up.value:.1f}× as fast" if row.speed_verdict != "tie" else "as fast")
    lost = row.accuracy_verdict == "worse" and row.difference is not None
    said.append(f"−{-row.difference.value:.3f} {row.metric}" if lost and row.difference else "no measurable loss")
    cell = row.record.cell
    return badge(f"{cell.method}/{cell.variant} on {cell.model}", ", ".join(said), COLOURS[row.accuracy_verdict])


def badge(left: str, right: str, colour: str) -> str:
    """Two halves, dark and coloured. Any text is text in it."""
    left, right = (legal(text)[:LONGEST] for text in (left, right))
    spans = [len(text) * CHARACTER for text in (left, right)]
    first, second = (round(span) + 12 for span in spans)
    title = f"{left}: {right}"
    words = "".join(
        f'<text x="{x + 6}" y="14" textLength="{round(span)}" lengthAdjust="spacingAndGlyphs">{escape(text)}</text>'
        for x, span, text in ((0, spans[0], left), (first, spans[1], right))
    )
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{first + second}" height="20" role="img" aria-label={quoteattr(title)}>'
        f"<title>{escape(title)}</title>"
        f'<rect width="{first}" height="20" fill="#24292f"/><rect x="{first}" width="{second}" height="20" fill="{colour}"/>'
        f'<g fill="#fff" font-family="Verdana,DejaVu Sans,sans-serif" font-size="11">{words}</g></svg>\n'
    )
