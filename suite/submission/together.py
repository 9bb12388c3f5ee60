"""What records must be to one another: from one machine where they share a target, and nobody's times twice."""

import hashlib
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

import numpy as np

from suite.contracts import BASELINE
from suite.record import Record, encode
from suite.store import Store
from suite.submission.checks import Finding
from suite.submission.manifest import Manifest
from suite.submission.texts import shown

Array = np.ndarray[Any, np.dtype[Any]]

LONG = 50
"""Times as few as these may coincide."""


def prints(columns: Mapping[str, Array]) -> dict[str, str]:
    """Digest -> name of each column of times that is long enough to be nobody else's."""
    times = {name: array for name, array in columns.items() if name.rpartition("/")[2] in ("baseline_ns", "compressed_ns")}
    return {hashlib.sha256(array.tobytes()).hexdigest(): name for name, array in times.items() if array.size >= LONG}


class Known:
    """Times that were seen, and in which record. `add` says which of them were there before."""

    def __init__(self) -> None:
        self.seen: dict[str, str] = {}

    def add(self, record: Record, columns: Mapping[str, Array]) -> Iterator[Finding]:
        """Remembers a record's times."""
        for digest, name in prints(columns).items():
            other = self.seen.setdefault(digest, record.name)
            if other != record.name:
                yield Finding("duplicates", record.name, f"its {shown(name, 60)} are those of {shown(other, 160)}")


class Published:
    """Records that are on the site, and whose times theirs are."""

    def __init__(self, store: Store) -> None:
        self.names: dict[str, str] = {}
        self.times: dict[str, str] = {}
        for record in store.records():
            self.names[record.name] = _content(record)
            if record.latency is not None:
                self.times |= dict.fromkeys(prints(store.columns(record)), record.name)

    def findings(self, record: Record, columns: Mapping[str, Array]) -> Iterator[Finding]:
        """Whether it is there already, under this name or another. A baseline may be, as it is."""
        if record.name in self.names:
            same = self.names[record.name] == _content(record)
            if record.cell.method != BASELINE or not same:
                yield Finding("duplicates", record.name, "it is published already" if same else "another record of its name is published")
            return
        for digest, name in prints(columns).items():
            if digest in self.times:
                yield Finding("duplicates", record.name, f"its {name} are those of the published {self.times[digest]}")


def _content(record: Record) -> str:
    return hashlib.sha256(encode(record)).hexdigest()


def same_surroundings(records: Iterable[Record]) -> Iterator[Finding]:
    """Records of one target are from one machine, one source of the suite and the same libraries; of one model, of one state of it."""
    first: dict[tuple[str, str], Record] = {}
    for record in records:
        for kind, name in (("target", record.cell.target), ("model", record.cell.model)):
            other = first.setdefault((kind, name), record)
            difference = _of_target(record, other) if kind == "target" else _of_model(record, other)
            if difference:
                what, mine, theirs = (shown(part, 80) for part in difference)
                yield Finding("surroundings", record.name, f"its {what} is {mine}, that of {shown(other.name, 160)} is {theirs}")


def _of_target(record: Record, other: Record) -> tuple[str, object, object] | None:
    one, two = record.environment, other.environment
    kernels = one.other_kernels(two)
    if kernels:
        return kernels
    pairs = [("machine", one.host, two.host), ("Python", one.python, two.python)]
    pairs += [("suite", record.provenance.suite_version, other.provenance.suite_version)]
    pairs += [("settings", str(record.cell.settings), str(other.cell.settings))]
    names = sorted(one.libraries.keys() | two.libraries.keys())
    pairs += [(f"version of {name}", str(one.libraries.get(name)), str(two.libraries.get(name))) for name in names]
    return next((pair for pair in pairs if pair[1] != pair[2]), None)


def _of_model(record: Record, other: Record) -> tuple[str, object, object] | None:
    pairs: list[tuple[str, object, object]] = [("model", record.provenance.model_sha256, other.provenance.model_sha256)]
    if record.artifact and other.artifact and record.cell.target == other.cell.target:
        pairs.append(("number of parameters uncompressed", record.artifact.baseline_parameters, other.artifact.baseline_parameters))
    return next((pair for pair in pairs if pair[1] != pair[2]), None)


def right_cells(manifest: Manifest, records: Iterable[Record]) -> Iterator[Finding]:
    """The method's own records, each result beside its baseline, and the manifest's date that of the newest."""
    found = list(records)
    mine = [record for record in found if record.cell.method == manifest.method]
    beside = {(r.cell.model, r.cell.target, r.cell.tier, r.cell.test_seed) for r in found if r.cell.method == BASELINE and r.status == "ok"}
    if not any(record.status == "ok" for record in mine):
        yield Finding("cells", manifest.method, "none of its records is a result")
    for record in found:
        cell = record.cell
        if cell.method not in (manifest.method, BASELINE):
            yield Finding("cells", record.name, f"it is a record of {shown(cell.method, 60)}")
        elif record.status == "ok" and (cell.model, cell.target, cell.tier, cell.test_seed) not in beside:
            yield Finding("cells", record.name, "the uncompressed model is not beside it")
    if found and manifest.created != max(record.created for record in found):
        yield Finding("cells", manifest.method, "its date is not that of its newest record")
