"""Times the artifact beside its baseline: fresh launches until the interval is narrow, then what else a user pays and gets."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from msgspec import structs

from suite import arrays, facts, latency
from suite.contracts import BASELINE, TargetCard
from suite.energy import energy
from suite.errors import CellFailed
from suite.evaluate import Bundle
from suite.figures import InstructionCounts
from suite.loading import SIDES
from suite.plan import PlannedCell
from suite.protocol import Progress
from suite.record import Estimate, Latency, Scenario, Server
from suite.scenarios import LOADS, SERVER
from suite.statistics import STRETCH, quad_log_ratios, speed_up
from suite.undisturbed import undisturbed
from suite.workspace import TestSplit, Workspace

Array = np.ndarray[Any, np.dtype[Any]]
Columns = dict[str, Array]

PRECISE = 0.01
"""The half width of the speed-up's interval, as a share of it, at which no more launches are added."""
SAME = 0.05
"""The uncompressed model beside itself is as fast as itself: of all published sessions on a ranked host the furthest is 2.8 % away."""
SERVER_BOUND = 5.0
"""The server scenario's bound, in medians of the uncompressed model's single-stream latency: the same for both sides."""
PATIENCE = 5.0
"""The server scenario takes thousands of requests, some of them at rates that turn out too high."""


@dataclass(frozen=True, slots=True)
class Targets:
    """Where a cell is timed, and the device's reference target (None: it is that), beside whose uncompressed model it is timed too.

    baseline, reference_baseline: component -> the file of the uncompressed one that each of them runs.
    """

    own: TargetCard
    reference: TargetCard | None
    baseline: dict[str, str]
    reference_baseline: dict[str, str]


@dataclass(frozen=True, slots=True)
class Effort:
    """How much is measured: launches, the fewest and the most, seconds of timed calls in each, and launches of all that stands beside."""

    fewest: int
    most: int
    seconds: float
    others: int

    @property
    def adaptive(self) -> bool:
        return self.most > self.fewest

    @property
    def processes(self) -> int:
        """How many every cell has: the fewest launches, and as many that load each side first."""
        return max(self.fewest, len(SIDES) * self.others)


EFFORT = {"quick": Effort(3, 3, 0.5, 2), "full": Effort(5, 12, 1.5, 3)}


@dataclass
class Session:
    """One cell in front of its target: what all of its jobs have in common, and how they are launched."""

    workspace: Workspace
    planned: PlannedCell
    targets: Targets
    bundle: Bundle
    test: TestSplit
    references: Path
    progress: Progress
    effort: Effort = field(init=False)
    energy: dict[str, str | None] = field(default_factory=dict)
    """Which counter of energy was read, or why there is none: the same in every launch."""
    uncounted: str | None = None
    """Why the processor counted no instructions."""

    def __post_init__(self) -> None:
        self.effort = EFFORT[self.planned.cell.tier]

    def launch(self, do: str, patience: float = 1.0, **rest: Any) -> tuple[dict[str, Any], Columns]:
        """What one process of the worker says and writes; it may take so many times as long as others. Raises CellFailed."""
        cell, out = self.planned.cell, self.references.with_name("times.npz")
        job = self.workspace.job(
            do, model=cell.model, target=self.targets.own.runs_with, device=self.targets.own.device, settings=cell.settings,
            threads=cell.settings.get("threads", 1), baseline=self.targets.baseline, compressed=self.bundle.files(),
            caches=self.bundle.caches(), inputs=str(self.test.inputs), out=str(out),
        ) | rest  # fmt: skip
        limit = patience * self.workspace.config.limits.launch_s
        result = self.workspace.work(self.targets.own, job, limit, lambda done, total, text: None)
        return result, arrays.load(out)

    def launches(self, number: int, do: str, **rest: Any) -> Columns:
        """Columns of several, stacked: shape (launches, ...). What the first one chose, calls and quads, the others do too."""
        self.workspace.stand_by(self.targets.own, number)
        found, shape = [], dict[str, Any]()
        for launch in range(number):
            result, columns = self.launch(do, launch=launch, **rest, **shape)
            shape = {name: result[name] for name in ("calls", "quads") if name in result}
            found.append(columns)
        return stacked(found)


def measure(
    workspace: Workspace,
    planned: PlannedCell,
    targets: Targets,
    bundle: Bundle,
    test: TestSplit,
    references: Path,
    progress: Progress,
) -> tuple[Latency, InstructionCounts, Columns]:
    """The paired latency, what the processor counted, and the raw columns of both. Raises CellFailed."""
    session = Session(workspace, planned, targets, bundle, test, references, progress)
    launches = list(paired(session))
    columns = stacked(launches) | _footprints(session, launches)
    reference = targets.reference.name if targets.reference else None
    summary = latency.summarize(columns, (), reference, session.effort.adaptive)
    if planned.cell.method == BASELINE:
        _check_sides(summary.speed_up)
    joules = energy(columns, **session.energy)
    scenarios: dict[str, Scenario] = {}
    for name in (name for name in planned.cell.scenarios if name in LOADS):
        scenarios[name], found = _load(session, name)
        columns |= {f"{name}/{key}": array for key, array in found.items()}
    served: Server | None = None
    if SERVER in planned.cell.scenarios:
        served, found = _server(session, SERVER_BOUND * summary.baseline_median_ms.value)
        columns |= {f"{SERVER}/{key}": array for key, array in found.items()}
    whole = structs.replace(summary, scenarios=scenarios, server=served, energy=joules)
    return whole, latency.instructions(columns, session.uncounted), {name: _small(array) for name, array in columns.items()}


def _check_sides(found: Estimate) -> None:
    """Raises CellFailed if the uncompressed model, beside itself, is surely faster or slower than itself."""
    if found.low > 1 + SAME or found.high < 1 - SAME:
        raise CellFailed(
            "invalid_output",
            f"the uncompressed model is timed beside itself and comes out {found.value:.2f} times as fast: "
            "the runner of the target treats its two sides differently, and no speed-up on it means anything",
        )


def paired(session: Session) -> Iterator[Columns]:
    """Launches in which both sides take turns: the fewest, and then more until the interval is narrow or there are the most."""
    rest: dict[str, Any] = {"references": str(session.references), "seconds": session.effort.seconds}
    if session.targets.reference is not None:
        known = session.targets.reference
        files = session.targets.reference_baseline
        rest["reference"] = {"target": known.runs_with, "settings": dict(known.settings), "baseline": files}
    found: list[Columns] = []
    for launch in range(session.effort.most):
        session.progress(launch, session.effort.most, "measuring")
        early = launch < 2 * session.effort.others  # each side is loaded first in every other launch
        result, columns = session.launch("measure", launch=launch, footprint=early, **rest)
        rest |= {name: result[name] for name in ("calls", "quads")}
        session.energy, session.uncounted = result["energy"], result["uncounted"]
        found.append(columns)
        yield columns
        if len(found) >= session.effort.fewest and _is_precise(found, session.effort.fewest):
            return


def _is_precise(found: list[Columns], fewest: int) -> bool:
    """Whether the interval is narrow, over enough launches that had their core."""
    old, new = undisturbed(stacked(found))
    left = np.isfinite(quad_log_ratios(old, new)).any(-1).sum()
    return bool(left >= fewest and latency.width(speed_up(old, new, STRETCH)) <= PRECISE)


def _footprints(session: Session, launches: list[Columns]) -> Columns:
    """Of each side `footprint:<side>:<name>`, (launches, ...): from the launches that loaded it first, and more where these are few."""
    columns: Columns = {}
    for side in SIDES:
        prefix = f"footprint:{side}:"
        found = [{name: array for name, array in launch.items() if name.startswith(prefix)} for launch in launches]
        found = [each for each in found if each][: session.effort.others]
        while len(found) < session.effort.others:
            found.append({prefix + name: array for name, array in session.launch("footprint", side=side)[1].items()})
        columns |= stacked(found)
    return columns


def _load(session: Session, name: str) -> tuple[Scenario, Columns]:
    """One of LOADS; a failure in it is a reason and does not take the cell's other figures with it."""
    load, settings = LOADS[name], dict(session.planned.cell.settings)
    if load.all_cores:
        settings |= {"threads": _cores(session), "spinning": False}
    threads = int(str(settings.get("threads", 1)))
    session.progress(0, session.effort.others, f"measuring {name}")
    try:
        found = session.launches(
            session.effort.others, "scenario", batch=load.batch, threads=threads, settings=settings,
            seconds=session.effort.seconds / 2,
        )  # fmt: skip
    except CellFailed as failure:
        return Scenario(load.batch, threads, f"{failure.status}: {failure.reason}"), {}
    return latency.scenario(found, load.batch, threads), found


def _server(session: Session, bound_ms: float) -> tuple[Server, Columns]:
    session.progress(0, session.effort.others, "serving")
    try:
        found = session.launches(session.effort.others, "server", patience=PATIENCE, bound_ms=bound_ms)
    except CellFailed as failure:
        return Server(bound_ms, 0, f"{failure.status}: {failure.reason}"), {}
    return latency.server(found, bound_ms), found


def _cores(session: Session) -> int:
    """Of the machine that measures."""
    host = session.workspace.host
    return int(host.facts["cores"]) if host else facts.cores()


def stacked(found: list[Columns]) -> Columns:
    """Those that every launch has: one may have had no counter of energy."""
    return {name: np.stack([columns[name] for columns in found]) for name in found[0] if all(name in columns for columns in found)}


def _small(array: Array) -> Array:
    """Nanoseconds in four bytes where they fit."""
    return array.astype(np.uint32) if array.dtype == np.int64 and array.size and array.min() >= 0 and array.max() < 1 << 32 else array
