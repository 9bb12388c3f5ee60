"""Every published statistic, worked out again from the raw columns beside its record. Pure."""

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import msgspec
import numpy as np
from msgspec import structs

from suite import latency as latencies
from suite.energy import energy
from suite.record import Estimate, Latency, Record
from suite.slices import PREFIX
from suite.statistics import share

Array = np.ndarray[Any, np.dtype[Any]]

TOLERANCE = 1e-9
"""Relative. Processors and versions of numpy differ in the last bits of a logarithm, and in nothing else."""

BOUNDS = "percentile_bounds_ms"
"""Records of schema 4 and before need not have them."""


@dataclass(frozen=True, slots=True)
class Discrepancy:
    """A figure by its path in the record, as published and as its raw samples give it; None where it is not there."""

    figure: str
    published: object
    again: object


def figures(record: Record, columns: Mapping[str, Array]) -> dict[str, Any]:
    """What the columns bear out of an ok record: its accuracy and its latency as they are written, by path. Raises KeyError."""
    found: dict[str, Any] = {}
    if record.accuracy is not None:
        hits = columns[record.accuracy.metric]
        metrics = {name: share(columns[name]) for name in record.accuracy.metrics}
        slices = {
            name: {group: share(hits[columns[PREFIX + name] == place]) for place, group in enumerate(sorted(groups))}
            for name, groups in _grouped(record, columns).items()
        }
        found |= _flat({"metrics": metrics, "slices": slices, "items": len(hits)}, "accuracy")
    if record.latency is not None:
        found |= _flat(latency_again(record.latency, columns), "latency")
        if record.instructions is not None:
            found |= _flat(latencies.instructions(columns, record.instructions.reason), "instructions")
    return found


def latency_again(published: Latency, columns: Mapping[str, Array]) -> Latency:
    """All of it once more, from the columns alone; what was refused before it had samples is taken as it is."""
    beside = published.reference.target if published.reference else None
    again = latencies.summarize(columns, published.cpu_wall, beside, published.stretch > 1)
    scenarios = {
        name: latencies.scenario(found, known.batch, known.threads) if (found := _within(columns, name)) else known
        for name, known in published.scenarios.items()
    }
    served = published.server
    if served is not None and (found := _within(columns, "server")):
        served = latencies.server(found, served.bound_ms)
    joules = published.energy and energy(columns, published.energy.source, published.energy.reason)
    return structs.replace(again, scenarios=scenarios, server=served, energy=joules)


def _within(columns: Mapping[str, Array], name: str) -> dict[str, Array]:
    """The columns of one scenario."""
    return {key.removeprefix(f"{name}/"): array for key, array in columns.items() if key.startswith(f"{name}/")}


def discrepancies(record: Record, columns: Mapping[str, Array]) -> Iterator[Discrepancy]:
    """Every figure that does not follow from the raw columns."""
    found = record.accuracy
    known = {"metrics": found.metrics, "slices": _grouped(record, columns), "items": found.items} if found else {}
    published = _flat(known, "accuracy") | (_flat(record.latency, "latency") if record.latency else {})
    if record.latency and record.instructions:
        published |= _flat(record.instructions, "instructions")
    again = figures(record, columns)
    if record.schema < 5:
        again = {name: value for name, value in again.items() if BOUNDS not in name or name in published}
    for name in sorted(published.keys() | again.keys()):
        mine, theirs = published.get(name), again.get(name)
        if not _same(mine, theirs):
            yield Discrepancy(name, mine, theirs)


def _grouped(record: Record, columns: Mapping[str, Array]) -> dict[str, dict[str, Estimate]]:
    """Its slices; the first records kept no column that says which item is in which group."""
    slices = record.accuracy.slices if record.accuracy else {}
    return {name: groups for name, groups in slices.items() if PREFIX + name in columns or record.schema > 1}


def _same(one: object, other: object) -> bool:
    if isinstance(one, int | float) and isinstance(other, int | float):
        return math.isclose(one, other, rel_tol=TOLERANCE, abs_tol=TOLERANCE)
    return one == other


def _flat(value: Any, name: str) -> dict[str, Any]:
    """The leaves of nested objects, each by its path."""
    plain = msgspec.to_builtins(value)
    if isinstance(plain, list):
        plain = dict(enumerate(plain))
    if not isinstance(plain, dict):
        return {name: plain}
    return {key: leaf for inner, part in plain.items() for key, leaf in _flat(part, f"{name}.{inner}").items()}
