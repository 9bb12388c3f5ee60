"""Which part of the test suffers: a metric per slice (class, question type, voice), paired with the baseline's. Pure."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from statistics import NormalDist
from typing import Any

import numpy as np

from suite.record import Estimate, Record
from suite.statistics import difference, paired_counts, share, wilson_counts

Array = np.ndarray[Any, np.dtype[Any]]

PREFIX = "slice:"
"""Raw column `slice:<name>`, int16 (items,): the place of each item's group among the names of the groups, sorted."""

GROUPS = 40
"""No more groups of one slice than this are shown on a record's page."""

Compared = tuple[str, int, Estimate, Estimate, Estimate]
"""A group of a slice, as `Group` has it."""


@dataclass(frozen=True, slots=True)
class Group:
    """A group of a slice. `difference` is corrected for the number of groups of its slice (Bonferroni): one lone loss is one."""

    slice: str
    name: str
    items: int
    baseline: Estimate
    artifact: Estimate
    difference: Estimate


def encode(groups: Mapping[str, Array]) -> dict[str, Array]:
    """The raw columns of slices: slice name -> the group of each item, strings (items,)."""
    return {PREFIX + name: np.unique(of, return_inverse=True)[1].astype(np.int16) for name, of in groups.items()}


def groups(record: Record, columns: Mapping[str, Array], hits: Array, baseline: Array) -> tuple[Group, ...]:
    """Every group of every slice. `hits` and `baseline`: the headline metric of the record's items and of the baseline's, (items,)."""
    found: list[Group] = []
    for name, of in record.accuracy.slices.items() if record.accuracy else ():
        places = columns.get(PREFIX + name)
        if not of or places is None or places.shape != hits.shape:
            continue
        z = NormalDist().inv_cdf(1 - 0.025 / len(of))
        compared = _by_right if hits.dtype == baseline.dtype == np.bool_ and places.dtype.kind in "iu" else _by_degree
        found += [Group(name, *group) for group in compared(sorted(of), places, hits, baseline, z)]
    return tuple(found)


def _by_right(names: list[str], places: Array, hits: Array, baseline: Array, z: float) -> Iterator[Compared]:
    """Of bool columns and whole numbers of groups, which may be anybody's: all groups are counted at once."""
    known = (places >= 0) & (places < len(names))
    counts = np.bincount((4 * places.astype(np.int64) + 2 * hits + baseline)[known], minlength=4 * len(names))
    for group, (neither, only_old, only_new, both) in zip(names, counts.reshape(-1, 4).tolist(), strict=True):
        items = neither + only_old + only_new + both
        if items:
            shares = wilson_counts(both + only_old, items), wilson_counts(both + only_new, items)
            yield group, items, *shares, paired_counts(both, only_new, only_old, neither, z)


def _by_degree(names: list[str], places: Array, hits: Array, baseline: Array, z: float) -> Iterator[Compared]:
    for place, group in enumerate(names):
        mine = places == place
        if mine.any():
            gap = difference(hits[mine], baseline[mine], z)
            yield group, int(mine.sum()), share(baseline[mine]), share(hits[mine]), gap


def worst(found: Iterable[Group]) -> Group | None:
    """The group that surely lost the most: of those whose interval lies below zero, the one whose interval ends lowest."""
    losing = [group for group in found if group.difference.high < 0]
    return min(losing, key=lambda group: group.difference.high, default=None)


@dataclass(frozen=True, slots=True)
class SliceTable:
    """The groups of one slice in the order of their names; of many, those that come out worst. `more` are not shown."""

    name: str
    groups: tuple[Group, ...]
    more: int


def slice_tables(found: Iterable[Group]) -> tuple[SliceTable, ...]:
    """One for each slice, in the order in which they come."""
    slices: dict[str, list[Group]] = {}
    for group in found:
        slices.setdefault(group.slice, []).append(group)
    return tuple(_slice_table(name, groups) for name, groups in slices.items())


def _slice_table(name: str, groups: list[Group]) -> SliceTable:
    if len(groups) > GROUPS:
        shown = sorted(groups, key=lambda group: (group.difference.high, group.difference.value, group.name))[:GROUPS]
        return SliceTable(name, tuple(shown), len(groups) - GROUPS)
    return SliceTable(name, tuple(groups), 0)
