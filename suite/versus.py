"""Two methods side by side, on every board that has both: win, loss or tie, metric by metric. Pure: records and raw columns in."""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from itertools import product
from typing import Any

import msgspec

from suite.comparable import board_key, first_difference, identity, newest_first, short
from suite.errors import UnknownName, UsageError
from suite.metrics import find
from suite.record import Estimate, Latency, Record
from suite.statistics import difference, quad_log_ratios, ratio_over_launches
from suite.summarize import SIZE_MARGIN, SPEED_MARGIN, Columns, Verdict, verdict
from suite.undisturbed import undisturbed

Name = tuple[str, str]
"""Method and variant."""

BOARD_KEYS = ("model", "target", "tier", "test seed", "host")

OUTCOMES = {"better": "win", "worse": "loss", "tie": "tie"}


@dataclass(frozen=True, slots=True)
class Contrast:
    """One metric of both, from the side of the first: "better" is a win.

    gap: the first's score minus the other's on the same items; where `relative`, the first's figure / the other's. Of sizes it has no
    width.
    """

    metric: str
    one: float
    other: float
    gap: Estimate
    relative: bool
    verdict: Verdict


@dataclass(frozen=True, slots=True)
class Versus:
    """Two variants on a model, and on one board if they share one. problem: why nothing, or not everything, can be said, in words."""

    one: Name
    other: Name
    model: str
    records: tuple[Record, Record] | None
    contrasts: tuple[Contrast, ...]
    problem: str | None


def versus(
    records: Iterable[Record], one: str, other: str, columns: Columns, ranks: Callable[[str], bool], models: Iterable[str] = ()
) -> tuple[Versus, ...]:
    """`one` and `other`: a method, or method/variant. ranks: may a target's times be compared? models: those to look at; none are all.

    Raises UnknownName, and UsageError if nothing can be compared, naming what differs.
    """
    current = {identity(record): record for record in reversed(newest_first(records)) if record.cell.component is None}
    known = tuple(current.values())
    measured = sorted({record.cell.model for record in known})
    for model in models:
        if model not in measured:
            raise UnknownName("measured model", model, measured)
    known = tuple(record for record in known if record.cell.model in (set(models) or measured))
    found = tuple(side for pair in pairs(known, one, other) for side in _models(known, *pair, columns, ranks))
    if not any(side.contrasts for side in found):
        raise UsageError(f"{one} and {other} cannot be compared: {_problems(found)}.")
    return found


def _problems(found: Iterable[Versus]) -> str:
    """Each reason once, and the models that it holds for."""
    models: dict[str, list[str]] = {}
    for side in found:
        models.setdefault(str(side.problem), []).append(side.model)
    return "; ".join(f"{problem} ({', '.join(dict.fromkeys(names))})" for problem, names in models.items())


def pairs(records: Iterable[Record], one: str, other: str) -> tuple[tuple[Name, Name], ...]:
    """The variants to compare: those that are named; of a method alone its only one, or that of the same name as the other's."""
    variants: dict[str, set[str]] = {}
    for record in records:
        variants.setdefault(record.cell.method, set()).add(record.cell.variant)
    mine, theirs = _choices(variants, one), _choices(variants, other)
    alone = len(mine) == len(theirs) == 1
    chosen = [(a, b) for a, b in product(mine, theirs) if a != b and (alone or a[1] == b[1])]
    if not chosen:
        if mine == theirs:
            method = mine[0][0]
            others = _listed((method, variant) for variant in sorted(variants[method]))
            raise UsageError(f"{one} cannot be compared with itself; the measured variants of {method} are {others}.")
        raise UsageError(f"{one} and {other} have no variant of the same name; choose from {_listed(mine)} and from {_listed(theirs)}.")
    return tuple(chosen)


def _choices(variants: dict[str, set[str]], name: str) -> list[Name]:
    method, slash, variant = name.partition("/")
    if method not in variants:
        raise UnknownName("measured method", method, variants)
    if slash and variant not in variants[method]:
        raise UnknownName(f"measured variant of {method}", variant, variants[method])
    return [(method, variant)] if slash else [(method, each) for each in sorted(variants[method])]


def _listed(names: Iterable[Name]) -> str:
    return ", ".join("/".join(name) for name in names)


def _models(records: tuple[Record, ...], one: Name, other: Name, columns: Columns, ranks: Callable[[str], bool]) -> Iterator[Versus]:
    """A side-by-side for each board of both; for each model that has no such board, why."""
    of = [{board_key(r): r for r in records if (r.cell.method, r.cell.variant) == name} for name in (one, other)]
    for model in sorted({key[0] for boards in of for key in boards}):
        mine, theirs = ({key: record for key, record in boards.items() if key[0] == model} for boards in of)
        shared = sorted(mine.keys() & theirs.keys())
        for key in shared:
            yield side_by_side(one, other, mine[key], theirs[key], columns, ranks(key[1]))
        if not shared:
            yield Versus(one, other, model, None, (), _apart(one, other, list(mine), list(theirs)))


def _apart(one: Name, other: Name, mine: list[tuple[str, str, str, int, str]], theirs: list[tuple[str, str, str, int, str]]) -> str:
    """Why two have no board in common: one was not measured, or what differs between the two boards that are most alike."""
    if not mine or not theirs:
        return f"{'/'.join(other if mine else one)} has not been measured"
    differing = [
        [(key, a, b) for key, a, b in zip(BOARD_KEYS, first, second, strict=True) if a != b] for first, second in product(mine, theirs)
    ]
    return " and ".join(f"the {key} differs ({a} against {b})" for key, a, b in min(differing, key=len))


def side_by_side(one: Name, other: Name, mine: Record, theirs: Record, columns: Columns, ranked: bool) -> Versus:
    """Two records of one board, metric by metric; the accuracy of the headline comes first. ranked: may times of the target be compared?"""
    for name, record in ((one, mine), (other, theirs)):
        if record.status != "ok":
            words = f"{'/'.join(name)} came to nothing ({record.status.replace('_', ' ')}: {record.reason})"
            return Versus(one, other, mine.cell.model, (mine, theirs), (), words)
    differs = first_difference(mine, theirs)
    if differs is not None:
        words = f"the {differs[0]} differs ({short(differs[1])} against {short(differs[2])})"
        return Versus(one, other, mine.cell.model, (mine, theirs), (), words)
    contrasts = [*_accuracies(mine, theirs, columns), _size("bytes", mine, theirs), _size("zstd_bytes", mine, theirs)]
    problem = None
    if not ranked:
        problem = "the times of this target are never ranked"
    elif mine.latency is None or theirs.latency is None:
        problem = f"{'/'.join(one if mine.latency is None else other)} was not timed"
    elif (grades := _grades(mine.latency, theirs.latency)) is not None:
        problem = grades
    else:
        contrasts.append(_speed(mine, theirs, columns))
        if mine.latency.noisy or theirs.latency.noisy:
            problem = "the timing was noisy: repeat it on a quieter machine before you rely on it"
    return Versus(one, other, mine.cell.model, (mine, theirs), tuple(contrasts), problem)


def _grades(*found: Latency) -> str | None:
    """Why speeds of which one is not ranked are not compared."""
    low = [latency.health.grade for latency in found if latency.health is not None and not latency.health.ranked]
    return f"a timing is not ranked (host grade {max(low)}): repeat it on a quieter machine" if low else None


def _accuracies(mine: Record, theirs: Record, columns: Columns) -> Iterator[Contrast]:
    """The headline metric first, then those that both have besides."""
    assert mine.accuracy is not None
    assert theirs.accuracy is not None
    first, second = columns(mine), columns(theirs)
    headline = mine.accuracy.metric
    both = sorted(mine.accuracy.metrics.keys() & theirs.accuracy.metrics.keys() & first.keys() & second.keys())
    for metric in sorted(both, key=lambda name: name != headline):
        gap = difference(first[metric], second[metric])
        values = mine.accuracy.metrics[metric].value, theirs.accuracy.metrics[metric].value
        yield Contrast(metric, *values, gap, False, verdict(gap, 0.0))


def _size(metric: str, mine: Record, theirs: Record) -> Contrast:
    one, other = mine.figures()[metric], theirs.figures()[metric]
    gap = Estimate(one / other, one / other, one / other)
    smaller = Estimate(other / one, other / one, other / one)
    assert find(metric).better == "lower"
    return Contrast(metric, one, other, gap, True, verdict(smaller, 1.0, SIZE_MARGIN))


def _speed(mine: Record, theirs: Record, columns: Columns) -> Contrast:
    """Each was timed beside the same uncompressed model in a session of its own: the ratio of their speed-ups is that of their speeds."""
    one, other = (quad_log_ratios(*undisturbed(columns(record))) for record in (mine, theirs))
    stretch = max(record.latency.stretch for record in (mine, theirs) if record.latency)
    gap = ratio_over_launches(one, other, stretch)
    return Contrast("speed_up", mine.figures()["speed_up"], theirs.figures()["speed_up"], gap, True, verdict(gap, 1.0, SPEED_MARGIN))


def as_rows(found: Iterable[Versus]) -> list[dict[str, Any]]:
    """One object for each side-by-side, for scripts. `gap` is a difference of scores, or a ratio; intervals are 95 %."""
    return [
        {
            "one": "/".join(side.one), "other": "/".join(side.other), "model": side.model, **_place(side),
            "metrics": {contrast.metric: _figures(contrast) for contrast in side.contrasts}, "problem": side.problem,
        }
        for side in found
    ]  # fmt: skip


def _place(side: Versus) -> dict[str, Any]:
    if side.records is None:
        return {}
    first, second = side.records
    _, target, tier, seed, host = board_key(first)
    items = first.accuracy.items if first.accuracy else None
    place = {"target": target, "tier": tier, "test_seed": seed, "host": host, "items": items}
    return {**place, "one_record": first.name, "other_record": second.name}


def _figures(contrast: Contrast) -> dict[str, Any]:
    gap = {"kind": "ratio" if contrast.relative else "difference", **msgspec.to_builtins(contrast.gap)}
    return {"one": contrast.one, "other": contrast.other, "gap": gap, "outcome": OUTCOMES[contrast.verdict]}
