"""The folder of the site: pages from templates, downloads, assets. Everything is sorted, nothing carries a date of its own."""

import csv
import io
import json
import re
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import jinja2

from suite import __version__
from suite.charts import FAMILY_SHAPES, SHAPES
from suite.contracts import BASELINE
from suite.evidence import Evidence
from suite.metrics import find
from suite.pages import MARGIN, BoardView, Cards, MethodResults, by_method, flat, slug
from suite.record import Record, encode
from suite.store import COLUMNS
from suite.summarize import Board, Row, identity

CROWDED = 1500
"""With more rows than this in all, the front page leaves charts and all but the first rows to the pages of the models."""

FIRST_ROWS = 20

KINDS = ("model", "method", "target", "record")


def sources() -> Path:
    """The folder with templates and assets: beside the package when installed, at the root of the repository otherwise."""
    here = Path(__file__).parent
    installed = here / "_site"
    return installed if installed.is_dir() else here.parent / "site"


def signed(value: float, digits: int = 3) -> str:
    """With its sign, a true minus, and no sign for what rounds to nothing."""
    text = f"{value:+.{digits}f}"
    return text[1:] if float(text) == 0 else text.replace("-", "\N{MINUS SIGN}")


def times(value: float, digits: int = 2) -> str:
    """A ratio: 3.9×."""
    return f"{value:.{digits}f}\N{MULTIPLICATION SIGN}"


def paper_href(paper: str) -> str | None:
    """Where a paper is to be found: an arXiv id or an https address; None for anything else."""
    found = re.fullmatch(r"(?:arXiv:)?(\d{4}\.\d{4,5})", paper)
    if found:
        return f"https://arxiv.org/abs/{found[1]}"
    return paper if re.fullmatch(r"https://[\w.-]+(/[\w./?=&%#:+~()-]*)?", paper) else None


FILTERS: dict[str, Any] = {
    "signed": signed,
    "times": times,
    "mb": lambda size: f"{size / 1e6:.2f}",
    "within": lambda share: f"{min(100.0, max(0.0, share)):.2f}",
    "metric_title": lambda name: find(name).title,
    "metric_help": lambda name: find(name).help,
    "family_class": lambda family: f"family-{slug(family or 'unknown')}",
    "page_of": lambda name, kind: f"{kind}/{slug(name)}.html",
    "paper_href": paper_href,
}


@dataclass(frozen=True)
class Site:
    """Everything that the pages are made of."""

    cards: Cards
    evidence: Evidence
    boards: tuple[Board, ...]
    results: Path

    def write(self, out: Path) -> int:
        """Fills the empty folder `out` and returns the number of pages."""
        self._assets(out / "assets")
        self._data(out / "data")
        for kind in KINDS:
            (out / kind).mkdir()
        pages = 0
        for path, template, values in self._pages():
            text = self._templates.get_template(template).render(root="../" * path.count("/"), **values)
            (out / path).write_text(text, encoding="utf-8", newline="\n")
            pages += 1
        return pages

    @cached_property
    def _plotly(self) -> str:
        from plotly.offline import get_plotlyjs

        return str(get_plotlyjs())

    @cached_property
    def _templates(self) -> jinja2.Environment:
        loader = jinja2.FileSystemLoader(sources() / "templates")
        templates = jinja2.Environment(
            loader=loader, autoescape=True, undefined=jinja2.StrictUndefined, trim_blocks=True, lstrip_blocks=True
        )
        templates.filters |= FILTERS
        templates.globals |= {
            "cards": self.cards,
            "shapes": SHAPES,
            "family_shapes": FAMILY_SHAPES,
            "version": __version__,
            "record_count": len(self.evidence.records),
            "margin": MARGIN,
            "baseline_method": BASELINE,
            "plotly_styles": sorted(set(re.findall(r'getElementById\("([0-9a-f]{64})"\)', self._plotly))),
        }
        return templates

    @cached_property
    def _views(self) -> list[BoardView]:
        return [BoardView(board, self.cards) for board in self.boards]

    @cached_property
    def _places(self) -> dict[str, tuple[Row, BoardView]]:
        """Record name -> its row and board, for records that stand on one."""
        return {row.record.name: (row, view) for view in self._views for row in view.board.rows}

    def _names(self, kind: str) -> list[str]:
        """Everything of a kind that has a card or a record."""
        cards = {"model": self.cards.models, "method": self.cards.methods, "target": self.cards.targets}[kind]
        names = {*cards, *(getattr(record.cell, kind) for record in self.evidence.records)}
        if kind == "method":
            names |= {step.method for record in self.evidence.records for step in record.cell.recipe}
            names |= {step.method for card in self.cards.methods.values() for variant in card.variants for step in variant.steps}
        return sorted(names)

    def _pages(self) -> Iterator[tuple[str, str, dict[str, Any]]]:
        """Path, template and values of each page."""
        names = {f"{kind}_names": self._names(kind) for kind in ("model", "method", "target")}
        crowded = sum(len(board.rows) for board in self.boards) > CROWDED
        yield "index.html", "index.html", {"views": self._views, "crowded": crowded, "limit": FIRST_ROWS, **names}
        yield "about.html", "about.html", {}
        methods = by_method(self._views, self.cards)
        for name in names["model_names"]:
            yield f"model/{slug(name)}.html", "model.html", self._model(name)
        for name in names["method_names"]:
            yield f"method/{slug(name)}.html", "method.html", self._method(name, methods)
        for name in names["target_names"]:
            views = [view for view in self._views if view.board.target == name]
            yield f"target/{slug(name)}.html", "target.html", {"name": name, "views": views}
        for record in self.evidence.records:
            yield f"record/{slug(record.name)}.html", "record.html", self._record(record)

    def _model(self, name: str) -> dict[str, Any]:
        sample = f"assets/samples/{slug(name)}.png"
        views = [view for view in self._views if view.board.model == name]
        return {"name": name, "views": views, "sample": sample if (sources() / sample).is_file() else None}

    def _method(self, name: str, methods: dict[str, list[MethodResults]]) -> dict[str, Any]:
        return {"name": name, "results": methods.get(name, [])}

    def _record(self, record: Record) -> dict[str, Any]:
        row, view = self._places.get(record.name, (self._replaced(record), None))
        baseline = view.board.baseline if view else None
        return {
            "record": record,
            "row": row,
            "view": view,
            "baseline": baseline,
            "successor": None if view else self._current.get(identity(record)),
            "samples": self.evidence.samples[record.name],
            "ranks_latency": self.cards.ranks_latency(record.cell.target),
            "file": slug(record.name),
        }

    @cached_property
    def _current(self) -> dict[tuple[object, ...], Record]:
        return {identity(row.record): row.record for row, _ in self._places.values()}

    def _replaced(self, record: Record) -> Row:
        return Row(record=record, metric=record.accuracy.metric if record.accuracy else "")

    def _assets(self, out: Path) -> None:
        assets = sources() / "assets"
        for path in sorted(path for path in assets.rglob("*") if path.is_file()):
            copy = out / path.relative_to(assets)
            copy.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(path, copy)
        (out / "plotly.min.js").write_text(self._plotly, encoding="utf-8", newline="\n")

    def _data(self, out: Path) -> None:
        """Every record and its columns as files, and all of them as flat rows."""
        out.mkdir()
        rows = []
        for record in self.evidence.records:
            place = self._places.get(record.name)
            rows.append(flat(place[0] if place else self._replaced(record), self.cards, place is not None))
            (out / f"{slug(record.name)}.json").write_bytes(encode(record))
            if record.columns_sha256 is not None:
                shutil.copyfile(self.results / (record.name + COLUMNS), out / (slug(record.name) + COLUMNS))
        (out / "results.json").write_text(json.dumps(rows, indent=1) + "\n", encoding="utf-8", newline="\n")
        (out / "results.csv").write_text(_csv(rows), encoding="utf-8", newline="\n")


def _csv(rows: list[dict[str, Any]]) -> str:
    text = io.StringIO()
    if rows:
        writer = csv.DictWriter(text, list(rows[0]), lineterminator="\n")
        writer.writeheader()
        writer.writerows({name: _inert(value) for name, value in row.items()} for row in rows)
    return text.getvalue()


def _inert(value: object) -> object:
    """Text that a spreadsheet would take for a formula gets a quote in front."""
    return f"'{value}" if isinstance(value, str) and value[:1] in ("=", "+", "-", "@", "\t", "\r") else value
