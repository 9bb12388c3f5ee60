"""Runs the cells of a bundle again, in a sandbox and on a test set that its author could not know, and grants what is borne out.

The calling process never imports what was submitted: cards are read in the sandbox, methods run there, and so do the artifacts.
"""

import secrets
import shutil
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Literal

import msgspec
from msgspec import structs

from suite import environment, recipes, registry
from suite import provenance as provenances
from suite.config import Config
from suite.errors import CellFailed, NotWritable, PlugInError, UsageError
from suite.execute import Observer, execute
from suite.executors import local
from suite.hashing import hash_file
from suite.plan import Plan, PlannedCell, plan
from suite.record import Cell, Record
from suite.registry import Registry
from suite.sources import hash_method
from suite.store import COLUMNS, Store, write
from suite.submission.agreement import Check, agree, checks, quantile
from suite.submission.card import Card
from suite.submission.unpack import Bundle
from suite.workspace import Confine, Workspace, openly

Outcome = Literal["reproduced", "differs", "not run"]
SEEDS = 1 << 31
CARD_S = 60.0


@dataclass(frozen=True, slots=True)
class Result:
    """What came of one record. reason: why it was not run, or came to nothing; again: the record that was compared with it."""

    record: Record
    outcome: Outcome
    reason: str | None = None
    checks: tuple[Check, ...] = ()
    again: Record | None = None

    def as_json(self) -> dict[str, Any]:
        """For scripts."""
        rows = [{"name": check.name, "agrees": check.agrees, "words": check.words} for check in self.checks]
        by = self.again.key if self.again else None
        return {"record": self.record.name, "outcome": self.outcome, "reason": self.reason, "reproduced_by": by, "checks": rows}


@dataclass
class Reproduction:
    """One bundle on its way. `work` holds what is prepared, the hidden seed until all is done, and the copies of what was submitted."""

    bundle: Bundle
    results: Store
    work: Path
    confine: Confine
    observer: Observer
    config: Config = field(default_factory=Config)
    own: Mapping[str, list[str]] = field(default_factory=dict)
    """Plug-in folders of whoever reproduces: models and targets that are trusted."""

    def __post_init__(self) -> None:
        self.place = self.work / f"reproduce-{self.bundle.sha256[:16]}"
        self.fresh = Store(self.results.folder / provenances.REPRODUCTIONS)
        self.known = registry.discover()
        self.paths = self._paths()
        self.registry = self._registry()

    def seed(self, given: int | None) -> int:
        """The seed of the test set: as given, or one that nobody can guess, the same until a reproduction has come to its end."""
        if given is not None:
            return given
        file = self.place / "seed"
        if not file.is_file():
            file.write_text(str(1 + secrets.randbelow(SEEDS)))
            file.chmod(0o600)
        return int(file.read_text())

    def forget(self) -> None:
        """Once all is done, the next reproduction has a seed of its own."""
        shutil.rmtree(self.place, ignore_errors=True)

    def run(self, seed: int) -> list[Result]:
        """Of every record of the bundle, in the order of their names. Raises KeyboardInterrupt with all finished cells kept."""
        records = sorted(self.bundle.store.records(), key=lambda record: record.name)
        cells = {record.name: self._planned(record, seed) for record in records}
        planned = [cell for cell in cells.values() if isinstance(cell, PlannedCell)]
        again = self._execute(planned, self.fresh)
        z = quantile(len(planned))
        return [self._result(record, cells[record.name], again, z) for record in records]

    def publish(self) -> list[Record]:
        """The cells of the bundle on their own test set, measured here, added to the results: numbers that nobody submitted.

        They are measured in a store of their own, so that none is taken for ours that lies in the results already. Raises NotWritable.
        """
        own = Store(self.place / "own")
        cells = (self._planned(record, record.cell.test_seed, record.cell.scenarios) for record in self.bundle.store.records())
        measured = self._execute([cell for cell in cells if isinstance(cell, PlannedCell)], own).values()
        return [record for record in measured if record.status == "ok" and self._add(record, own)]

    def accept(self, found: Iterable[Result]) -> None:
        """Copies the records that were reproduced into the results, byte for byte. Raises NotWritable."""
        for result in found:
            if result.outcome == "reproduced":
                self._add(result.record, self.bundle.store)

    def _add(self, record: Record, source: Store) -> bool:
        """Copies a record into the results, unless one of that name is there: records are never replaced."""
        self.results.prepare()
        if (self.results.folder / f"{record.name}.json").exists():
            return False
        for suffix in (COLUMNS, ".json"):
            if (source.folder / (record.name + suffix)).is_file():
                write(self.results.folder / (record.name + suffix), (source.folder / (record.name + suffix)).read_bytes())
        return True

    def grant(self, found: Iterable[Result], by: str) -> Path | None:
        """The tier `reproduced` for those that are; None if none is, or if they were not run in a sandbox."""
        borne_out = [(result.record, (result.again.key,)) for result in found if result.outcome == "reproduced" and result.again]
        if self.confine is openly or not borne_out:
            return None
        how = f"squeezemark reproduce {self.bundle.path.name} (sha256 {self.bundle.sha256}), in a sandbox, on a fresh test set"
        return provenances.grant(self.results, provenances.REPRODUCED, by, how, borne_out, self.bundle.store)

    def _execute(self, cells: list[PlannedCell], store: Store) -> dict[str, Record]:
        workspace = Workspace(self.work, self.config, self.paths, confine=self.confine)
        unique = tuple({cell.key: cell for cell in cells}.values())
        return {record.key: record for record in execute(Plan(unique), self.registry, store, workspace, self.observer)}

    def _result(self, record: Record, cell: PlannedCell | str, again: Mapping[str, Record], z: float) -> Result:
        if isinstance(cell, str):
            return Result(record, "not run", cell)
        mine = again[cell.key]
        if mine.status != "ok":
            return Result(record, "differs", f"{mine.status}: {mine.reason}", again=mine)
        found = tuple(checks(record, self.bundle.store.columns(record), mine, self.fresh.columns(mine), z))
        return Result(record, "reproduced" if agree(found) else "differs", None, found, mine)

    def _planned(self, record: Record, seed: int, scenarios: tuple[str, ...] = ()) -> PlannedCell | str:
        """The cell of a record on a test set, or why it is not run here."""
        cell = record.cell
        if record.status != "ok":
            return f"it is {record.status.replace('_', ' ')}: there is nothing to reproduce"
        problem = self._problem(cell, record)
        if problem:
            return problem
        config = structs.replace(
            self.config, models=(cell.model,), methods=(f"{cell.method}/{cell.variant}",), targets=(cell.target,), tier=cell.tier,
            test_seed=seed, scenarios=scenarios or ("none",), one_component=cell.component is not None,
        )  # fmt: skip
        here = environment.read()
        found = plan(config, self.registry, here.host, here.libraries, environment.target_libraries)
        mine = next((one for one in found.cells if one.cell.component == cell.component), None)
        if mine is None or mine.skip is not None:
            return mine.skip.reason if mine and mine.skip else "it has no such component"
        if mine.cell.recipe != cell.recipe:
            return "its record is of another source, or of other parameters, than the bundle holds"
        return mine

    def _problem(self, cell: Cell, record: Record) -> str | None:
        for kind, name in (("model", cell.model), ("target", cell.target)):
            if name not in self.registry.cards(kind):
                return f"the {kind} {name!r} is not one of the suite's own, and no other is run for a stranger"
        if self.registry.sources["model", cell.model] != record.provenance.model_sha256:
            return f"the model {cell.model!r} is another revision here"
        skip = self.registry.probes[cell.target]()
        return f"the target {cell.target} does not run here: {skip.reason}" if skip else None

    def _paths(self) -> dict[str, list[str]]:
        """Copies the methods that the suite does not have, so that a kept name can always be told from a stranger's. Raises UsageError."""
        try:
            self.place.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise NotWritable(
                f"The working folder {self.work} cannot be written ({error.strerror}); choose another with --work."
            ) from error
        folder = self.place / "methods"
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir()
        for source in sorted(self.bundle.methods.iterdir()) if self.bundle.methods.is_dir() else ():
            if source.name not in self.known.methods:
                shutil.copytree(source, folder / source.name)
            elif hash_method(source) != self.known.sources["method", source.name]:
                raise UsageError(f"The bundle's method {source.name!r} is not the one of that name here; its author has to rename it.")
        return {**self.own, "methods": [str(folder), *self.own.get("methods", ())]}

    def _registry(self) -> Registry:
        """The suite's own plug-ins, with the cards of the submitted methods as the sandbox reads them. Raises PlugInError."""
        folder = Path(self.paths["methods"][0])
        cards = {card.name: card for card in self._cards(sorted(path.name for path in folder.iterdir()))}
        methods = {**self.known.methods, **{name: card.card() for name, card in cards.items()}}
        sources = dict(self.known.sources) | {("method", name): hash_method(folder / name) for name in cards}
        own = {}
        for file in sorted((self.bundle.folder / "recipes").glob("*.toml")):
            if file.stem not in self.known.methods:
                methods[file.stem], sources["method", file.stem] = recipes.read(file, methods), hash_file(file)
                own[file.stem] = file.name
        supports = {**self.known.supports, **{name: card.supports for name, card in cards.items()}}
        return replace(self.known, methods=dict(sorted(methods.items())), sources=sources, supports=supports, recipe_files=own)

    def _cards(self, names: list[str]) -> Iterator[Card]:
        if not names:
            return
        workspace = Workspace(self.work, self.config, self.paths)
        job = workspace.job("card", names=names, models=sorted(self.known.models), targets=sorted(self.known.targets))
        try:
            said = local.run("suite.submission.card", job, CARD_S, lambda *step: None, self.confine(local.HERE, job))
            cards = msgspec.convert(said["cards"], tuple[Card, ...])
        except (CellFailed, KeyError, msgspec.ValidationError) as error:
            reason = error.reason if isinstance(error, CellFailed) else f"what its process says of it is no card: {error}"
            raise PlugInError("method", names[0] if len(names) == 1 else ", ".join(names), reason) from error
        if [card.name for card in cards] != names:
            raise PlugInError("method", ", ".join(names), "its card has another name")
        yield from cards
