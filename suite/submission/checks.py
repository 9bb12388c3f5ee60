"""The table of checks: name -> what it asks, and how the answer of one record is found. Pure; nothing that was submitted is imported."""

import re
import warnings
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

import msgspec
import numpy as np

from suite import recompute as again
from suite.contracts import TargetCard
from suite.plan import PlannedCell
from suite.record import Record
from suite.submission import dates, limits, sizes, times
from suite.submission.texts import hidden, shown

RECIPE = re.compile(r" --recipe ([A-Za-z0-9_.-]+\.toml) ")

Array = np.ndarray[Any, np.dtype[Any]]
Columns = Mapping[str, Array]

ASKS: Mapping[str, str] = {
    "archive": "a zip archive as `submit` writes it: no links, no encryption, nothing between its members",
    "names": "every name is plain and unlike every other",
    "limits": "nothing is larger than it may be, and nothing unpacks to far more than it takes",
    "manifest": "its table of contents is complete: nothing is missing, nothing is there besides",
    "files": "every file has the hash that its manifest names, and text is text",
    "schema": "every record is one that this squeezemark reads, under the name and the key that the manifest gives",
    "columns": "raw samples lie beside every record that names them, and are the ones that it names",
    "shapes": "raw samples are of a size that a session gives",
    "statistics": "every published figure follows from the raw samples",
    "accuracy": "so many items allow that accuracy",
    "sizes": "bytes, parameters, zeros and operations add up",
    "bounds": "no processor would have to be faster than any is",
    "times": "times vary as times do",
    "dates": "nothing was measured in the future",
    "texts": "no text hides anything",
    "command": "the command that is shown beside it measures it, and does nothing else",
    "duplicates": "no two records rest on the same times",
    "cells": "its records are of the method that is submitted, and of the baseline beside it",
    "source": "the source is the one that the records were measured with",
    "licence": "the source may be used by everybody",
    "surroundings": "records of one target come from one machine, one version of the suite and the same libraries",
    "lock": "what was installed is named, name==version, and so is the machine that it was packed on",
}
"""In the order in which they are shown."""


@dataclass(frozen=True, slots=True)
class Finding:
    """Something that a check found: its name, whom it is about, and what is wrong in words."""

    check: str
    subject: str
    problem: str


@dataclass(frozen=True, slots=True)
class Surroundings:
    """What a check may know besides the record: the time now, and the cards of the targets that come with the suite."""

    now: datetime
    targets: Mapping[str, TargetCard] = field(default_factory=dict)


def record_findings(record: Record, columns: Columns | None, around: Surroundings) -> Iterator[Finding]:
    """All that is wrong with a record by itself. columns: None where there are none that can be used."""
    checks: dict[str, Callable[[], Iterator[str]]] = {
        "dates": lambda: dates.problems(record, around.now),
        "sizes": lambda: sizes.problems(record),
        "texts": lambda: _texts(record),
        "command": lambda: _command(record),
    }
    if columns is not None:
        shapes = tuple(_answers("shapes", record, lambda: limits.problems(columns)))
        yield from shapes
        if shapes:
            return  # what is too large to be true would take too long to work out
        checks |= {
            "statistics": lambda: _statistics(record, columns),
            "accuracy": lambda: _accuracy(record, columns),
            "bounds": lambda: limits.too_fast(record, columns, around.targets.get(record.cell.target)),
            "times": lambda: times.problems(record, columns),
        }
    elif record.columns_sha256 is None and (record.accuracy is not None or record.latency is not None):
        yield Finding("columns", record.name, "it has figures and no raw samples")
    for name, check in checks.items():
        yield from _answers(name, record, check)


def _answers(name: str, record: Record, check: Callable[[], Iterator[str]]) -> Iterator[Finding]:
    """What a check says; one that cannot be carried out on such data has said enough."""
    try:
        with warnings.catch_warnings(), np.errstate(all="ignore"):
            warnings.simplefilter("ignore")
            problems = list(check())
    except (ArithmeticError, LookupError, ValueError, TypeError, AttributeError, RecursionError, MemoryError) as error:
        problems = [f"its raw samples do not bear it out ({type(error).__name__}: {shown(error, 120)})"]
    for problem in problems:
        yield Finding(name, record.name, problem)


def _statistics(record: Record, columns: Columns) -> Iterator[str]:
    if record.status != "ok":
        yield "it has raw samples and is not ok"
        return
    for found in again.discrepancies(record, columns):
        yield f"{shown(found.figure, 120)} is {shown(found.published, 60)}, its samples give {shown(found.again, 60)}"


def _accuracy(record: Record, columns: Columns) -> Iterator[str]:
    """A share of n items is a whole number of them; a metric with degrees keeps them between 0 and what the metric allows."""
    if record.accuracy is None:
        return
    items = record.accuracy.items
    if items < 1:
        yield "it has no items"
    for name, estimate in record.accuracy.metrics.items():
        hits = columns[name]
        if hits.ndim != 1 or len(hits) != items:
            yield f"{shown(name)} has {hits.size} answers of {items} items"
        elif hits.dtype == bool and abs(estimate.value * items - round(estimate.value * items)) > 1e-6 * items:
            yield f"{shown(name)} is {estimate.value}, which is no whole number of {items} items"
        elif hits.dtype != bool and not (np.isfinite(hits).all() and (hits >= 0).all()):
            yield f"{shown(name)} has items that are negative or no number"
    for name, groups in record.accuracy.slices.items():
        if any(not 0 <= estimate.value <= 10 for estimate in groups.values()):
            yield f"the slice {shown(name)} has a value that no metric has"


def _texts(record: Record) -> Iterator[str]:
    for text in _strings(msgspec.to_builtins(record)):
        if found := hidden(text):
            yield f"the text {shown(text, 60)!r} has the hidden character U+{ord(found):04X}"


def _command(record: Record) -> Iterator[str]:
    """Readers copy it: it is the one that the suite writes for such a cell, but for the name of a recipe's file."""
    found = RECIPE.search(record.provenance.command)
    planned = PlannedCell(cell=record.cell, key=record.key, claims=(), skip=None, recipe_file=found[1] if found else None)
    if record.provenance.command != planned.command:
        yield f"it is {shown(record.provenance.command, 120)!r}, and that of its cell is {shown(planned.command, 200)!r}"


def _strings(value: Any) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict):
        for name, inner in value.items():
            yield from _strings(name)
            yield from _strings(inner)
    elif isinstance(value, list | tuple):
        for inner in value:
            yield from _strings(inner)
