"""What the pages show, worked out from boards and cards: names of files, answers, groups. Words and markup are the templates'."""

import math
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cached_property
from hashlib import sha256

from suite.charts import FAMILY_SHAPES, Ladder, ladder
from suite.comparable import LOCAL_HOST
from suite.contracts import MethodCard, ModelCard, TargetCard
from suite.machine import EMULATED
from suite.ranks import speed_ranks
from suite.record import Accuracy
from suite.scatter import NARROW, WIDE, Scatter, size_chart, speed_chart
from suite.summarize import SPEED_MARGIN, Board, Row

ROWS = 60
"""No more rows of one method on one board than this are shown on the method's page."""

MARGIN = 0.02
"""The loss of accuracy that many would accept for a smaller model: an answer of its own on the front page."""

_PLAIN = re.compile(r"[a-z0-9][a-z0-9_.-]{0,149}")


def slug(text: str) -> str:
    """A file name for any text: itself if it is plain, otherwise what is plain in it and a hash, so that two never meet."""
    if _PLAIN.fullmatch(text):
        return text
    plain = re.sub(r"[^a-z0-9_]+", "-", text.lower())[:60].strip("-")
    return f"{plain}-{sha256(text.encode(errors='surrogatepass')).hexdigest()[:12]}".lstrip("-")


@dataclass(frozen=True, slots=True)
class Cards:
    """What the plug-ins declare. A record may name one that is no longer there."""

    models: Mapping[str, ModelCard]
    methods: Mapping[str, MethodCard]
    targets: Mapping[str, TargetCard]

    def family(self, method: str) -> str | None:
        """A method's family; None if its card is gone."""
        return self.methods[method].family if method in self.methods else None

    def division(self, method: str) -> str | None:
        """A method's division; None if its card is gone."""
        return self.methods[method].division if method in self.methods else None

    def shape(self, method: str) -> str:
        """The shape of a method's marks."""
        return FAMILY_SHAPES.get(self.family(method) or "", "cross")

    def is_reference(self, target: str) -> bool:
        """Whether others of its device are held against it; true of one that has no card."""
        return target not in self.targets or self.targets[target].is_reference

    def ranks_latency(self, target: str) -> bool:
        """False for an emulated target, whose times mean nothing."""
        return target not in self.targets or self.targets[target].ranks_latency


@dataclass(frozen=True, slots=True)
class Answers:
    """What a reader wants to know first. Each is the best row and those that tie with it; empty if there is none.

    smallest, fastest: with no measurable loss of accuracy. margin: the smallest that loses at most MARGIN, by its whole interval.
    lossless: how many variants lose nothing measurable, of how many (compared).
    """

    smallest: tuple[Row, ...]
    fastest: tuple[Row, ...]
    margin: tuple[Row, ...]
    lossless: int
    compared: int


def answers(board: Board, ranks_latency: bool) -> Answers:
    """Sizes tie if they print alike, speed-ups unless one is surely faster (`suite.ranks`, corrected for those that lose nothing).

    A noisy timing only counts if all are. One of a host that was graded below C does not count at all.
    """
    compared = [row for row in board.rows if row.difference is not None and not row.is_baseline]
    lossless = [row for row in compared if row.accuracy_verdict != "worse"]
    near = [row for row in compared if row.difference is not None and row.difference.low >= -MARGIN]
    fastest = _fastest(lossless) if ranks_latency else ()
    return Answers(_smallest(lossless), fastest, _smallest(near), len(lossless), len(compared))


def _smallest(rows: list[Row]) -> tuple[Row, ...]:
    ordered = sorted((-row.size_ratio, row.record.name, row) for row in rows if row.size_ratio is not None and row.size_ratio > 1.0)
    return tuple(row for ratio, _, row in ordered if f"{ratio:.1f}" == f"{ordered[0][0]:.1f}")


def _fastest(rows: list[Row]) -> tuple[Row, ...]:
    timed = [(row.speed, row) for row in rows if row.speed is not None and row.speed_verdict == "better"]
    timed = [(speed, row) for speed, row in timed if row.record.latency is not None and not row.record.latency.noisy] or timed
    ranks = speed_ranks([speed for speed, _ in timed], SPEED_MARGIN)
    first = [(-speed.estimate.value, row.record.name, row) for (speed, row), rank in zip(timed, ranks, strict=True) if rank == 1]
    return tuple(row for _, _, row in sorted(first, key=lambda found: found[:2]))


@dataclass(frozen=True)
class BoardView:
    """A board with what its section shows. alone: whether it has a page of its own, as boards of further machines have."""

    board: Board
    cards: Cards
    alone: bool = False

    @cached_property
    def anchor(self) -> str:
        """An id that is unique on a page. Of an emulated processor's board it holds the machine that measured there first: once published,
        it stays."""
        board, oldest = self.board, min((row.record for row in self.board.rows), key=lambda record: (record.created, record.name))
        emulated = board.host.removeprefix(LOCAL_HOST) == EMULATED
        host = board.host.removesuffix(EMULATED) + oldest.environment.host if emulated else board.host
        place = sha256(f"{host}\n{oldest.cell.test_seed}".encode(errors="surrogatepass")).hexdigest()[:8]
        return f"{slug(board.model)}-{slug(board.target)}-{slug(board.tier)}-{place}"

    @cached_property
    def page(self) -> str:
        """Where it is shown whole, as seen from the folder of its language."""
        return f"board/{self.anchor}.html" if self.alone else f"model/{slug(self.board.model)}.html#{self.anchor}"

    @cached_property
    def test_seed(self) -> int:
        """The seed of the board's test set."""
        return self.board.rows[0].record.cell.test_seed

    @cached_property
    def items(self) -> int | None:
        """How many test items its figures rest on."""
        return next((row.record.accuracy.items for row in self.board.rows if row.record.accuracy is not None), None)

    @cached_property
    def ranks_latency(self) -> bool:
        """Whether its times may be compared."""
        return self.cards.ranks_latency(self.board.target)

    @cached_property
    def answers(self) -> Answers:
        """What a reader wants to know first."""
        return answers(self.board, self.ranks_latency)

    @cached_property
    def size_charts(self) -> tuple[Scatter, Scatter] | None:
        """Accuracy against size, for wide and for narrow screens."""
        return _both(size_chart(self.board, WIDE), size_chart(self.board, NARROW))

    @cached_property
    def speed_charts(self) -> tuple[Scatter, Scatter] | None:
        """Accuracy against speed-up, for wide and for narrow screens."""
        return _both(speed_chart(self.board, WIDE), speed_chart(self.board, NARROW)) if self.ranks_latency else None

    @cached_property
    def streaming(self) -> tuple[Row, ...]:
        """Its rows that were timed token by token, where times may be compared."""
        return tuple(
            row for row in self.board.rows if self.ranks_latency and row.speed_up and row.record.latency and row.record.latency.tokens
        )

    @cached_property
    def families(self) -> tuple[str, ...]:
        """The families of its rows, in the order of the legend."""
        found = {self.cards.family(row.record.cell.method) for row in self.board.rows if row.accuracy is not None}
        return tuple(family for family in FAMILY_SHAPES if family in found)

    @cached_property
    def ranks(self) -> Mapping[int, int]:
        """Rank -> how many rows share it."""
        counts: dict[int, int] = {}
        for row in self.board.rows:
            if row.rank is not None:
                counts[row.rank] = counts.get(row.rank, 0) + 1
        return counts

    @cached_property
    def lowest(self) -> float:
        """The left end of its interval bars."""
        return min((row.accuracy.low for row in self.board.rows if row.accuracy is not None), default=0.0)


def _both(wide: Scatter | None, narrow: Scatter | None) -> tuple[Scatter, Scatter] | None:
    return None if wide is None or narrow is None else (wide, narrow)


@dataclass(frozen=True, slots=True)
class MethodResults:
    """One method on one board: its rows in the order of its card, as a ladder and as they are. `more` rows are not shown."""

    view: BoardView
    rows: tuple[Row, ...]
    ladder: Ladder
    more: int


def by_method(views: Iterable[BoardView], cards: Cards) -> dict[str, list[MethodResults]]:
    """Method -> its results, board by board."""
    found: dict[str, list[MethodResults]] = {}
    for view in views:
        groups: dict[str, list[Row]] = {}
        for row in view.board.rows:
            groups.setdefault(row.record.cell.method, []).append(row)
        for method, rows in groups.items():
            found.setdefault(method, []).append(_results(view, method, rows, cards))
    return found


def _results(view: BoardView, method: str, rows: list[Row], cards: Cards) -> MethodResults:
    card = cards.methods.get(method)
    order = {variant.name: index for index, variant in enumerate(card.variants)} if card else {}
    ordered = sorted(rows, key=lambda row: (order.get(row.record.cell.variant, len(order)), row.record.cell.variant, row.record.key))
    shown = tuple(ordered[:ROWS])
    baseline = view.board.baseline.accuracy if view.board.baseline else None
    return MethodResults(view, tuple(shown), ladder(shown, baseline), len(ordered) - len(shown))


def bars_from(*found: Accuracy | None) -> float:
    """Where bars of accuracy begin: at a tenth below every interval, so that what differs can be seen."""
    lows = [
        estimate.low
        for accuracy in found
        if accuracy is not None
        for estimates in (accuracy.metrics, *accuracy.slices.values())
        for estimate in estimates.values()
    ]
    return min(0.9, max(0.0, math.floor(min(lows, default=0.0) * 10) / 10))
