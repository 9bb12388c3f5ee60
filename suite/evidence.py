"""Reads a store for the site: every record once, its raw columns once, and nothing that the columns do not bear out."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from suite.charts import Histogram, Strips, histogram, strips
from suite.contracts import ModelCard
from suite.errors import BrokenRecord
from suite.record import Record
from suite.statistics import quad_log_ratios
from suite.store import Store

Array = np.ndarray[Any, np.dtype[Any]]


@dataclass(frozen=True, slots=True)
class Samples:
    """What is kept of a record's raw columns. hits: shape (items,), the headline metric, bool or float64."""

    hits: Array | None = None
    strips: Strips | None = None
    histogram: Histogram | None = None


@dataclass(frozen=True, slots=True)
class Evidence:
    """Records in the order of their names, what is kept of their columns, and what had to be left out."""

    records: tuple[Record, ...]
    samples: Mapping[str, Samples]
    broken: tuple[BrokenRecord, ...]

    def columns(self, record: Record) -> dict[str, Array]:
        """The headline column of a record, as `summarize` wants it."""
        hits = self.samples[record.name].hits
        return {} if record.accuracy is None or hits is None else {record.accuracy.metric: hits}


def collect(store: Store, models: Mapping[str, ModelCard]) -> Evidence:
    """Everything in the store that can be shown; what cannot be is in `broken`."""
    metrics = {name: card.metric for name, card in models.items()}
    records: dict[str, Record] = {}
    samples: dict[str, Samples] = {}
    broken = list(store.broken())
    for record in store.records():
        try:
            samples[record.name] = _samples(store, record, metrics)
            records[record.name] = record
        except BrokenRecord as error:
            broken.append(error)
    ordered = tuple(records[name] for name in sorted(records))
    return Evidence(ordered, samples, tuple(sorted(broken, key=lambda error: str(error.path))))


def _samples(store: Store, record: Record, metrics: dict[str, str]) -> Samples:
    """Raises BrokenRecord for a record that its columns, or its model's other records, contradict."""
    path = store.folder / f"{record.name}.json"
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
        return _keep(record, store.columns(record))
    except (ValueError, TypeError, KeyError) as error:
        raise BrokenRecord(path, f"its raw columns do not fit it: {error}") from error


def _keep(record: Record, columns: Mapping[str, Array]) -> Samples:
    """Raises ValueError for columns of another shape than the record's figures need; KeyError for a missing one."""
    hits = None
    if record.accuracy is not None:
        hits = columns[record.accuracy.metric]
        hits = hits if hits.dtype.kind == "f" else hits.astype(bool)
        if hits.shape != (record.accuracy.items,):
            raise ValueError(f"{hits.size} answers for {record.accuracy.items} items")
    if record.latency is None:
        return Samples(hits)
    old, new = columns["baseline_ns"], columns["compressed_ns"]
    if old.ndim != 3 or new.shape != old.shape or not old.size or min(old.min(), new.min()) <= 0:
        raise ValueError("timings that are not (launches, quads, calls) of positive times")
    return Samples(hits, strips(quad_log_ratios(old, new), record.latency.speed_up), histogram(old, new))
