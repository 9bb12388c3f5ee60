"""What the targets of one device gain side by side, and what the same file answers on other kernels. Pure: boards and raw columns in."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import cached_property
from statistics import NormalDist

import numpy as np

from suite.pages import BoardView, Cards
from suite.ranks import Speed, speed_ranks
from suite.record import Estimate, Record
from suite.statistics import difference
from suite.summarize import SPEED_MARGIN, Columns, Row, Verdict, verdict

LOSS = 0.01
"""One point of a score from 0 to 1: what many would give for speed."""


@dataclass(frozen=True, slots=True)
class Entry:
    """A row of one of a device's targets beside the uncompressed model on the device's reference target.

    difference: of accuracy, on the items that both answered. speed_up: the reference target's time for the uncompressed model / its own,
    taken in one session.
    """

    row: Row
    view: BoardView
    difference: Estimate
    speed_up: Estimate

    @property
    def speed(self) -> Speed:
        """Its speed-up as `suite.ranks` compares it."""
        latency = self.row.record.latency
        assert latency is not None
        return Speed(self.speed_up, latency.launches, latency.stretch)

    @property
    def accuracy_verdict(self) -> Verdict:
        return verdict(self.difference, 0.0)

    @property
    def speed_verdict(self) -> Verdict:
        """On the reference target itself that of its row, which knows of a control."""
        latency = self.row.record.latency
        own = self.row.speed_verdict if latency is not None and latency.reference is None else None
        return own or verdict(self.speed_up, 1.0, SPEED_MARGIN)


@dataclass(frozen=True)
class DeviceBoard:
    """Everything that was timed on one device for one model, the fastest first. reference: the board that it is held against."""

    device: str
    reference: BoardView
    entries: tuple[Entry, ...]

    @cached_property
    def near(self) -> tuple[Entry, ...]:
        """The fastest of those that lose at most LOSS by their whole interval, and those that tie with it (`suite.ranks`)."""
        good = [entry for entry in self.entries if entry.difference.low >= -LOSS and entry.row.not_ranked is None]
        ranks = speed_ranks([entry.speed for entry in good], SPEED_MARGIN)
        return tuple(entry for entry, rank in zip(good, ranks, strict=True) if rank == 1)

    @cached_property
    def first(self) -> tuple[Entry, ...]:
        """Of each target the uncompressed model and the fastest that loses at most LOSS, one whose speed is ranked if there is one."""
        best: dict[str, Entry] = {}
        for entry in sorted(self.entries, key=lambda entry: entry.row.not_ranked is not None):
            if entry.difference.low >= -LOSS and not entry.row.is_baseline:
                best.setdefault(entry.view.board.target, entry)
        chosen = {id(entry) for entry in best.values()}
        return tuple(entry for entry in self.entries if id(entry) in chosen or entry.row.is_baseline)

    @cached_property
    def targets(self) -> tuple[str, ...]:
        """Those that it compares, by name."""
        return tuple(sorted({entry.view.board.target for entry in self.entries}))


def device_boards(views: Iterable[BoardView], cards: Cards, columns: Columns) -> tuple[DeviceBoard, ...]:
    """One for each model and device that was timed on more than one target, on the same host, tier and test set."""
    groups: dict[tuple[object, ...], list[BoardView]] = {}
    for view in views:
        card = cards.targets.get(view.board.target)
        if card is not None and card.ranks_latency:
            board = view.board
            groups.setdefault((board.model, card.device, board.tier, board.host, view.test_seed), []).append(view)
    found = []
    for key, of in groups.items():
        reference = next((view for view in of if cards.targets[view.board.target].is_reference), None)
        if reference is None or reference.board.baseline is None or len(of) < 2:
            continue
        entries = [entry for view in of for entry in _entries(view, reference, reference.board.baseline.record, columns)]
        ordered = sorted(entries, key=lambda entry: (-entry.speed_up.value, entry.row.record.name))
        found.append(DeviceBoard(str(key[1]), reference, tuple(ordered)))
    return tuple(found)


def _entries(view: BoardView, reference: BoardView, baseline: Record, columns: Columns) -> Iterator[Entry]:
    hits = columns(baseline)[reference.board.metric]
    for row in view.board.rows:
        latency = row.record.latency
        if row.record.status != "ok" or latency is None:
            continue
        if view is reference:
            if row.difference is not None:
                yield Entry(row, view, row.difference, latency.speed_up)
        elif latency.reference is not None and _same_question(row.record, baseline):
            mine = columns(row.record)[view.board.metric]
            shared = min(len(mine), len(hits))
            yield Entry(row, view, difference(mine[:shared], hits[:shared]), latency.reference.speed_up)


def _same_question(one: Record, other: Record) -> bool:
    """Whether two records answer the same items of the same model."""
    mine, theirs = one.provenance, other.provenance
    return (mine.model_sha256, mine.test_sha256) == (theirs.model_sha256, theirs.test_sha256)


@dataclass(frozen=True, slots=True)
class Shift:
    """The very same files on two targets. agreement: share of items that both score alike. difference: of accuracy on those items,
    its interval widened for the number of files (Bonferroni)."""

    row: Row
    home: Row
    items: int
    agreement: float
    difference: Estimate

    @property
    def verdict(self) -> Verdict:
        return verdict(self.difference, 0.0)


@dataclass(frozen=True, slots=True)
class Kernels:
    """What files that were made once answer on another target than `home`, whose answers change most first."""

    home: BoardView
    view: BoardView
    shifts: tuple[Shift, ...]

    @property
    def changed(self) -> tuple[Shift, ...]:
        """Those whose accuracy surely differs."""
        return tuple(shift for shift in self.shifts if shift.verdict != "tie")

    @property
    def counted(self) -> bool:
        """Whether instructions were counted, or at least tried to be: records before schema 5 say nothing of them."""
        return any(shift.row.record.instructions is not None for shift in self.shifts)


def kernels(views: Iterable[BoardView], cards: Cards, columns: Columns) -> tuple[Kernels, ...]:
    """Each emulated target, and the reference target on other machines, beside the reference target on the machine with most of the very
    same files. What a file answers is a matter of the kernels, and not of what else the machine is."""
    known = tuple(view for view in views if view.board.target in cards.targets)
    homes: dict[tuple[object, ...], list[BoardView]] = {}
    for view in known:
        if cards.targets[view.board.target].is_reference:
            homes.setdefault(_question(view), []).append(view)
    found = []
    for view in known:
        card, candidates = cards.targets[view.board.target], homes.get(_question(view), [])
        if card.ranks_latency and not card.is_reference:
            continue
        most = [(0 if card.ranks_latency else len(_same(view, other)), len(other.board.rows)) for other in candidates]
        home = candidates[most.index(max(most))] if most else None
        if home not in (None, view) and (shifts := tuple(_shifts(view, home, columns))):
            found.append(Kernels(home, view, shifts))
    return tuple(found)


def _question(view: BoardView) -> tuple[object, ...]:
    return view.board.model, view.board.tier, view.test_seed


def _same(view: BoardView, home: BoardView) -> list[tuple[Row, Row]]:
    """The rows of both boards that are of the very same files, asked the same."""
    known = {row.record.provenance.artifact_sha256: row for row in home.board.rows if row.record.status == "ok"}
    pairs = [(row, known.get(row.record.provenance.artifact_sha256)) for row in view.board.rows if row.record.status == "ok"]
    return [(row, other) for row, other in pairs if other is not None and _same_question(row.record, other.record)]


def _shifts(view: BoardView, home: BoardView, columns: Columns) -> list[Shift]:
    same = _same(view, home)
    z = NormalDist().inv_cdf(1 - 0.025 / max(1, len(same)))
    found = []
    for row, other in same:
        mine, theirs = columns(row.record)[view.board.metric], columns(other.record)[home.board.metric]
        shared = min(len(mine), len(theirs))
        agreement = float(np.mean(mine[:shared] == theirs[:shared]))
        found.append(Shift(row, other, shared, agreement, difference(mine[:shared], theirs[:shared], z)))
    return sorted(found, key=lambda shift: (shift.agreement, shift.row.record.name))
