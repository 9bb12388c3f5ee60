"""What to use: the variants that meet a wish, the best first, with ties as ties and the reason why others fell out. Pure: boards in."""

import re
from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Literal

from suite.comparable import is_local
from suite.contracts import MethodCard, TargetCard
from suite.errors import UsageError
from suite.ranks import speed_ranks
from suite.summarize import SPEED_MARGIN, Board, Row

Preference = Literal["smaller", "faster"]

UNITS: Mapping[str, float] = {"": 1, "b": 1, "kb": 1e3, "mb": 1e6, "gb": 1e9, "kib": 2**10, "mib": 2**20, "gib": 2**30}
SAME_SIZE = 0.01
"""Sizes within this share of each other are nobody's gain."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Wish:
    """What is asked for; None asks for nothing. loss: of the score, as a share of 1; a variant meets it by its whole interval.

    bytes: of all files together. latency_ms: the median of a request on the machine that measured. divisions: those that may be used;
    none named are all. licences: the same.
    """

    loss: float | None = None
    bytes: float | None = None
    latency_ms: float | None = None
    divisions: tuple[str, ...] = ()
    licences: tuple[str, ...] = ()
    prefer: Preference = "smaller"


@dataclass(frozen=True, slots=True)
class Pick:
    """A variant that meets the wish. rank: 1 + the picks that are surely better by what is preferred; ties share it. Of speeds that is
    corrected for the number of picks (`suite.ranks`), so that those of rank 1 hold the truly fastest.
    """

    row: Row
    rank: int


@dataclass(frozen=True, slots=True)
class Advice:
    """What one board advises. fallen: why variants fell out -> how many, the commonest first. timed: whether times could be asked for."""

    board: Board
    picks: tuple[Pick, ...]
    fallen: Mapping[str, int]
    timed: bool


def parse_size(text: str) -> float:
    """Bytes of `10MB`, `800 kB` or `1.5GiB`. Raises UsageError."""
    found = re.fullmatch(r"\s*([0-9]*\.?[0-9]+)\s*([A-Za-z]*)\s*", text)
    if found is None or found[2].lower() not in UNITS or float(found[1]) <= 0:
        raise UsageError(f"{text!r} is not a size; write it like 10MB, 800kB or 1.5GiB.")
    return float(found[1]) * UNITS[found[2].lower()]


def recommend(
    boards: Iterable[Board], wish: Wish, methods: Mapping[str, MethodCard], targets: Mapping[str, TargetCard]
) -> tuple[Advice, ...]:
    """The advice of every board that has a baseline. Raises UsageError for a latency on a target whose times mean nothing."""
    return tuple(_advice(board, wish, methods, targets) for board in boards if board.baseline is not None)


def usual(boards: Iterable[Board]) -> tuple[str, str]:
    """The target that most was measured on, and the largest of its tiers: what is meant if nobody names one. Raises ValueError if none."""
    sizes: Counter[str] = Counter()
    tiers: dict[str, set[str]] = {}
    for board in boards:
        sizes[board.target] += len(board.rows)
        tiers.setdefault(board.target, set()).add(board.tier)
    target = max(sorted(sizes), key=lambda name: sizes[name])
    return target, "full" if "full" in tiers[target] else "quick"


def main_boards(boards: Iterable[Board]) -> tuple[Board, ...]:
    """Of each model, target, tier and test set the board of one machine: that where most was measured on the target, all models
    together, or if that has none the one with most rows. Boards of local results are somebody's own, and all of them stay."""
    groups: dict[tuple[object, ...], list[Board]] = {}
    sizes: Counter[tuple[str, str, str]] = Counter()
    for board in boards:
        first, place = board.rows[0].record, (board.target, board.tier, board.host)
        sizes[place] += len(board.rows)
        groups.setdefault((board.model, board.target, board.tier, first.cell.test_seed, is_local(first) and board.host), []).append(board)

    def order(board: Board) -> tuple[int, int, str]:
        return -sizes[board.target, board.tier, board.host], -len(board.rows), board.host

    return tuple(min(of, key=order) for of in groups.values())


def _advice(board: Board, wish: Wish, methods: Mapping[str, MethodCard], targets: Mapping[str, TargetCard]) -> Advice:
    timed = board.target not in targets or targets[board.target].ranks_latency
    if not timed and (wish.latency_ms is not None or wish.prefer == "faster"):
        raise UsageError(f"{board.target} is emulated: its times mean nothing, so that neither a latency nor speed can be asked for there.")
    rows = [row for row in board.rows if not row.is_baseline and row.record.status == "ok" and row.difference is not None]
    fallen: Counter[str] = Counter()
    good = []
    for row in rows:
        reason = next((words for words, misses in REASONS.items() if misses(row, wish, methods.get(row.record.cell.method))), None)
        if reason is None:
            good.append(row)
        else:
            fallen[reason] += 1
    return Advice(board, _ranked(good, wish.prefer), dict(fallen.most_common()), timed)


def _ranked(rows: list[Row], prefer: Preference) -> tuple[Pick, ...]:
    """Of a tie the more accurate comes first."""
    ranks = _by_speed(rows) if prefer == "faster" else _by_size(rows)

    def place(row: Row) -> tuple[int, float, str]:
        assert row.difference is not None
        return ranks[row.record.name], -row.difference.value, row.record.name

    return tuple(Pick(row, ranks[row.record.name]) for row in sorted(rows, key=place))


def _by_speed(rows: list[Row]) -> dict[str, int]:
    """Those that were not timed come last."""
    timed = {row.record.name: row.speed for row in rows if row.speed is not None}
    ranks = dict(zip(timed, speed_ranks(list(timed.values()), SPEED_MARGIN), strict=True))
    return {row.record.name: ranks.get(row.record.name, 1 + len(timed)) for row in rows}


def _by_size(rows: list[Row]) -> dict[str, int]:
    """Sizes tie within SAME_SIZE."""
    ratios = {row.record.name: row.size_ratio or 0.0 for row in rows}
    near = 1 - SAME_SIZE / 2, 1 + SAME_SIZE / 2
    return {name: 1 + sum(other * near[0] > ratio * near[1] for other in ratios.values()) for name, ratio in ratios.items()}


def _loses_too_much(row: Row, wish: Wish, card: MethodCard | None) -> bool:
    return wish.loss is not None and row.difference is not None and row.difference.low < -wish.loss


def _is_too_large(row: Row, wish: Wish, card: MethodCard | None) -> bool:
    return wish.bytes is not None and (row.bytes or 0) > wish.bytes


def _is_too_slow(row: Row, wish: Wish, card: MethodCard | None) -> bool:
    latency = row.record.latency
    return wish.latency_ms is not None and (latency is None or latency.median_ms.high > wish.latency_ms)


def _on_an_unfit_host(row: Row, wish: Wish, card: MethodCard | None) -> bool:
    return (wish.latency_ms is not None or wish.prefer == "faster") and row.not_ranked is not None


def _of_another_division(row: Row, wish: Wish, card: MethodCard | None) -> bool:
    return bool(wish.divisions) and (card is None or card.division not in wish.divisions)


def _of_another_licence(row: Row, wish: Wish, card: MethodCard | None) -> bool:
    return bool(wish.licences) and (card is None or card.licence not in wish.licences)


REASONS: Mapping[str, Callable[[Row, Wish, MethodCard | None], bool]] = {
    "of another division": _of_another_division,
    "under another licence": _of_another_licence,
    "too large": _is_too_large,
    "timed on a host below grade C, so that its speed is not ranked": _on_an_unfit_host,
    "not surely fast enough": _is_too_slow,
    "may lose more than that": _loses_too_much,
}
"""Why a variant falls out -> whether it does, by the first that holds."""


def everywhere(found: Iterable[Advice]) -> tuple[str, ...]:
    """method/variant of what every board advises, by the sum of its ranks: what to try on a model that was not measured."""
    places: dict[str, list[int]] = {}
    boards = tuple(found)
    for advice in boards:
        for pick in advice.picks:
            places.setdefault(f"{pick.row.record.cell.method}/{pick.row.record.cell.variant}", []).append(pick.rank)
    common = {name: sum(ranks) for name, ranks in places.items() if len(ranks) == len(boards)}
    return tuple(sorted(common, key=lambda name: (common[name], name)))
