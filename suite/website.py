"""The folder of the site: pages from templates, downloads, assets. Everything is sorted, nothing carries a date of its own."""

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
from suite.comparable import identity
from suite.contracts import BASELINE
from suite.coverage import matrices
from suite.devices import device_boards, kernels
from suite.downloads import flat, table
from suite.evidence import Evidence, Samples
from suite.examples import Gallery
from suite.filters import EXAMPLES, FILTERS
from suite.forest import LINES, forests
from suite.heat import SHADES, HeatMap
from suite.judge import judge
from suite.pages import GROUPS, MARGIN, BoardView, Cards, MethodResults, bars_from, by_method, slice_tables, slug
from suite.record import Record, encode
from suite.sensitivity import sensitivities
from suite.slices import Group, groups, worst
from suite.store import COLUMNS
from suite.summarize import Board, Row

CROWDED = 1500
"""With more rows than this in all, the front page leaves charts and all but the first rows to the pages of the models."""

FIRST_ROWS = 20

OPEN = 12
"""The figures of a known result lie open if there are no more than this; the picture shows them anyway."""

KINDS = ("model", "method", "target", "record")


def sources() -> Path:
    """The folder with templates and assets: beside the package when installed, at the root of the repository otherwise."""
    here = Path(__file__).parent
    installed = here / "_site"
    return installed if installed.is_dir() else here.parent / "site"


@dataclass(frozen=True)
class Site:
    """Everything that the pages are made of."""

    cards: Cards
    evidence: Evidence
    boards: tuple[Board, ...]
    results: Path
    gallery: Gallery

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
        for file, content in self.gallery.files.items():
            place = out / "assets" / EXAMPLES / file
            place.parent.mkdir(parents=True, exist_ok=True)
            place.write_bytes(content)
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
            "shades": SHADES,
            "group_limit": GROUPS,
            "baseline_method": BASELINE,
            "plotly_styles": sorted(set(re.findall(r'getElementById\("([0-9a-f]{64})"\)', self._plotly))),
        }
        return templates

    @cached_property
    def _views(self) -> list[BoardView]:
        """By model, the device's reference target before the others."""
        views = [BoardView(board, self.cards) for board in self.boards]
        return sorted(views, key=lambda view: (view.board.model, not self.cards.is_reference(view.board.target)))

    @cached_property
    def _places(self) -> dict[str, tuple[Row, BoardView]]:
        """Record name -> its row and board, for records that stand on one, and for those of one component that belong to one."""
        alone = [(row, heat.view) for heat in self._heats for impact in heat.found.impacts for row in impact.parts.values()]
        return {row.record.name: (row, view) for row, view in (*alone, *((row, view) for view in self._views for row in view.board.rows))}

    @cached_property
    def _heats(self) -> list[HeatMap]:
        views = {id(view.board): view for view in self._views}
        found = sensitivities(self.evidence.records, self.evidence.columns, self.boards)
        return [HeatMap(one, views[id(one.board)], self.cards) for one in found]

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
        covered = matrices(self._views, self.cards)
        yield "coverage.html", "coverage.html", {"matrices": covered}
        yield "findings.html", "findings.html", {**self._findings(), "several": len(covered) > 1}
        columns = self.evidence.columns
        boards = {"boards": device_boards(self._views, self.cards, columns), "kernels": kernels(self._views, self.cards, columns)}
        yield "runtimes.html", "runtimes.html", boards
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

    def _findings(self) -> dict[str, Any]:
        views = [view for view in self._views if self.cards.is_reference(view.board.target)] or self._views
        judgements = judge(views, self.evidence.columns)
        drawn = {judgement.known.id: forests(judgement) for judgement in judgements}
        return {"views": views, "judgements": judgements, "forests": drawn, "open_limit": OPEN, "line_limit": LINES}

    def _model(self, name: str) -> dict[str, Any]:
        sample = f"assets/samples/{slug(name)}.png"
        views = [view for view in self._views if view.board.model == name]
        heats = [heat for heat in self._heats if heat.view.board.model == name]
        return {"name": name, "views": views, "heats": heats, "sample": sample if (sources() / sample).is_file() else None}

    def _method(self, name: str, methods: dict[str, list[MethodResults]]) -> dict[str, Any]:
        return {"name": name, "results": methods.get(name, [])}

    def _record(self, record: Record) -> dict[str, Any]:
        row, view = self._places.get(record.name, (self._replaced(record), None))
        baseline = view.board.baseline if view else None
        pair = self._pair(row, baseline)
        found = _groups(record, *pair) if pair else ()
        return {
            "record": record,
            "row": row,
            "view": view,
            "baseline": baseline,
            "successor": None if view else self._current.get(identity(record)),
            "samples": self.evidence.samples[record.name],
            "slices": slice_tables(found),
            "bars_from": bars_from(record.accuracy, baseline.record.accuracy if baseline else None),
            "worst": worst(found),
            "examples": self.gallery.of(record, baseline.record, self.evidence) if pair and baseline else None,
            "ranks_latency": self.cards.ranks_latency(record.cell.target),
            "file": slug(record.name),
        }

    def _pair(self, row: Row, baseline: Row | None) -> tuple[Samples, Samples] | None:
        """What is kept of a record and of its baseline, if the one can be compared with the other and is not the same."""
        if baseline is None or row.difference is None or row.is_baseline:
            return None
        return self.evidence.samples[row.record.name], self.evidence.samples[baseline.record.name]

    @cached_property
    def _current(self) -> dict[tuple[object, ...], Record]:
        return {identity(row.record): row.record for row, _ in self._places.values()}

    def _replaced(self, record: Record) -> Row:
        """Of a record that stands on no board: a newer one has taken its place, or there is no board for it."""
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
        (out / "results.csv").write_text(table(rows), encoding="utf-8", newline="\n")


def _groups(record: Record, mine: Samples, baseline: Samples) -> tuple[Group, ...]:
    if mine.hits is None or baseline.hits is None:
        return ()
    return groups(record, mine.slices, mine.hits, baseline.hits)
