"""The heat map of a model: what each variant costs on one component at a time, arranged for a page. Words and markup are the templates'."""

from collections import Counter
from dataclasses import dataclass
from functools import cached_property

from suite.pages import BoardView, Cards
from suite.sensitivity import Impact, Sensitivity
from suite.summarize import Row

SHADES = (0.01, 0.03, 0.1, 0.3)
"""A loss of so large a share of the baseline's score, or more, is a shade darker."""
LINES = 120
"""No more variants than this are shown."""


@dataclass(frozen=True, slots=True)
class Tile:
    """One square. shade: "loss-0" to "loss-4", "tie", "gain"; "none" without a difference. worst: this component surely suffers most."""

    row: Row | None
    shade: str
    worst: bool = False


@dataclass(frozen=True, slots=True)
class Line:
    """A variant: a tile for each component, and one for all of them together."""

    impact: Impact
    tiles: tuple[Tile, ...]
    whole: Tile


@dataclass(frozen=True, slots=True)
class Tally:
    """Which component surely suffers most, over the variants of which at least two components were compressed alone.

    wins: component -> in how many, most first, every component named. undecided: the variants in which none does.
    """

    wins: tuple[tuple[str, int], ...]
    compared: int
    undecided: int


@dataclass(frozen=True)
class HeatMap:
    """One board's."""

    found: Sensitivity
    view: BoardView
    cards: Cards

    @cached_property
    def components(self) -> tuple[tuple[str, str | None], ...]:
        """Name and modality."""
        card = self.cards.models.get(self.found.board.model)
        modalities: dict[str, str] = {component.name: component.modality for component in card.components} if card else {}
        return tuple((name, modalities.get(name)) for name in self.found.components)

    @cached_property
    def methods(self) -> tuple[tuple[str, tuple[Line, ...]], ...]:
        """Each method with its lines in the order of its card."""
        groups: dict[str, list[Impact]] = {}
        for impact in self.found.impacts[:LINES]:
            groups.setdefault(impact.method, []).append(impact)
        return tuple((method, tuple(self._line(impact) for impact in self._ordered(method, of))) for method, of in groups.items())

    @property
    def more(self) -> int:
        """How many variants are not shown."""
        return max(0, len(self.found.impacts) - LINES)

    @cached_property
    def tally(self) -> Tally:
        """The answer above the map."""
        compared = [impact for impact in self.found.impacts if sum(row.difference is not None for row in impact.parts.values()) > 1]
        counts = Counter(impact.worst for impact in compared if impact.worst is not None)
        named = {name for impact in compared for name, row in impact.parts.items() if row.difference is not None}
        wins = sorted(((name, counts[name]) for name in self.found.components if name in named), key=lambda pair: -pair[1])
        return Tally(tuple(wins), len(compared), len(compared) - counts.total())

    def _ordered(self, method: str, impacts: list[Impact]) -> list[Impact]:
        card = self.cards.methods.get(method)
        order = {variant.name: index for index, variant in enumerate(card.variants)} if card else {}
        return sorted(impacts, key=lambda impact: (order.get(impact.variant, len(order)), impact.variant))

    def _line(self, impact: Impact) -> Line:
        tiles = tuple(self._tile(impact.parts.get(name), impact.worst == name) for name in self.found.components)
        return Line(impact, tiles, self._tile(impact.whole, False))

    def _tile(self, row: Row | None, worst: bool) -> Tile:
        if row is None or row.difference is None:
            return Tile(row, "none")
        if row.accuracy_verdict != "worse":
            return Tile(row, "tie" if row.accuracy_verdict == "tie" else "gain")
        baseline = self.found.board.baseline
        score = baseline.accuracy.value if baseline and baseline.accuracy else 1.0
        return Tile(row, f"loss-{shade(-row.difference.value / score)}", worst)


def shade(loss: float) -> int:
    """Which of the shades a loss gets, from 0 to len(SHADES); `loss` is a share of the baseline's score."""
    return sum(loss >= step for step in SHADES)
