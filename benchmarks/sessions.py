"""What the scripts here share: a cell that is ready to be timed as `squeezemark run` times it, and a neighbour on its core."""

import contextlib
import math
import os
import subprocess
import sys
import time
import uuid
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from suite import arrays, config, loading, measure, registry, timing
from suite.contracts import BASELINE
from suite.evaluate import Bundle, evaluate
from suite.execute import Bench, Shelf
from suite.health import health
from suite.measure import Session as Cell
from suite.plan import PlannedCell, plan
from suite.protocol import Job
from suite.record import Estimate, Latency
from suite.statistics import STRETCH, quad_log_ratios, speed_up
from suite.store import Store
from suite.undisturbed import undisturbed
from suite.workspace import TestSplit, Workspace

Array = np.ndarray[Any, np.dtype[Any]]

BASE = f"{BASELINE}/fp32"
NOMINAL = 0.95
"""Of an interval: how often it is to hold the truth."""
SPINNER = """
import os, sys, time
os.sched_setaffinity(0, {int(sys.argv[1])})
while True:
    end = time.monotonic() + float(sys.argv[2])
    while time.monotonic() < end:
        pass
    time.sleep(float(sys.argv[2]))
"""


def quiet(*_: object) -> None:
    """Is told how far something is, and says nothing."""


@dataclass(frozen=True)
class Session:
    """An artifact that was compressed, checked and evaluated: what comes next is its latency."""

    workspace: Workspace
    planned: PlannedCell
    targets: measure.Targets
    bundle: Bundle
    test: TestSplit
    references: Path

    def measure(self) -> tuple[Latency, dict[str, Array]]:
        """One measurement in fresh launches, by the function that `squeezemark run` calls; the raw columns too."""
        latency, _, columns = measure.measure(self.workspace, self.planned, self.targets, self.bundle, self.test, self.references, quiet)
        return latency, columns

    def cell(self) -> Cell:
        """What launches its worker, as `squeezemark run` does."""
        return Cell(self.workspace, self.planned, self.targets, self.bundle, self.test, self.references, quiet)

    def speed_up(self) -> tuple[Estimate, Array, str]:
        """The ratio alone, by the launches of the cell's tier, of which `squeezemark run` adds more until the interval is narrow; the log
        ratios of their quads, (launches, quads); and the grade of the machine meanwhile."""
        session = self.cell()
        columns = measure.stacked(list(measure.paired(session)))
        (old, new), seen = undisturbed(columns), health(columns)
        ratio = speed_up(old, new, STRETCH if session.effort.adaptive else 1.0)
        return ratio, quad_log_ratios(old, new), seen.grade if seen else "?"

    def job(self, seconds: float) -> Job:
        """The job of one launch of its worker, as that function makes it."""
        cell = self.planned.cell
        return self.workspace.job(
            "measure", model=cell.model, target=self.targets.own.runs_with, settings=dict(cell.settings), threads=1, launch=1,
            seconds=seconds, baseline=self.targets.baseline, compressed=self.bundle.files(), caches=self.bundle.caches(),
            inputs=str(self.test.inputs), references=str(self.references), out=str(self.references.with_name("one.npz")),
        )  # fmt: skip


@contextlib.contextmanager
def ready(
    model: str, method: str = BASE, target: str = "x86_cpu_ort", tier: str = "quick", plugins: tuple[Path, ...] = ()
) -> Iterator[Session]:
    """The session of a cell, in a folder of its own under `.squeezemark`, where exports and test sets are found again."""
    if not hasattr(os, "sched_setaffinity"):
        print("Only Linux keeps a process on one core: nothing is measured here.")
        sys.exit(0)
    chosen = {"models": (model,), "methods": (method,), "targets": (target,), "tier": tier, "scenarios": ("none",)}
    settings, paths = config.load(None, chosen), registry.extend(plugins, [])
    found = registry.discover([])
    (planned,) = plan(settings, found, "benchmark", {}).cells
    if planned.skip is not None:
        sys.exit(f"{planned.title} cannot be run here: {planned.skip.reason}")
    workspace = Workspace(Path(settings.work).resolve(), settings, paths)
    source, facts = found.sources["model", model], dict[str, Any]()
    folder, card, own = workspace.baseline(model, source, quiet), found.models[model], found.targets[target]
    test = workspace.test(model, source, 0, quiet)
    with workspace.room(uuid.uuid4().hex) as room:
        bench = Bench(planned, found, Store(room / "results"), workspace, Shelf(room / "shelf"), quiet)
        bundle = bench.compress(room, folder, facts)
        evaluation = evaluate(workspace, planned, card, own, bundle, test, room, quiet)
        files = {component.name: str(folder / f"{component.name}.onnx") for component in card.components}
        yield Session(workspace, planned, measure.Targets(own, None, files, {}), bundle, test, evaluation.references)


@contextlib.contextmanager
def neighbour(seconds: float) -> Iterator[None]:
    """A process that spins on the core on which workers measure: on for so many seconds, off for as many, and so on."""
    process = subprocess.Popen([sys.executable, "-c", SPINNER, str(max(os.sched_getaffinity(0))), str(seconds)])
    try:
        yield
    finally:
        process.kill()
        process.wait()


def one_after_the_other(job: Job, seconds: float) -> tuple[float, float]:
    """How most people time two models: all calls of one, then all of the other. Ratios of the medians and of the means."""
    os.sched_setaffinity(0, {max(os.sched_getaffinity(0))})
    inputs, glue = arrays.load(job["inputs"]), loading.glue(job)
    times: list[list[int]] = []
    for side in loading.SIDES:
        call, spent = loading.call(glue.module.request, glue.size(inputs), inputs, loading.run(job, side)), list[int]()
        timing.block(call, range(20), 0)
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            spent += timing.block(call, range(len(spent), len(spent) + 20), 0)
        times.append(spent)
    old, new = times
    return float(np.median(old) / np.median(new)), float(np.mean(old) / np.mean(new))


def tolerance(runs: int, share: float = NOMINAL) -> int:
    """The fewest hits in so many runs that are no evidence against such a share: the 2.5 % quantile of the binomial distribution."""
    total = 0.0
    for hits in range(runs + 1):
        ways = math.lgamma(runs + 1) - math.lgamma(hits + 1) - math.lgamma(runs - hits + 1)
        total += math.exp(ways + hits * math.log(share) + (runs - hits) * math.log(1 - share))
        if total > 0.025:
            return hits
    return runs


def verdict(claims: dict[str, bool]) -> None:
    """Says of each claim whether it holds; exits with 1 if one does not."""
    for claim, holds in claims.items():
        print(f"{'holds' if holds else 'DOES NOT HOLD'}: {claim}")
    sys.exit(0 if all(claims.values()) else 1)
