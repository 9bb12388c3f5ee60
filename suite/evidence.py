"""Reads a store for the site: every record, what pages need of its raw columns, and nothing that the columns do not bear out."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from hashlib import sha256
from typing import Any

import numpy as np

from suite.charts import Histogram, Strips, histogram, strips
from suite.contracts import ModelCard
from suite.errors import BrokenGrant, BrokenRecord
from suite.paired import score_columns
from suite.provenance import NOBODY, Provenance, read
from suite.record import Record
from suite.slices import PREFIX
from suite.statistics import quad_log_ratios
from suite.store import Store
from suite.undisturbed import undisturbed

Array = np.ndarray[Any, np.dtype[Any]]


@dataclass(frozen=True, slots=True)
class Samples:
    """What is kept of a record's raw columns. hits: shape (items,), the headline metric, bool or float64.

    slices: the columns of `suite.slices`. scores: those in which the model's glue kept scores of its items, floats (items, ...).
    """

    hits: Array | None = None
    scores: Mapping[str, Array] = field(default_factory=dict)
    slices: Mapping[str, Array] = field(default_factory=dict)
    strips: Strips | None = None
    histogram: Histogram | None = None


@dataclass(frozen=True, slots=True)
class Evidence:
    """Records in the order of their names; of each its store and file, what is kept of its columns, and its tier; what was left out."""

    files: Mapping[str, tuple[Store, str]]
    records: tuple[Record, ...]
    samples: Mapping[str, Samples]
    broken: tuple[BrokenRecord | BrokenGrant, ...]
    provenance: Provenance = NOBODY

    def columns(self, record: Record) -> dict[str, Array]:
        """The headline column of a record and those of scores, as `summarize` wants them."""
        kept = self.samples[record.name]
        return {} if record.accuracy is None or kept.hits is None else {**kept.scores, record.accuracy.metric: kept.hits}

    def predictions(self, record: Record) -> dict[str, Array]:
        """What the model's glue made of its items, a row an item; read again, as a store may hold many. Raises BrokenRecord."""
        known = record.accuracy
        if known is None:
            return {}
        of_items = {name: array for name, array in self.files[record.name][0].columns(record).items() if array.shape[:1] == (known.items,)}
        return {name: array for name, array in of_items.items() if name not in known.metrics and not name.startswith(PREFIX)}


def collect(store: Store, models: Mapping[str, ModelCard]) -> Evidence:
    """Everything in the store that can be shown; what cannot be is in `broken`."""
    provenance = read(store)
    found = collect_some(store, store.stems(), {name: card.metric for name, card in models.items()}, provenance)
    return replace(found, broken=tuple(sorted((*found.broken, *provenance.broken), key=lambda error: str(error.path))))


def collect_some(store: Store, stems: Iterable[str], known: Mapping[str, str], provenance: Provenance = NOBODY) -> Evidence:
    """The same of some files of a store. `known`: the headline metric of each model, as far as it is known from elsewhere."""
    metrics, seen = dict(known), dict[bytes, Array]()
    records: dict[str, Record] = {}
    files: dict[str, tuple[Store, str]] = {}
    samples: dict[str, Samples] = {}
    broken: list[BrokenRecord | BrokenGrant] = []
    for stem in stems:
        try:
            record = store.read(store.path(stem))
            samples[record.name] = _samples(store, record, metrics, seen)
            records[record.name], files[record.name] = record, (store, stem)
        except BrokenRecord as error:
            broken.append(error)
    ordered = tuple(records[name] for name in sorted(records))
    return Evidence(files, ordered, samples, tuple(sorted(broken, key=lambda error: str(error.path))), provenance)


def joined(parts: Iterable[Evidence], provenance: Provenance = NOBODY) -> Evidence:
    """Several as one."""
    known = list(parts)
    files = {name: file for part in known for name, file in part.files.items()}
    samples = {name: kept for part in known for name, kept in part.samples.items()}
    records = sorted((record for part in known for record in part.records), key=lambda record: record.name)
    broken = sorted((error for part in known for error in part.broken), key=lambda error: str(error.path))
    return Evidence(files, tuple(records), samples, tuple(broken), provenance)


def _samples(store: Store, record: Record, metrics: dict[str, str], known: dict[bytes, Array]) -> Samples:
    """Raises BrokenRecord for a record that its columns, or its model's other records, contradict."""
    path = store.path(store.stem(record))
    if record.accuracy is not None:
        metric = metrics.setdefault(record.cell.model, record.accuracy.metric)
        if record.accuracy.metric != metric or metric not in record.accuracy.metrics:
            raise BrokenRecord(path, f"its headline metric is not {metric}, as for the rest of its model")
    if record.columns_sha256 is None:
        if record.status == "ok":
            raise BrokenRecord(path, "it has no raw columns that bear it out")
        return Samples()
    if path.parent != store.folder:
        raise BrokenRecord(path, "its names would lead out of the results folder")
    try:
        return _keep(record, store.columns(record), known)
    except (ValueError, TypeError, KeyError) as error:
        raise BrokenRecord(path, f"its raw columns do not fit it: {error}") from error


def _keep(record: Record, columns: Mapping[str, Array], known: dict[bytes, Array]) -> Samples:
    """Raises ValueError for columns of another shape than the record's figures need; KeyError for a missing one."""
    hits, scores, groups = None, {}, {}
    if record.accuracy is not None:
        hits = columns[record.accuracy.metric]
        hits = hits if hits.dtype.kind == "f" else hits.astype(bool)
        if hits.shape != (record.accuracy.items,):
            raise ValueError(f"{hits.size} answers for {record.accuracy.items} items")
        scores = score_columns(columns, record.accuracy.metrics, hits.size)
        of_items = {name: array for name, array in columns.items() if array.shape == hits.shape}
        groups = {name: _shared(array, known) for name, array in of_items.items() if name.startswith(PREFIX)}
    if record.latency is None:
        return Samples(hits, scores, groups)
    old, new = columns["baseline_ns"], columns["compressed_ns"]
    if old.ndim != 3 or new.shape != old.shape or not old.size or min(old.min(), new.min()) <= 0:
        raise ValueError("timings that are not (launches, quads, calls) of positive times")
    drawn = strips(quad_log_ratios(*undisturbed(columns)), record.latency.speed_up), histogram(old, new)
    return Samples(hits, scores, groups, *drawn)


def _shared(array: Array, known: dict[bytes, Array]) -> Array:
    """The same array for equal ones: every record of a test set has the same groups, and a store may hold thousands of records."""
    name = sha256(f"{array.dtype.str}{array.shape}".encode() + array.tobytes()).digest()
    return known.setdefault(name, array.copy())
