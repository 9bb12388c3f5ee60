"""The suite's single-stream latency beside MLPerf LoadGen's, on one session: whether the two agree on what a request takes."""

import importlib.util
import math
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from suite.contracts import TargetCard
from suite.errors import UsageError
from suite.execute import Bench, Shelf
from suite.executors import local
from suite.plan import PlannedCell
from suite.protocol import Progress
from suite.registry import Registry
from suite.store import Store
from suite.workspace import Workspace

AGREEMENT = 0.02
"""The two agree if they differ by no more than this share."""
PERCENTILES = ("p50", "p90")
STARTING_S = 120.0
"""What loading the artifact, and the tests in which LoadGen warms up, may take."""


@dataclass(frozen=True, slots=True)
class Agreement:
    """One percentile. ours_ms, loadgen_ms: the median over blocks. difference: LoadGen's over ours minus 1, the median over ABBA quads."""

    percentile: str
    ours_ms: float
    loadgen_ms: float
    difference: float

    @property
    def holds(self) -> bool:
        return abs(self.difference) <= AGREEMENT


@dataclass(frozen=True, slots=True)
class Crosscheck:
    """Both figures of each percentile. blocks: of each side, `calls` requests in each. cpu_wall: process CPU time / wall time, of both."""

    calls: int
    blocks: int
    agreements: tuple[Agreement, ...]
    ours_cpu_wall: float
    loadgen_cpu_wall: float

    @property
    def holds(self) -> bool:
        return all(agreement.holds for agreement in self.agreements)


def check_ready(target: TargetCard) -> None:
    """Raises UsageError where LoadGen is not installed, or the target's worker does not run in this Python on a clock that counts."""
    if importlib.util.find_spec("mlperf_loadgen") is None:
        raise UsageError(
            "MLPerf LoadGen is not installed here; pip install 'squeezemark[loadgen]' brings it "
            "(there are wheels for Linux on x86-64 and Python up to 3.13)."
        )
    if target.environment or not target.ranks_latency:
        raise UsageError(
            f"On {target.name} nothing can be checked against LoadGen: its worker does not run in this Python, or has no clock."
        )


def crosscheck(workspace: Workspace, planned: PlannedCell, registry: Registry, seconds: float, progress: Progress) -> Crosscheck:
    """Makes the artifact of a cell and times it by both for some seconds. Raises UsageError, CellFailed."""
    cell, target = planned.cell, registry.targets[planned.cell.target]
    check_ready(target)
    if planned.skip is not None:
        raise UsageError(f"{planned.title} cannot be run here: {planned.skip.reason}.")
    source, facts = registry.sources["model", cell.model], dict[str, Any]()
    with workspace.room(planned.key) as room:
        bench = Bench(planned, registry, Store(Path(workspace.config.results)), workspace, Shelf(room / "shelf"), progress)
        bundle = bench.compress(room, workspace.baseline(cell.model, source, progress), facts)
        job = workspace.job(
            "crosscheck", model=cell.model, target=target.runs_with, settings=cell.settings, threads=cell.settings.get("threads", 1),
            compressed=bundle.files(), caches=bundle.caches(), seconds=seconds,
            inputs=str(workspace.test(cell.model, source, cell.test_seed, progress).inputs),
        )  # fmt: skip
        result = local.run("suite.loadgen", job, STARTING_S + 4 * seconds, progress)
    return summarize(result)


def summarize(result: dict[str, Any]) -> Crosscheck:
    """From what `suite.loadgen.crosscheck` gives: nanoseconds of each block in the order ABBA, (2 * quads, percentiles)."""
    ours, theirs = (np.array(result[f"{name}_ns"], np.float64) for name in ("ours", "loadgen"))
    logs = np.log(theirs).reshape(-1, 2, len(PERCENTILES)).mean(1) - np.log(ours).reshape(-1, 2, len(PERCENTILES)).mean(1)
    agreements = (
        Agreement(name, float(np.median(a)) / 1e6, float(np.median(b)) / 1e6, math.expm1(float(np.median(log))))
        for name, a, b, log in zip(PERCENTILES, ours.T, theirs.T, logs.T, strict=True)
    )
    busy = (float(np.median(result[f"{name}_cpu_wall"])) for name in ("ours", "loadgen"))
    return Crosscheck(int(result["calls"]), len(ours), tuple(agreements), *busy)
