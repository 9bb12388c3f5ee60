"""Releases: dated, immutable sets of records, a small JSON file each in `site/releases`. What a release shows is its records, for ever.

A release names its records by key and by the sha256 of their files, which hold the sha256 of their raw columns: no byte of what it shows
can change without being seen. Pages of old releases are rendered again from the same records at each build.
"""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Literal

import msgspec

from suite import __version__
from suite.columns import digest
from suite.comparable import identity
from suite.errors import BrokenRelease, UsageError
from suite.hashing import hash_file
from suite.record import Record
from suite.store import Store, write

NAME = re.compile(r"\d{4}-(0[1-9]|1[0-2])-(0[1-9]|[12]\d|3[01])(\.\d{1,2})?")
"""A date, and a number where there are several of one day."""


class Frozen(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One record of a release. sha256: of its file."""

    record: str
    key: str
    sha256: str


class Release(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True, dict=True):
    """What a release consists of. why: what it is for, in a sentence."""

    format: Literal[1] = 1
    name: str
    squeezemark: str
    why: str
    records: tuple[Frozen, ...]

    def __post_init__(self) -> None:
        if not NAME.fullmatch(self.name):
            raise ValueError(f"{self.name!r} is not a date like 2026-11-27")
        if [one.record for one in self.records] != sorted({one.record for one in self.records}):
            raise ValueError("its records are not in the order of their names, each once")

    @cached_property
    def stems(self) -> frozenset[str]:
        """The names of its records' files."""
        return frozenset(one.record for one in self.records)


def freeze(name: str, why: str, store: Store, folder: Path) -> Release:
    """Writes a release of every record of a store. Raises UsageError, BrokenRelease, BrokenRecord and OSError.

    Nothing is frozen that does not hold: each file must be a record under its own name, and its raw columns those that it names.
    """
    if not NAME.fullmatch(name):
        raise UsageError(f"A release is named by its date, such as 2026-11-27 or 2026-11-27.2, not {name!r}.")
    path = folder / f"{name}.json"
    if path.exists():
        raise UsageError(
            f"There is a release {name} already, and a release never changes; name another one, such as {_next(folder, name)}."
        )
    if not store.stems():
        raise UsageError(f"There are no records in {store.folder} to release; name their folder with --results.")
    for last in releases(folder)[-1:]:
        if _order(name) < _order(last.name):
            raise UsageError(f"The release {last.name} is newer than {name}; a release is added after those that there are.")
        hold(last, folder, store)
    release = Release(name=name, squeezemark=__version__, why=why, records=tuple(_frozen(store, stem) for stem in store.stems()))
    folder.mkdir(parents=True, exist_ok=True)
    write(path, msgspec.json.format(msgspec.json.encode(release), indent=1) + b"\n")
    return release


def _frozen(store: Store, stem: str) -> Frozen:
    path = store.path(stem)
    record = store.read(path)
    if record.name != stem:
        raise UsageError(f"{path} is the record {record.name}; give the file that name, or remove it, before it is released.")
    if record.columns_sha256 is not None:
        store.columns(record)
    return Frozen(stem, record.key, hash_file(path))


def _next(folder: Path, name: str) -> str:
    day = name.partition(".")[0]
    return next(f"{day}.{number}" for number in range(2, 100) if not (folder / f"{day}.{number}.json").exists())


def _order(name: str) -> tuple[str, int]:
    day, _, number = name.partition(".")
    return day, int(number or 1)


def releases(folder: Path) -> tuple[Release, ...]:
    """All of a folder, oldest first. Raises BrokenRelease."""
    found = []
    for path in folder.glob("*.json") if folder.is_dir() else ():
        try:
            release = msgspec.json.decode(path.read_bytes(), type=Release)
        except (OSError, msgspec.MsgspecError, UnicodeDecodeError) as error:
            raise BrokenRelease(path, str(error)) from error
        if path.stem != release.name:
            raise BrokenRelease(path, f"it calls itself {release.name}")
        found.append(release)
    return tuple(sorted(found, key=lambda release: _order(release.name)))


def hold(release: Release, folder: Path, store: Store, known: frozenset[Frozen] = frozenset()) -> frozenset[Frozen]:
    """Raises BrokenRelease unless every record is there, byte for byte, with the raw columns that it names.

    `known`: what was looked at already, as of a newer release, which holds everything of an older one. Returns all that now was.
    """
    path = folder / f"{release.name}.json"
    for one in release.records:
        if one in known:
            continue
        file = store.path(one.record)
        if file.parent != store.folder or not file.is_file():
            raise BrokenRelease(path, f"its record {one.record} is missing from {store.folder}")
        if hash_file(file) != one.sha256:
            raise BrokenRelease(path, f"its record {one.record} is not the file that was released")
        pinned = msgspec.json.decode(file.read_bytes(), type=_Pinned)
        if pinned.key != one.key:
            raise BrokenRelease(path, f"its record {one.record} has another key")
        if pinned.columns_sha256 is not None and not _same(store.columns_path(one.record), pinned.columns_sha256):
            raise BrokenRelease(path, f"the raw columns of its record {one.record} are missing or not those that were released")
    return known.union(release.records)


class _Pinned(msgspec.Struct):
    key: str
    columns_sha256: str | None = None


def _same(path: Path, sha256: str) -> bool:
    try:
        return digest(path.read_bytes()) == sha256
    except OSError:
        return False


@dataclass(frozen=True, slots=True)
class Change:
    """What a release did to the one before it, by what records are of (`suite.comparable.identity`); nothing is ever taken away.

    added: there was none of it. changed: another record of the same, old and new.
    """

    added: tuple[Record, ...]
    changed: tuple[tuple[Record, Record], ...]


def change(old: Iterable[Record], new: Iterable[Record]) -> Change:
    """Of two releases' records; of several with one identity the newest counts."""
    before, after = _current(old), _current(new)
    added = tuple(after[name] for name in after if name not in before)
    changed = tuple((before[name], after[name]) for name in after if name in before and before[name].key != after[name].key)
    return Change(added, changed)


def _current(records: Iterable[Record]) -> Mapping[tuple[object, ...], Record]:
    return {identity(record): record for record in sorted(records, key=lambda record: (record.created, record.name))}
