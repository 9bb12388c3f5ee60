"""The suite's single-stream latency beside MLPerf LoadGen's, on one session: whether the two agree on what a request takes."""

import importlib.util
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from suite.contracts import TargetCard
from suite.errors import UsageError
from suite.execute import Bench, Shelf
from suite.executors import local
from suite.latency import BUSY
from suite.plan import PlannedCell
from suite.protocol import Progress
from suite.registry import Registry
from suite.store import Store
from suite.workspace import Workspace

Array = np.ndarray[Any, np.dtype[Any]]

AGREEMENT = 0.02
"""The two agree if they differ by no more than this share."""
PERCENTILES = ("p50", "p90")
STARTING_S = 120.0
"""What loading the artifact, and the tests in which LoadGen warms up, may take."""


@dataclass(frozen=True, slots=True)
class Agreement:
    """One percentile. ours_ms, loadgen_ms: the median over blocks. difference: LoadGen's over ours minus 1, the median over ABBA quads.

    answers_ms, answers_difference: the same of the answers in LoadGen's requests alone, by our clock. own_us: what LoadGen's requests take
    beside their answers, the median over its blocks: its bookkeeping, and the steps to Python and back.
    """

    percentile: str
    ours_ms: float
    loadgen_ms: float
    difference: float
    answers_ms: float
    answers_difference: float
    own_us: float

    @property
    def holds(self) -> bool:
        return abs(self.difference) <= AGREEMENT

    @property
    def answers_hold(self) -> bool:
        """Whether the same holds once LoadGen's own share is taken off."""
        return abs(self.answers_difference) <= AGREEMENT


@dataclass(frozen=True, slots=True)
class Crosscheck:
    """Both figures of each percentile. blocks: of each side, `calls` requests in each. cpu_wall: process CPU time / wall time, of both."""

    calls: int
    blocks: int
    agreements: tuple[Agreement, ...]
    ours_cpu_wall: float
    loadgen_cpu_wall: float

    @property
    def disturbed(self) -> bool:
        """Whether the process lacked its core, so that neither figure is that of the artifact alone."""
        return min(self.ours_cpu_wall, self.loadgen_cpu_wall) < BUSY

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
    with workspace.held(), workspace.room(planned.key) as room:
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
    ours, theirs, answers = (np.array(result[f"{name}_ns"], np.float64) for name in ("ours", "loadgen", "answers"))
    raw, alone = _difference(theirs, ours), _difference(answers, ours)
    own = np.median(theirs - answers, axis=0) / 1e3
    ms = [np.median(of, axis=0) / 1e6 for of in (ours, theirs, answers)]
    agreements = (
        Agreement(name, *(float(figures[place]) for figures in (ms[0], ms[1], raw, ms[2], alone, own)))
        for place, name in enumerate(PERCENTILES)
    )
    busy = (float(np.median(result[f"{name}_cpu_wall"])) for name in ("ours", "loadgen"))
    return Crosscheck(int(result["calls"]), len(ours), tuple(agreements), *busy)


def _difference(those: Array, ours: Array) -> Array:
    """Of each percentile, those over ours minus 1: the median over ABBA quads of the difference of the logarithms."""
    logs = (np.log(those) - np.log(ours)).reshape(-1, 2, len(PERCENTILES)).mean(1)
    found: Array = np.expm1(np.median(logs, axis=0))
    return found
