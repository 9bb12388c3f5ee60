"""Tie groups of a board as a compact letter display: two rows share a letter exactly if they cannot be told apart."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from suite.bounds import binomial
from suite.ranks import ERROR, SAME, discordant, paired_gaps
from suite.statistics import NORMAL, student_tail

Array = np.ndarray[Any, np.dtype[Any]]

NAMES = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"

ROWS = 100
"""Boards of more rows get no letters: all their pairs are too many for a correction that leaves anything to see."""

TANGLED = 400
"""More groups than this on the way mean that there is no short display."""


def tie_letters(answers: Sequence[Array]) -> tuple[str, ...] | str:
    """The letters of each row, best row first, from its answers to the same items, columns (items,); or why there are none, in words."""
    if len(answers) > ROWS:
        return f"no tie letters: they are made for up to {ROWS} rows, whose pairs are few enough to be told apart after the correction"
    if not answers or not answers[0].size:
        return "no tie letters: nothing was answered"
    found = display(told_apart(np.stack(answers)))
    return found if found is not None else f"no tie letters: its ties would need more than {len(NAMES)}"


def told_apart(answers: Array) -> Array:
    """Which pairs differ, bool (K, K), of answers (K, items): McNemar's exact test for bool, a paired t for degrees.

    Over all pairs of the board at once by Holm's procedure (1979): in 95 % of all boards no pair is named different that is not.
    """
    p = _p_of_shares(answers) if answers.dtype == np.bool_ else _p_of_degrees(answers.astype(np.float64))
    first, second = np.triu_indices(len(answers), 1)
    ordered = np.argsort(p[first, second], kind="stable")
    steps = ERROR / np.arange(len(ordered), 0, -1)
    fails = np.flatnonzero(p[first, second][ordered] > steps)
    rejected = ordered[: fails[0] if fails.size else len(ordered)]
    apart = np.zeros((len(answers), len(answers)), bool)
    apart[first[rejected], second[rejected]] = apart[second[rejected], first[rejected]] = True
    return apart


def _p_of_shares(answers: Array) -> Array:
    gained, differing = discordant(answers, slice(None))
    fewer = np.minimum(gained, differing - gained)
    p = np.ones(differing.shape)
    for count in np.unique(differing):
        here = differing == count
        p[here] = np.minimum(1.0, 2 * np.cumsum(binomial(int(count), 0.5))[fewer[here]])
    return p


def _p_of_degrees(scores: Array) -> Array:
    if scores.shape[1] < 2:
        return np.ones((len(scores), len(scores)))
    gaps, errors = paired_gaps(scores, slice(None))
    with np.errstate(divide="ignore", invalid="ignore"):
        t = np.where(np.abs(gaps) > SAME, np.abs(gaps) / errors, 0.0)
    return student_tail(t, min(scores.shape[1] - 1, NORMAL))


def display(apart: Array) -> tuple[str, ...] | None:
    """The letters of each of K rows, from a symmetric bool (K, K): insert and absorb (Piepho 2004). None if they do not suffice.

    A group is a set of rows no two of which are apart, as bits of an integer. Every pair that is apart splits the groups that hold both;
    a group within another is absorbed. Groups that add no tie are left out at the end.
    """
    groups = [(1 << len(apart)) - 1]
    for one, other in np.argwhere(np.triu(apart, 1)).tolist():
        pair = 1 << one | 1 << other
        split = [group for group in groups if group & pair == pair]
        kept = [group for group in groups if group & pair != pair]
        for part in sorted((group & ~(1 << each) for group in split for each in (one, other)), key=int.bit_count, reverse=True):
            if not any(part & ~group == 0 for group in kept):
                kept.append(part)
        groups = kept
        if len(groups) > TANGLED:
            return None
    groups = sorted(_swept(groups), key=_members)
    if len(groups) > len(NAMES):
        return None
    return tuple("".join(name for name, group in zip(NAMES, groups, strict=False) if group >> row & 1) for row in range(len(apart)))


def _swept(groups: list[int]) -> list[int]:
    """Without the groups all of whose ties are in others, the smallest first."""
    kept = list(groups)
    for group in sorted(groups, key=lambda group: (group.bit_count(), group)):
        rest = [other for other in kept if other != group]
        if all(group & ~_joined(rest, row) == 0 for row in _members(group)):
            kept = rest
    return kept


def _joined(groups: list[int], row: int) -> int:
    """Every row that shares a group with this one, as bits."""
    joined = 0
    for group in groups:
        if group >> row & 1:
            joined |= group
    return joined


def _members(group: int) -> tuple[int, ...]:
    return tuple(row for row in range(group.bit_length()) if group >> row & 1)
