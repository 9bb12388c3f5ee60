"""From a store to the contents of a bundle: the newest record of each cell, its baseline, and the source that it was measured with."""

import importlib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from suite.comparable import board_key, difference_in_keys, identity
from suite.contracts import BASELINE, MethodCard
from suite.errors import BrokenRecord, PlugInError, UsageError
from suite.machine import named
from suite.plugins import PACKAGES
from suite.record import Record, encode
from suite.registry import Registry
from suite.store import COLUMNS, Store
from suite.submission import source, surroundings
from suite.submission.manifest import ENVIRONMENT, LOCK, Entry, Manifest, problem_of_name, problem_of_source
from suite.submission.pack import manifest_of


@dataclass(frozen=True, slots=True)
class Collection:
    """What a bundle is to hold: `contents` by path, all but the manifest; the records, those of the baseline first."""

    manifest: Manifest
    contents: dict[str, bytes]
    records: tuple[Record, ...]


def collect(
    name: str, store: Store, registry: Registry, recipe_files: Iterable[Path] = (), author: str | None = None, machine: str | None = None
) -> Collection:
    """machine: a part of the name of the one whose records are taken, where there are several.

    Raises UnknownName for a method or machine that is not there, UsageError for what cannot be published, and why, and the PlugInError of
    a source that cannot be shipped.
    """
    card: MethodCard = registry.find("method", name)  # type: ignore[assignment]
    if problem := source.problem_of_licence(card.licence):
        raise UsageError(f"{name} cannot be published: {problem}; name one in its card.")
    records = _records(card, store, machine)
    contents = {path: data for record in records for path, data in _files(store, record)}
    for method in sorted({step.method for record in records for step in record.cell.recipe}):
        contents |= dict(_source(method, registry, records))
    if card.stage == "recipe":
        contents[f"recipes/{name}.toml"] = _recipe(name, recipe_files).read_bytes()
    extra = {distribution for record in records for distribution in (*card.dependencies, *record.environment.libraries)}
    contents[LOCK] = surroundings.lock(extra).encode()
    contents[ENVIRONMENT] = surroundings.encode(surroundings.packing())
    for path, data in contents.items():
        problem = problem_of_name(path) or (problem_of_source(path, data) if path.startswith(("method/", "recipes/")) else None)
        if problem:
            raise UsageError(f"{name} cannot be published: {path} {problem}.")
    entries = [Entry(record.name, record.key) for record in records]
    created = max(record.created for record in records)
    found = manifest_of(contents, method=name, created=created, licence=card.licence, records=entries, author=author)
    return Collection(found, contents, records)


def _records(card: MethodCard, store: Store, machine: str | None) -> tuple[Record, ...]:
    """The newest of each cell of the card's variants, on one machine for each target, and the baselines that they are held against."""
    variants = {variant.name for variant in card.variants}
    newest: dict[tuple[object, ...], Record] = {}
    for record in sorted(store.records(), key=lambda record: record.created):
        newest[identity(record)] = record
    mine = [record for record in newest.values() if record.cell.method == card.name and record.cell.variant in variants]
    if not any(record.status == "ok" for record in mine):
        what = "none of its records is a result" if mine else "there is no record of it"
        command = f"squeezemark run --methods {BASELINE},{card.name} --results {store.folder}"
        raise UsageError(f"{card.name} cannot be published: {what} in {store.folder}; run `{command}` first.")
    if machine is not None:
        hosts = named(machine, (record.environment.host for record in mine))
        mine = [record for record in mine if record.environment.host in hosts]
    _check_one_machine(card.name, mine, store)
    beside = {} if card.name == BASELINE else {_baseline(record, newest.values()).name: record for record in mine if record.status == "ok"}
    old = [record for record in newest.values() if record.name in beside]
    return tuple(sorted(old, key=lambda record: record.name)) + tuple(sorted(mine, key=lambda record: record.name))


def _check_one_machine(name: str, records: Iterable[Record], store: Store) -> None:
    """Raises UsageError for records of one target from several: `suite.submission.together` would refuse their bundle."""
    hosts: dict[str, set[str]] = {}
    for record in records:
        hosts.setdefault(record.cell.target, set()).add(record.environment.host)
    for target, found in sorted(hosts.items()):
        if len(found) > 1:
            listed = "; ".join(sorted(found))
            several = f"{store.folder} holds records of it on {target} from {len(found)} machines, and a bundle is of one"
            raise UsageError(f"{name} cannot be published like that: {several}; name one with --machine: {listed}.")


def _baseline(record: Record, records: Iterable[Record]) -> Record:
    """The uncompressed model that a result is held against: on the same machine, target and items, and comparable."""
    cell, reason = record.cell, "there is no record of the uncompressed model beside it"
    for other in records:
        whole = other.cell.method == BASELINE and other.cell.component is None and other.status == "ok"
        if whole and board_key(other) == board_key(record):
            problem = difference_in_keys(record, other)
            if problem is None:
                return other
            reason = problem
    raise UsageError(f"{cell.title} cannot be published: {reason}; run `{record.provenance.command}`, which measures both.")


def _files(store: Store, record: Record) -> Iterator[tuple[str, bytes]]:
    yield f"records/{record.name}.json", encode(record)
    if record.columns_sha256 is None:
        return
    try:
        store.columns(record)
    except BrokenRecord as error:
        raise UsageError(f"{record.cell.title} cannot be published: its raw samples are lost or changed; measure it again.") from error
    yield f"records/{record.name}{COLUMNS}", (store.folder / (record.name + COLUMNS)).read_bytes()


def _source(name: str, registry: Registry, records: Iterable[Record]) -> Iterator[tuple[str, bytes]]:
    """The files of a method's folder, which must be those that all its records were measured with."""
    now = registry.sources.get(("method", name))
    for record in records:
        if any(step.method == name and step.source_sha256 != now for step in record.cell.recipe):
            changed = f"the source of {name} is not there any more" if now is None else f"the source of {name} has changed since"
            raise UsageError(f"{record.cell.title} cannot be published: {changed}; run `{record.provenance.command}` again.")
    module = importlib.import_module(f"{PACKAGES['method']}.{name}")
    folder = Path(str(module.__file__)).parent
    for path in source.folder_files(folder):
        yield f"method/{name}/{path.relative_to(folder).as_posix()}", path.read_bytes()


def _recipe(name: str, own: Iterable[Path]) -> Path:
    """A recipe's file: one that was named, or one in a folder of methods."""
    places = [Path(place) / "recipes" for place in importlib.import_module(PACKAGES["method"]).__path__]
    for file in (*own, *(place / f"{name}.toml" for place in places)):
        if file.stem == name and file.is_file():
            return file
    raise PlugInError("method", name, "its recipe file is not there")
