"""Latency of the artifact beside its baseline's: ABBA blocks in one process, over several fresh launches of it."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from suite import arrays
from suite.contracts import TargetCard
from suite.evaluate import Bundle
from suite.plan import PlannedCell
from suite.protocol import Progress
from suite.record import BesideReference, Latency
from suite.statistics import hierarchical_bootstrap, median_ms, percentiles_ms, quad_log_ratios, speed_up
from suite.tokens import token_times
from suite.workspace import TestSplit, Workspace

Array = np.ndarray[Any, np.dtype[Any]]

NOISY = 0.05
"""A speed-up whose interval is wider than this share of it, on either side, is marked noisy; so is a launch that lacked its core."""
BUSY = 0.9


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
    """How much is measured: launches, and seconds of timed calls in each."""

    launches: int
    seconds: float


EFFORT = {"quick": Effort(3, 0.5), "full": Effort(7, 1.5)}


def measure(
    workspace: Workspace,
    planned: PlannedCell,
    targets: Targets,
    bundle: Bundle,
    test: TestSplit,
    references: Path,
    progress: Progress,
) -> tuple[Latency, dict[str, Array]]:
    """The paired latency and its raw columns. Raises CellFailed."""
    cell, effort = planned.cell, EFFORT[planned.cell.tier]
    out = references.with_name("times.npz")
    job = workspace.job(
        "measure", model=cell.model, target=targets.own.runs_with, settings=cell.settings, threads=cell.settings.get("threads", 1),
        baseline=targets.baseline, inputs=str(test.inputs), references=str(references), seconds=effort.seconds, out=str(out),
        caches=bundle.caches(),
    )  # fmt: skip
    if targets.reference is not None:
        job["reference"] = {
            "target": targets.reference.runs_with, "settings": dict(targets.reference.settings), "baseline": targets.reference_baseline
        }  # fmt: skip
    launches: list[dict[str, Array]] = []
    busy: list[float] = []
    shape: dict[str, int] = {}
    for launch in range(effort.launches):
        progress(launch, effort.launches, "measuring")
        job |= {"compressed": bundle.files(), **shape}
        result = workspace.work(targets.own, job, workspace.config.limits.launch_s, lambda done, total, text: None)
        shape = {"calls": result["calls"], "quads": result["quads"]}
        busy.append(float(result["cpu_wall"]))
        launches.append(arrays.load(out))
    columns = {name: np.stack([times[name] for times in launches]) for name in launches[0]}
    beside = targets.reference.name if targets.reference else None
    return summarize(columns, tuple(busy), beside), {name: _small(array) for name, array in columns.items()}


def summarize(columns: dict[str, Array], busy: tuple[float, ...], reference: str | None = None) -> Latency:
    """Every published figure from the raw columns: `baseline_ns` and `compressed_ns`, shape (launches, quads, calls), and
    `component:<side>:<name>`, shape (launches, calls), all in nanoseconds; of tokens see `suite.tokens`.

    reference: the target beside which it was timed too, in `reference_ns` and `beside_reference_ns`, of the same shape."""
    old, new = columns["baseline_ns"], columns["compressed_ns"]
    ratio = speed_up(old, new)
    wide = max(ratio.value - ratio.low, ratio.high - ratio.value) > NOISY * ratio.value
    return Latency(
        launches=len(new),
        samples=new.size,
        speed_up=ratio,
        bootstrap=hierarchical_bootstrap(quad_log_ratios(old, new)),
        median_ms=median_ms(new),
        baseline_median_ms=median_ms(old),
        percentiles_ms=percentiles_ms(new),
        baseline_percentiles_ms=percentiles_ms(old),
        component_median_ms=_components(columns, "compressed"),
        baseline_component_median_ms=_components(columns, "baseline"),
        cpu_wall=busy,
        noisy=bool(wide or min(busy) < BUSY),
        tokens=token_times(columns),
        reference=_beside(columns, reference) if reference else None,
    )


def _beside(columns: dict[str, Array], target: str) -> BesideReference:
    old, new = columns["reference_ns"], columns["beside_reference_ns"]
    return BesideReference(target, speed_up(old, new), median_ms(old))


def _components(columns: dict[str, Array], side: str) -> dict[str, float]:
    prefix = f"component:{side}:"
    return {name.removeprefix(prefix): float(np.median(array)) / 1e6 for name, array in columns.items() if name.startswith(prefix)}


def _small(array: Array) -> Array:
    """Nanoseconds in four bytes where they fit."""
    return array.astype(np.uint32) if array.size and array.max() < 1 << 32 else array
