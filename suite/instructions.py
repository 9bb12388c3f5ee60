"""Counts of instructions of a cell, on targets whose clock says nothing: a proxy without noise, in a column of its own."""

from dataclasses import replace
from pathlib import Path

from suite import environments
from suite.contracts import Skip, TargetCard
from suite.environments.counter import COUNTS
from suite.errors import CellFailed
from suite.evaluate import Bundle
from suite.executors import local
from suite.figures import InstructionCounts
from suite.plan import PlannedCell
from suite.protocol import Progress
from suite.workspace import TestSplit, Workspace


def count(
    workspace: Workspace,
    planned: PlannedCell,
    target: TargetCard,
    baseline: dict[str, str],
    bundle: Bundle,
    test: TestSplit,
    room: Path,
    progress: Progress,
) -> InstructionCounts:
    """Of a few requests of the artifact and of its baseline; or the reason why there are none, which is no failure of the cell."""
    counter, out = environments.counting_interpreter(target), room / "instructions"
    if isinstance(counter, Skip):
        return InstructionCounts(reason=counter.reason)
    job = workspace.job(
        "count", model=planned.cell.model, target=target.runs_with, settings=planned.cell.settings, baseline=baseline,
        compressed=bundle.files(), inputs=str(test.inputs), counts=str(out), caches=bundle.caches(),
    )  # fmt: skip
    steady = {COUNTS: str(out), "PYTHONHASHSEED": "0"}
    limit = workspace.config.limits.launch_s * target.patience
    try:
        counting = workspace.confine(replace(counter, environ={**counter.environ, **steady}), job)
        result = local.run("suite.worker", job, limit, progress, counting)
    except CellFailed as failure:
        return InstructionCounts(reason=f"they could not be counted: {failure.reason}")
    of = {side: {name: tuple(counts) for name, counts in result["counts"][side].items()} for side in ("compressed", "baseline")}
    return InstructionCounts(of["compressed"], of["baseline"])
