"""The coverage matrix of the site: what ran, what could not and why, what failed and why, and what was never tried."""

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cached_property
from hashlib import sha256
from typing import Literal

from suite import formats
from suite.charts import FAMILY_SHAPES
from suite.pages import BoardView, Cards, slug
from suite.summarize import Row

State = Literal["ok", "unsupported", "failed", "none"]
STATES: tuple[State, ...] = ("ok", "unsupported", "failed", "none")


@dataclass(frozen=True, slots=True)
class Square:
    """A variant on a model. note: the number of the reason, where there is one to give."""

    state: State
    row: Row | None
    note: int | None


@dataclass(frozen=True, slots=True)
class Line:
    """A variant on each model, in the order of the matrix."""

    variant: str
    squares: tuple[Square, ...]


@dataclass(frozen=True, slots=True)
class Reason:
    """Why there is no result, told once for all the rows that it holds for."""

    status: str
    words: str
    rows: tuple[Row, ...]


@dataclass(frozen=True)
class Matrix:
    """The boards of one target, tier, host and test set, one for each model."""

    views: tuple[BoardView, ...]
    cards: Cards

    @cached_property
    def anchor(self) -> str:
        """An id that is unique on the page."""
        board = self.views[0].board
        place = sha256(f"{board.host}\n{self.views[0].test_seed}".encode(errors="surrogatepass")).hexdigest()[:8]
        return f"{slug(board.target)}-{slug(board.tier)}-{place}"

    @cached_property
    def reasons(self) -> tuple[Reason, ...]:
        """Each reason once, in the order of the matrix; the place of one, counted from 1, is its number."""
        rows: dict[tuple[str, str], list[Row]] = {}
        for method, variant in self._names:
            for view in self.views:
                row = self._rows[view.board.model].get((method, variant))
                if row is not None and row.record.status != "ok":
                    rows.setdefault((row.record.status, row.record.reason or ""), []).append(row)
        return tuple(Reason(*key, tuple(of)) for key, of in rows.items())

    @cached_property
    def methods(self) -> tuple[tuple[str, tuple[Line, ...]], ...]:
        """Each method with its measured variants: families in the order of the legend, variants in that of the card."""
        lines: dict[str, list[Line]] = {}
        numbers = {row.record.name: number for number, reason in enumerate(self.reasons, 1) for row in reason.rows}
        for method, variant in self._names:
            rows = (self._rows[view.board.model].get((method, variant)) for view in self.views)
            squares = tuple(Square(state(row), row, numbers.get(row.record.name) if row else None) for row in rows)
            lines.setdefault(method, []).append(Line(variant, squares))
        return tuple((method, tuple(of)) for method, of in lines.items())

    @cached_property
    def by_model(self) -> Mapping[str, Mapping[State, int]]:
        """How many variants are in each state on each model."""
        squares = [line.squares for _, lines in self.methods for line in lines]
        found = (Counter(of[place].state for of in squares) for place in range(len(self.views)))
        return {view.board.model: {state: of[state] for state in STATES} for view, of in zip(self.views, found, strict=True)}

    @cached_property
    def counts(self) -> Mapping[State, int]:
        """How many squares are in each state."""
        return {state: sum(of[state] for of in self.by_model.values()) for state in STATES}

    @cached_property
    def untried(self) -> tuple[str, ...]:
        """Methods that have a card and no record here, and whose results the target could run."""
        card = self.cards.targets.get(self.views[0].board.target)
        possible = {
            name for name, method in self.cards.methods.items() if card is None or any(formats.makes(method, each) for each in card.formats)
        }
        return tuple(sorted(possible - {method for method, _ in self._names}))

    @cached_property
    def _rows(self) -> Mapping[str, Mapping[tuple[str, str], Row]]:
        return {view.board.model: {(r.record.cell.method, r.record.cell.variant): r for r in view.board.rows} for view in self.views}

    @cached_property
    def _names(self) -> tuple[tuple[str, str], ...]:
        families = {family: place for place, family in enumerate(FAMILY_SHAPES)}
        variants = {(name, each.name): place for name, card in self.cards.methods.items() for place, each in enumerate(card.variants)}

        def place(name: tuple[str, str]) -> tuple[int, str, int, str]:
            """Of a method and variant; what no card knows comes last."""
            return families.get(self.cards.family(name[0]) or "", len(families)), name[0], variants.get(name, len(variants)), name[1]

        return tuple(sorted({name for rows in self._rows.values() for name in rows}, key=place))


def state(row: Row | None) -> State:
    """Of a square; a row is there as soon as there is a record."""
    if row is None:
        return "none"
    status = row.record.status
    return status if status in ("ok", "unsupported") else "failed"


def matrices(views: Iterable[BoardView], cards: Cards) -> tuple[Matrix, ...]:
    """One for each target, tier, host and test set: reference targets first, and of several machines the one where most was measured."""
    groups: dict[tuple[str, str, str, int], list[BoardView]] = {}
    for view in views:
        board = view.board
        groups.setdefault((board.target, board.tier, board.host, view.test_seed), []).append(view)

    def place(group: tuple[tuple[str, str, str, int], list[BoardView]]) -> tuple[bool, str, str, int, str, int]:
        (target, tier, host, seed), of = group
        return not cards.is_reference(target), target, tier, -sum(len(view.board.rows) for view in of), host, seed

    return tuple(Matrix(tuple(of), cards) for _, of in sorted(groups.items(), key=place))
