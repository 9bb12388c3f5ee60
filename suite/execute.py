"""Does what was planned: each cell is compressed, evaluated and measured, and ends in a record. No cell takes the run down."""

import shutil
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Protocol

import msgspec

from suite import __version__, environment, environments, formats, instructions
from suite.contracts import TargetCard
from suite.errors import CellFailed, NotWritable
from suite.evaluate import Bundle, evaluate
from suite.hashing import hash_json
from suite.measure import EFFORT, Targets, measure
from suite.metrics import find
from suite.plan import Plan, PlannedCell
from suite.protocol import Progress
from suite.record import Artifact, Cost, Environment, Provenance, Record
from suite.registry import Registry
from suite.store import Store
from suite.workspace import Workspace


class Observer(Protocol):
    """Who is told how far a run is."""

    def begin(self, done: int, total: int) -> None: ...
    def cell(self, planned: PlannedCell) -> None: ...
    def step(self, done: int, total: int, text: str) -> None: ...
    def end(self, record: Record, seconds: float) -> None: ...


Keep = Callable[[PlannedCell], Path | None]
"""The folder that a cell's artifact is kept in, if it is to be kept."""


def execute(
    plan: Plan, registry: Registry, store: Store, workspace: Workspace, observer: Observer, keep: Keep = lambda planned: None
) -> list[Record]:
    """The record of every cell of the plan, in its order. Those that the store holds already are not measured again.

    Of a cell whose artifact is to be kept that is made again; if it comes out otherwise than recorded, the cell is measured anew.
    """
    store.prepare()
    known = {key: record for key, record in store.keys().items() if _is_final(record, workspace.config.retry_failed)}
    observer.begin(sum(planned.key in known for planned in plan.cells), len(plan.cells))
    records = []
    with workspace.held(), workspace.room(hash_json([planned.key for planned in plan.cells])) as folder:
        shelf = Shelf(folder)
        for planned in plan.cells:
            record = known.get(planned.key)
            bench = Bench(planned, registry, store, workspace, shelf, observer.step, keep(planned))
            if record is None or not bench.rebuilt(record):
                observer.cell(planned)
                start = time.monotonic()
                record = bench.run()
                observer.end(record, time.monotonic() - start)
            records.append(record)
    return records


@dataclass
class Shelf:
    """The artifact that was made last: the next cell may be the same recipe on another target, and is not to compress it again.

    result: what the process said that made it; None while it is being made, and of one that came to nothing.
    """

    folder: Path
    name: str = ""
    result: dict[str, Any] | None = None

    def place(self, name: str) -> Path:
        """The folder of an artifact: as it was left if it is the last one, and empty otherwise."""
        if name != self.name or self.result is None:
            shutil.rmtree(self.folder, ignore_errors=True)
            (self.folder / "artifact").mkdir(parents=True)
            self.name, self.result = name, None
        return self.folder / "artifact"


def _is_final(record: Record, retry_failed: bool) -> bool:
    """What the plan ruled out (it never came to a test set) may be possible by now: it costs nothing to ask again."""
    if record.status == "unsupported":
        return record.provenance.test_sha256 is not None
    return record.status == "ok" or not retry_failed


def _hash(artifact: Artifact) -> str:
    return hash_json({name: part.sha256 for name, part in artifact.parts.items()})


def _made(result: Mapping[str, Any]) -> tuple[Artifact, Cost]:
    """What a process says that it made, and what that took. Raises CellFailed: the method ran in it, and may have spoken in its place."""
    try:
        artifact = msgspec.convert({name: result[name] for name in ("parts", "baseline_parameters", "claims")}, Artifact)
        cost = msgspec.convert(result["cost"], Cost)
    except (KeyError, msgspec.ValidationError) as error:
        raise CellFailed("crashed", f"what it says that it made cannot be believed ({error})") from error
    for name, value in (("compress_s", cost.seconds), ("compress_peak_bytes", cost.peak_bytes)):
        if not find(name).check(value):
            raise CellFailed("crashed", f"what it says that it took cannot be believed ({name} {value})")
    return artifact, cost


@dataclass
class Bench:
    """One cell at work."""

    planned: PlannedCell
    registry: Registry
    store: Store
    workspace: Workspace
    shelf: Shelf
    progress: Progress
    kept: Path | None = None

    def rebuilt(self, record: Record) -> bool:
        """Whether nothing is to be kept, or what is kept now is the very artifact of the record, made again."""
        if self.kept is None or record.status != "ok":
            return True
        source, facts = self.registry.sources["model", self.planned.cell.model], dict[str, Any]()
        try:
            with self.workspace.room(self.planned.key) as room:
                self.compress(room, self.workspace.baseline(self.planned.cell.model, source, self.progress), facts)
        except CellFailed:
            return False
        finally:
            self.workspace.forget(self.planned.key)
        return _hash(facts["artifact"]) == record.provenance.artifact_sha256

    def run(self) -> Record:
        """Compress, evaluate, measure, store. Whatever fails is a record too."""
        facts: dict[str, Any] = {}
        columns: dict[str, Any] | None = None
        surroundings = self.workspace.surroundings(self.registry.targets[self.planned.cell.target])
        try:
            if self.planned.skip is not None:
                raise CellFailed("unsupported", self.planned.skip.reason)
            with self.workspace.room(self.planned.key) as room:
                columns = self._work(room, facts)
            facts["status"] = "ok"
        except CellFailed as failure:
            facts |= {"status": failure.status, "reason": failure.reason}
        except NotWritable as error:  # of no record; but whoever reads it should know what to leave out if it comes again
            raise NotWritable(f"{error} It was at {self.planned.title}.") from error
        finally:
            self.workspace.standby.dismiss()
        record = self.store.put(self._record(surroundings, facts), columns)
        self.workspace.forget(self.planned.key)
        return record

    def _work(self, room: Path, facts: dict[str, Any]) -> dict[str, Any]:
        """Fills `facts` as far as it comes; the raw columns at the end."""
        cell, card = self.planned.cell, self.registry.models[self.planned.cell.model]
        target = self.registry.targets[cell.target]
        source = self.registry.sources["model", cell.model]
        baseline = self.workspace.baseline(cell.model, source, self.progress)
        test = self.workspace.test(cell.model, source, cell.test_seed, self.progress)
        facts["test_sha256"] = test.sha256
        timed = target.ranks_latency and not cell.component
        self.workspace.stand_by(target, 1)
        bundle = self.compress(room, baseline, facts)
        self.workspace.stand_by(target, 1 + EFFORT[cell.tier].processes * timed)
        evaluation = evaluate(self.workspace, self.planned, card, target, bundle, test, room, self.progress)
        facts["accuracy"] = evaluation.accuracy
        if cell.component:
            return evaluation.columns
        if not target.ranks_latency:
            files = self._files(self.planned.format)
            facts["instructions"] = instructions.count(self.workspace, self.planned, target, files, bundle, test, room, self.progress)
            return evaluation.columns
        facts["latency"], facts["instructions"], times = measure(
            self.workspace, self.planned, self._targets(target), bundle, test, evaluation.references, self.progress
        )
        return {**evaluation.columns, **times}

    def _targets(self, target: TargetCard) -> Targets:
        """The target, and that which it is timed beside, with the files of the uncompressed model that each runs."""
        beside = self.registry.targets[target.reference] if target.reference else None
        return Targets(target, beside, self._files(self.planned.format), self._files(beside.formats[0]) if beside else {})

    def _files(self, format: str) -> dict[str, str]:
        """Component -> the file of the uncompressed one in a format. Raises CellFailed."""
        model = self.planned.cell.model
        folder = self.workspace.lowered(model, self.registry.sources["model", model], format, self.progress)
        return {component.name: str(formats.place(folder, component.name, format)) for component in self.registry.models[model].components}

    def compress(self, room: Path, baseline: Path, facts: dict[str, Any]) -> Bundle:
        """The checked artifact. Raises CellFailed, also where it does not bear out what its card claims."""
        recipe, claims = msgspec.to_builtins(self.planned.cell.recipe), msgspec.to_builtins(self.planned.claims)
        out = self.shelf.place(hash_json([self.planned.cell.model, recipe, claims, self.planned.format]))
        if self.shelf.result is None:
            (room / "scratch").mkdir()
            job = self.workspace.job(
                "compress", model=self.planned.cell.model, recipe=recipe, claims=claims, baseline=str(baseline), out=str(out),
                format=self.planned.format, lowered=self._files(self.planned.format),
                scratch=str(room / "scratch"), states=str(self.workspace.states(self.planned.key)),
                budget=msgspec.to_builtins(self.workspace.config.budget),
            )  # fmt: skip
            there = environments.python(formats.FORMATS[self.planned.format].environment)
            self.shelf.result = self.workspace.make(job, self._patience, self.progress, there)
        artifact, cost = _made(self.shelf.result)
        facts |= {"artifact": artifact, "cost": cost}
        broken = [
            f"it claims {check.claim} {check.claimed}, the artifact shows {check.realised}" for check in artifact.claims if not check.holds
        ]
        if broken:
            raise CellFailed("claim_not_borne_out", "; ".join(broken))
        if self.kept is not None:
            shutil.copytree(out, self.kept, dirs_exist_ok=True)
        return Bundle(out, artifact)

    @property
    def _patience(self) -> float:
        """Seconds that compressing may take: the limit, and for each step that trains its budget."""
        trains = sum(self.registry.methods[step.method].division == "training" for step in self.planned.cell.recipe)
        return self.workspace.config.limits.compress_s + trains * self.workspace.config.budget.seconds

    def _record(self, surroundings: Environment, facts: dict[str, Any]) -> Record:
        commit, dirty = environment.git_state()
        artifact: Artifact | None = facts.get("artifact")
        return Record(
            key=self.planned.key,
            created=datetime.now(UTC).isoformat(timespec="seconds"),
            status=facts["status"],
            reason=facts.get("reason"),
            cell=self.planned.cell,
            provenance=Provenance(
                model_sha256=self.registry.sources["model", self.planned.cell.model],
                test_sha256=facts.get("test_sha256"),
                artifact_sha256=_hash(artifact) if artifact else None,
                suite_version=__version__,
                git_commit=commit,
                git_dirty=dirty,
                command=self.planned.command,
            ),
            environment=msgspec.structs.replace(surroundings, load_after=self.workspace.load()),
            artifact=artifact,
            accuracy=facts.get("accuracy"),
            latency=facts.get("latency"),
            cost=facts.get("cost"),
            instructions=facts.get("instructions"),
        )
