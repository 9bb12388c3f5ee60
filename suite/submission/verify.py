"""Checks bundles, and published records, without running or importing anything that was submitted."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np

from suite.contracts import TargetCard
from suite.errors import BrokenBundle, BrokenRecord
from suite.record import Record, encode
from suite.store import COLUMNS, Store
from suite.submission import source, surroundings, together, unpack
from suite.submission.checks import ASKS, Finding, Surroundings, record_findings
from suite.submission.manifest import ENVIRONMENT, LOCK
from suite.submission.texts import shown

Array = np.ndarray[Any, np.dtype[Any]]

UNPACKED_BYTES, LOST = 512 << 20, 10
"""Of a bundle: bytes of raw samples, and records without usable ones, after which the rest is not looked at. It has failed by then."""

OF_RECORDS = (
    "schema",
    "columns",
    "shapes",
    "statistics",
    "accuracy",
    "sizes",
    "bounds",
    "times",
    "dates",
    "texts",
    "command",
    "duplicates",
)


@dataclass(frozen=True, slots=True)
class Verdict:
    """What was found out about a bundle or a folder of records: the names of the checks that were made, and what they found."""

    subject: Path
    checks: tuple[str, ...]
    findings: tuple[Finding, ...]
    records: int = 0
    sha256: str | None = None

    @property
    def ok(self) -> bool:
        return not self.findings

    def as_json(self) -> dict[str, Any]:
        """For scripts: every check with its problems, none where it was passed."""
        rows = [
            {"check": name, "asks": ASKS[name], "problems": [f"{f.subject}: {f.problem}" for f in self.findings if f.check == name]}
            for name in self.checks
        ]
        return {"subject": str(self.subject), "sha256": self.sha256, "records": self.records, "ok": self.ok, "checks": rows}


@dataclass(frozen=True, slots=True)
class Verifier:
    """What is known besides: the cards of the suite's targets, what has been published (None: nothing is compared with it), the time."""

    targets: Mapping[str, TargetCard]
    published: together.Published | None = None
    now: datetime | None = None

    def bundle(self, path: Path) -> Verdict:
        """All checks of a bundle. Raises nothing for what is in it."""
        try:
            with unpack.opened(path) as bundle:
                return self._opened(bundle)
        except BrokenBundle as error:
            found = Finding(error.check, shown(path.name, 120), shown(error.reason))
            return Verdict(path, (error.check,), (found,))  # it ended there: of no other can it be said that it was passed

    def _opened(self, bundle: unpack.Bundle) -> Verdict:
        manifest, found = bundle.manifest, list[Finding]()
        keys = {entry.name: entry.key for entry in manifest.records}
        records = list(self._records(bundle.store, found, keys))
        found += together.right_cells(manifest, records)
        found += together.same_surroundings(records)
        found += source.findings(manifest, bundle.folder, records)
        if problem := source.problem_of_licence(manifest.licence):
            found.append(Finding("licence", shown(manifest.method, 80), problem))
        for name, problems in ((LOCK, surroundings.problems_of_lock), (ENVIRONMENT, surroundings.problems_of_packing)):
            found += [Finding("lock", name, problem) for problem in problems(bundle.folder / name)]
        return Verdict(bundle.path, tuple(ASKS), tuple(found), len(records), bundle.sha256)

    def store(self, store: Store, step: Callable[[], object] = lambda: None) -> Verdict:
        """The checks of records alone, of a folder of them. `step` is called after each."""
        found, count = list[Finding](), 0
        for _ in self._records(store, found):
            count += 1
            step()
        return Verdict(store.folder, OF_RECORDS, tuple(found), count)

    def _records(self, store: Store, found: list[Finding], keys: Mapping[str, str] | None = None) -> Iterator[Record]:
        """Each that can be read, after it was checked by itself and against those before it. keys: of the manifest, by name."""
        known, around = together.Known(), Surroundings(self.now or datetime.now(UTC), self.targets)
        unpacked = 0
        for path in sorted(store.folder.glob("*.json")):
            if keys is not None and (unpacked > UNPACKED_BYTES or sum(f.check in ("columns", "shapes") for f in found) > LOST):
                found.append(Finding("limits", shown(path.name, 160), "not looked at: the raw samples before it are too many, or none"))
                return
            try:
                record = store.read(path)
                if path.stem != record.name or (keys is not None and keys.get(path.stem) != record.key):
                    raise BrokenRecord(path, "it is a record of another name or key")
            except BrokenRecord as error:
                found.append(Finding("schema", shown(path.name, 160), shown(error.reason)))
                continue
            if keys is not None and path.read_bytes() != encode(record):  # a key twice, say, of which other readers take the other
                found.append(Finding("schema", record.name, "it is not written as squeezemark writes it"))
            columns = _columns(store, record, found)
            unpacked += sum(array.nbytes for array in (columns or {}).values())
            found += record_findings(record, columns, around)
            found += known.add(record, columns or {})
            if self.published is not None:
                found += self.published.findings(record, columns or {})
            yield record


def _columns(store: Store, record: Record, found: list[Finding]) -> Mapping[str, Array] | None:
    """A record's raw samples; what is wrong with them is found. None without any that can be used."""
    try:
        if record.columns_sha256 is not None:
            return store.columns(record)
        if (store.folder / (record.name + COLUMNS)).exists():
            found.append(Finding("columns", record.name, "it names no raw samples, and there are some"))
    except BrokenRecord as error:
        found.append(Finding("columns", record.name, shown(error.reason)))
    return None
