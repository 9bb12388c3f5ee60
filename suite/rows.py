"""What the site's scripts read: every row of every board, as columns of short numbers in one file. Pure: boards and cards in, text out.

A script, not JSON that is fetched: a page that was opened from a folder may load the one and not the other, and the policy of the pages
forbids connections of any kind.
"""

import json
import math
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from suite.contracts import BASELINE
from suite.metrics import find
from suite.pages import BoardView, Cards, slug
from suite.record import Estimate
from suite.summarize import Row

Column = Callable[[Row], Any]

KEY = 12
"""Digits of a content key that name a row in an address, as they do in the name of its record."""


def exact(value: float | None) -> float | None:
    """A share or a difference of shares to a millionth: what `suite.recommend` asks of it is asked here with the same answer."""
    return None if value is None else round(value, 6)


def short(value: float | None, digits: int = 6) -> float | None:
    """A figure to so many significant digits; None for one that is not finite, which JSON has no word for."""
    return None if value is None or not math.isfinite(value) else float(f"{value:.{digits}g}")


def _ends(name: str, of: Callable[[Row], Estimate | None], digits: Callable[[float | None], float | None]) -> dict[str, Column]:
    def end(which: str) -> Column:
        def read(row: Row) -> Any:
            found = of(row)
            return None if found is None else digits(getattr(found, which))

        return read

    return {name: end("value"), f"{name}Low": end("low"), f"{name}High": end("high")}


def _macs(row: Row) -> float | None:
    return short(row.record.artifact.operations("macs")) if row.bytes and row.record.artifact else None


COLUMNS: Mapping[str, Column] = {
    "variant": lambda row: row.record.cell.variant,
    "key": lambda row: row.record.key[:KEY],
    "rank": lambda row: row.rank,
    "ties": lambda row: row.ties,
    "speedRank": lambda row: row.speed_rank,
    **_ends("accuracy", lambda row: row.accuracy, exact),
    **_ends("difference", lambda row: row.difference, exact),
    "lost": lambda row: row.flips.lost if row.flips else None,
    "gained": lambda row: row.flips.gained if row.flips else None,
    "bytes": lambda row: row.bytes,
    "download": lambda row: short(row.record.artifact.total("zstd_bytes"), 4) if row.bytes and row.record.artifact else None,
    "bits": lambda row: short(row.record.artifact.bits_per_parameter, 4) if row.bytes and row.record.artifact else None,
    "macs": _macs,
    "bitRatio": lambda row: short(row.bit_operations_ratio, 4),
    "provenance": lambda row: row.provenance,
    "cost": lambda row: short(row.record.cost.seconds, 3) if row.record.cost else None,
}
"""Name in the file -> what is read of a row."""

TIMES: Mapping[str, Column] = {
    **_ends("speed", lambda row: row.speed_up, short),
    **_ends("latency", lambda row: row.record.latency.median_ms if row.speed_up and row.record.latency else None, short),
    "speedVerdict": lambda row: row.speed_verdict,
    "launches": lambda row: row.record.latency.launches if row.speed_up and row.record.latency else None,
    "stretch": lambda row: short(row.record.latency.stretch) if row.speed_up and row.record.latency else None,
    "noisy": lambda row: 1 if row.record.latency and row.record.latency.noisy else None,
    "grade": lambda row: row.host_grade,
    "unranked": lambda row: 1 if row.not_ranked else None,
}
"""The same of what is left out on a target whose times mean nothing."""


def script(found: Mapping[str, Any]) -> str:
    """The file `data/rows.js`, of what `tables` makes: it sets `squeezemark`."""
    text = json.dumps(found, separators=(",", ":"), allow_nan=False)
    return f"self.squeezemark=JSON.parse({json.dumps(text)});\n"


def tables(views: Iterable[BoardView], cards: Cards) -> dict[str, Any]:
    """models, targets, methods, boards: lists of objects; rows: name -> column, each as long as there are rows, boards one after another.

    A column that holds nothing is left out. `page` of a method, model or record is its file if that is not made of its name.
    """
    boards = list(views)
    placed = [(place, row) for place, view in enumerate(boards) for row in view.board.rows]
    methods = sorted({row.record.cell.method for _, row in placed})
    where = {name: place for place, name in enumerate(methods)}
    columns: dict[str, list[Any]] = {
        "board": [place for place, _ in placed],
        "method": [where[row.record.cell.method] for _, row in placed],
        "status": [None if row.record.status == "ok" else row.record.status for _, row in placed],
        "reason": [row.record.reason if row.record.status != "ok" else row.incomparable for _, row in placed],
        "page": [_page(row) for _, row in placed],
    }
    columns |= {name: [read(row) for _, row in placed] for name, read in COLUMNS.items()}
    columns |= {name: [read(row) if boards[place].ranks_latency else None for place, row in placed] for name, read in TIMES.items()}
    return {
        "baseline": BASELINE,
        "models": {name: _model(name, cards) for name in sorted({view.board.model for view in boards})},
        "targets": {name: _target(name, cards) for name in sorted({view.board.target for view in boards})},
        "methods": [_method(name, cards) for name in methods],
        "boards": [_board(view) for view in boards],
        "rows": {name: column for name, column in columns.items() if any(value is not None for value in column)},
    }


def _page(row: Row) -> str | None:
    """None if the file of the record's page can be made of what the other columns say."""
    cell, name = row.record.cell, row.record.name
    plain = f"{cell.model}--{cell.method}--{cell.variant}--{cell.target}--{row.record.key[:KEY]}"
    return None if slug(name) == plain else slug(name)


def _model(name: str, cards: Cards) -> dict[str, Any]:
    return {"title": cards.models[name].title if name in cards.models else name, "page": slug(name)}


def _target(name: str, cards: Cards) -> dict[str, Any]:
    title = cards.targets[name].title if name in cards.targets else name
    return {"title": title, "page": slug(name), "ranked": cards.ranks_latency(name)}


def _method(name: str, cards: Cards) -> dict[str, Any]:
    card = cards.methods.get(name)
    facts = {"name": name, "page": slug(name), "family": cards.family(name) or "unknown"}
    return facts if card is None else {**facts, "division": card.division, "licence": card.licence, "shape": cards.shape(name)}


def _board(view: BoardView) -> dict[str, Any]:
    """given: how commands name the model, where that is a file. alone: whether it has a page of its own."""
    board = view.board
    given = board.baseline.record.model_as_given if board.baseline else board.model
    return {
        "model": board.model, "target": board.target, "tier": board.tier, "host": board.host, "seed": view.test_seed,
        "metric": find(board.metric).title if board.metric else "accuracy", "items": view.items, "anchor": view.anchor,
        **({"given": given} if given != board.model else {}), **({"alone": True} if view.alone else {}),
    }  # fmt: skip
