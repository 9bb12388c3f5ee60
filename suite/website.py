"""The folder of the site: pages from templates, downloads, assets. Everything is sorted, nothing carries a date of its own."""

import shutil
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from itertools import chain
from pathlib import Path
from typing import Any

import msgspec

from suite.coverage import matrices
from suite.devices import device_boards, kernels
from suite.evidence import Evidence
from suite.finder import SHOWN, beside, front, prebuilt
from suite.forest import LINES, forests
from suite.heat import HeatMap
from suite.judge import judge
from suite.pages import BoardView, Cards, MethodResults, by_method, slug
from suite.publishing.courses import History
from suite.publishing.press import Press, sources
from suite.recommend import main_boards
from suite.rows import script, tables
from suite.sensitivity import sensitivities
from suite.summarize import Board, Row

FIRST_ROWS = 8
"""Of each board the front page shows no more; all of them are on the page of its model and in the table."""

OPEN = 12
"""The figures of a known result lie open if there are no more than this; the picture shows them anyway."""


Leaf = tuple[str, str, dict[str, Any]]
"""Path, template and values of a page."""


class Listing(msgspec.Struct, frozen=True):
    """A board that the front pages leave out: they name it, and its page is `board/<anchor>.html`."""

    model: str
    target: str
    tier: str
    host: str
    anchor: str
    rows: int


@dataclass(frozen=True)
class Site:
    """The boards that the pages show whole, what they rest on, and what is only named.

    names: kind of plug-in -> every name that a record has, shown or not. listings: boards with a page of their own.
    history: what releases measured more than once.
    """

    press: Press
    evidence: Evidence
    boards: tuple[Board, ...]
    names: Mapping[str, frozenset[str]] = field(default_factory=dict)
    listings: tuple[Listing, ...] = ()
    history: History = field(default_factory=History)

    @property
    def cards(self) -> Cards:
        """What the plug-ins declare."""
        return self.press.cards

    def write(self, out: Path, more: Iterable[Leaf] = ()) -> int:
        """Everything but the pages of records and their data, and what more there is. Returns the number of pages."""
        self._assets(out / "assets")
        self._rows(out / "data")
        pages = 0
        for leaf in chain(self._pages(), more):
            for path, text in self.press.pages(*leaf):
                place = out / path
                place.parent.mkdir(parents=True, exist_ok=True)
                place.write_text(text, encoding="utf-8", newline="\n")
                pages += 1
        return pages

    def listing(self, view: BoardView) -> Listing:
        """A board as a line of a list."""
        board = view.board
        return Listing(board.model, board.target, board.tier, board.host, view.anchor, len(board.rows))

    def board_page(self, view: BoardView) -> Iterator[tuple[str, str]]:
        """Path and text of a board's own page, in every language."""
        return self.press.pages(f"board/{view.anchor}.html", "one_board.html", {"view": view})

    @cached_property
    def views(self) -> list[BoardView]:
        """By model, the device's reference target before the others, and of several machines the one where most was measured first."""

        def place(view: BoardView) -> tuple[str, bool, str, str, bool, int]:
            board = view.board
            return board.model, not self.cards.is_reference(board.target), board.target, board.tier, view.alone, -len(board.rows)

        first = {id(board) for board in main_boards(self.boards)}
        return sorted((BoardView(board, self.cards, id(board) not in first) for board in self.boards), key=place)

    @cached_property
    def places(self) -> dict[str, tuple[Row, BoardView]]:
        """Record name -> its row and board, for records that stand on one, and for those of one component that belong to one."""
        alone = [(row, heat.view) for heat in self._heats for impact in heat.found.impacts for row in impact.parts.values()]
        return {row.record.name: (row, view) for row, view in (*alone, *((row, view) for view in self.views for row in view.board.rows))}

    @cached_property
    def _heats(self) -> list[HeatMap]:
        views = {id(view.board): view for view in self.views}
        found = sensitivities(self.evidence.records, self.evidence.columns, self.boards)
        return [HeatMap(one, views[id(one.board)], self.cards) for one in found]

    def _names(self, kind: str) -> list[str]:
        """Everything of a kind that has a card or a record."""
        cards = {"model": self.cards.models, "method": self.cards.methods, "target": self.cards.targets}[kind]
        names = {*cards, *self.names.get(kind, ())}
        if kind == "method":
            names |= {step.method for card in self.cards.methods.values() for variant in card.variants for step in variant.steps}
        return sorted(names)

    def _pages(self) -> Iterator[Leaf]:
        """Path, template and values of each page."""
        names = {f"{kind}_names": self._names(kind) for kind in ("model", "method", "target")}
        yield "index.html", "index.html", {**self._front(), **names}
        for page in ("table", "compare", "explore", "submit", "about"):
            yield f"{page}.html", f"{page}.html", {"views": self.views, "listings": self.listings}
        covered = matrices(self.views, self.cards)
        yield "coverage.html", "coverage.html", {"matrices": covered, "listings": self.listings}
        yield "findings.html", "findings.html", {**self._findings(), "several": len(covered) > 1, "listings": self.listings}
        columns = self.evidence.columns
        boards = {"boards": device_boards(self.views, self.cards, columns), "kernels": kernels(self.views, self.cards, columns)}
        yield "runtimes.html", "runtimes.html", {**boards, "listings": self.listings}
        methods = by_method(self.views, self.cards)
        for name in names["model_names"]:
            yield f"model/{slug(name)}.html", "model.html", self._model(name)
        for name in names["method_names"]:
            yield f"method/{slug(name)}.html", "method.html", self._method(name, methods)
        for name in names["target_names"]:
            views = [view for view in self.views if view.board.target == name]
            listings = [listing for listing in self.listings if listing.target == name]
            yield f"target/{slug(name)}.html", "target.html", {"name": name, "views": views, "listings": listings}
        for view in self.views:
            if view.alone:
                yield view.page, "one_board.html", {"view": view}

    def _front(self) -> dict[str, Any]:
        first = front(self.views, self.cards)
        rest = [view for view in self.views if view not in first]
        further = {view.anchor: beside(view, self.views) for view in self.views if not view.alone}
        shown = {"views": first, "others": rest, "listings": self.listings, "limit": FIRST_ROWS, "shown": SHOWN, "heats": self._heats}
        return {**shown, "further": further, "answers": prebuilt(self.views, self.cards)}

    def _findings(self) -> dict[str, Any]:
        views = [view for view in self.views if self.cards.is_reference(view.board.target)] or self.views
        judgements = judge(views, self.evidence.columns)
        drawn = {judgement.known.id: forests(judgement) for judgement in judgements}
        return {"views": views, "judgements": judgements, "forests": drawn, "open_limit": OPEN, "line_limit": LINES}

    def _model(self, name: str) -> dict[str, Any]:
        sample = f"assets/samples/{slug(name)}.png"
        views = [view for view in self.views if view.board.model == name]
        heats = [heat for heat in self._heats if heat.view.board.model == name]
        listings = [listing for listing in self.listings if listing.model == name]
        picture = sample if (sources() / sample).is_file() else None
        further = [view for view in views if view.alone]
        views = [view for view in views if not view.alone]
        return {"name": name, "views": views, "further": further, "listings": listings, "heats": heats, "sample": picture}

    def _method(self, name: str, methods: dict[str, list[MethodResults]]) -> dict[str, Any]:
        return {"name": name, "results": methods.get(name, []), "history": self.history, "listings": self.listings}

    def _assets(self, out: Path) -> None:
        assets = sources() / "assets"
        for path in sorted(path for path in assets.rglob("*") if path.is_file()):
            copy = out / path.relative_to(assets)
            copy.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(path, copy)
        (out / "plotly.min.js").write_text(self.press.plotly, encoding="utf-8", newline="\n")
        for language in self.press.languages[1:]:
            (out / f"words.{language.tag}.js").write_text(language.script(), encoding="utf-8", newline="\n")

    def _rows(self, out: Path) -> None:
        """What the site's scripts read."""
        out.mkdir(exist_ok=True)
        (out / "rows.js").write_text(script(tables(self.views, self.cards)), encoding="utf-8", newline="\n")
