"""What a results folder holds, seen from the heads of its files alone: which records make a board, and the content of each group.

Reading a hundred thousand records closely takes minutes and gigabytes. Their heads say which belong together, and a group is read,
summarized and rendered by itself (`suite.publishing.shelves`).
"""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path

import msgspec

from suite.comparable import Place, place_of
from suite.errors import BrokenRecord
from suite.machine import answering, host_of
from suite.publishing.crew import Mapped
from suite.store import COLUMNS, Store

CHUNK = 500
"""Files that one process looks at in one go."""


class _Step(msgspec.Struct):
    method: str


class _Cell(msgspec.Struct):
    model: str
    method: str
    variant: str
    target: str
    tier: str
    test_seed: int
    recipe: list[_Step]
    component: str | None = None


class _Machine(msgspec.Struct):
    cpu: str
    cpu_flags: list[str]
    cores: int
    system: str
    machine: str
    libraries: dict[str, str]


class _Accuracy(msgspec.Struct):
    metric: str


class _Latency(msgspec.Struct):
    pass


class _Head(msgspec.Struct):
    key: str
    cell: _Cell
    environment: _Machine
    accuracy: _Accuracy | None = None
    latency: _Latency | None = None


@dataclass(frozen=True, slots=True)
class Seen:
    """One file. metric: the headline metric, if it has an accuracy; methods: that of its cell and those of its recipe's steps."""

    stem: str
    place: Place
    methods: tuple[str, ...]
    metric: str | None
    alone: bool
    digest: bytes


@dataclass(frozen=True, slots=True)
class Group:
    """The files of one board and of what belongs to it. digest: changes with any byte of them. rows: those that may stand on the board."""

    place: Place
    store: Store
    stems: tuple[str, ...]
    rows: int
    digest: str


@dataclass(frozen=True, slots=True)
class Survey:
    """Groups in the order of their places. names: kind of plug-in -> every name in a record. metrics: model -> its headline metric."""

    groups: tuple[Group, ...]
    names: Mapping[str, frozenset[str]]
    metrics: Mapping[str, str]
    broken: tuple[BrokenRecord, ...]

    @property
    def files(self) -> int:
        """How many records there seem to be."""
        return sum(len(group.stems) for group in self.groups)


def survey(stores: Iterable[Store], known: Mapping[str, str], mapped: Mapped = map, shown: frozenset[str] | None = None) -> Survey:
    """Looks at every file once. `known`: headline metric of each model that has a card; `shown`: the stems to look at, but in overlays."""
    groups: dict[tuple[Place, int], list[Seen]] = defaultdict(list)
    folders, broken, metrics = list(stores), [], dict(known)
    methods: set[str] = set()
    for number, store in enumerate(folders):
        for found in mapped(look, _chunks(store, None if store.local else shown)):
            for seen in found:
                if isinstance(seen, BrokenRecord):
                    broken.append(seen)
                    continue
                groups[seen.place, number].append(seen)
                methods |= {*seen.methods}
                if seen.metric is not None:
                    metrics.setdefault(seen.place[0], seen.metric)
    names = {"model": frozenset(key[0][0] for key in groups), "target": frozenset(key[0][1] for key in groups)}
    made = tuple(_group(place, folders[number], groups[place, number]) for place, number in sorted(groups))
    return Survey(made, {**names, "method": frozenset(methods)}, metrics, tuple(broken))


def _chunks(store: Store, shown: frozenset[str] | None) -> Iterator[tuple[Store, tuple[str, ...]]]:
    stems = tuple(stem for stem in store.stems() if shown is None or stem in shown)
    for start in range(0, len(stems), CHUNK):
        yield store, stems[start : start + CHUNK]


def _group(place: Place, store: Store, seen: list[Seen]) -> Group:
    content = sha256(b"".join(each.digest for each in seen)).hexdigest()
    return Group(place, store, tuple(each.stem for each in seen), sum(not each.alone for each in seen), content)


def look(chunk: tuple[Store, tuple[str, ...]]) -> list[Seen | BrokenRecord]:
    """What some files are, in their order."""
    store, stems = chunk
    return [_look(store, stem) for stem in stems]


def _look(store: Store, stem: str) -> Seen | BrokenRecord:
    path = store.path(stem)
    try:
        data = path.read_bytes()
        head = msgspec.json.decode(data, type=_Head)
    except (OSError, msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
        return _why(store, path, error)
    cell, machine = head.cell, head.environment
    where = host_of(machine.cpu, machine.cpu_flags, machine.cores, machine.system, machine.machine)
    where = where if head.latency else answering(where, machine.libraries)
    place = place_of(cell.model, cell.target, cell.tier, cell.test_seed, where, store.local)
    digest = sha256(stem.encode(errors="surrogatepass") + b"\n" + sha256(data).digest() + _columns(store, stem)).digest()
    methods = (cell.method, *(step.method for step in cell.recipe))
    return Seen(stem, place, methods, head.accuracy.metric if head.accuracy else None, cell.component is not None, digest)


def _why(store: Store, path: Path, error: Exception) -> BrokenRecord:
    try:
        store.read(path)
    except BrokenRecord as broken:
        return broken
    return BrokenRecord(path, str(error))


def _columns(store: Store, stem: str) -> bytes:
    try:
        return sha256((store.folder / (stem + COLUMNS)).read_bytes()).digest()
    except OSError:
        return b"none"
