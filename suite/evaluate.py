"""Accuracy of the deployed artifact: predictions by the target's own kernels, scored here, where the labels are."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from suite import arrays, slices
from suite.contracts import ModelCard, TargetCard
from suite.errors import CellFailed
from suite.glue import Glue
from suite.hashing import hash_file
from suite.metrics import find
from suite.plan import PlannedCell
from suite.plugins import model_part
from suite.protocol import Progress
from suite.record import Accuracy, Artifact
from suite.statistics import share
from suite.workspace import TestSplit, Workspace

Array = np.ndarray[Any, np.dtype[Any]]

QUICK_ITEMS = 600
"""Test items of the quick tier: the first ones. The full tier takes them all."""


@dataclass(frozen=True, slots=True)
class Bundle:
    """An artifact on disk, about to be run."""

    folder: Path
    artifact: Artifact

    def files(self) -> dict[str, str]:
        """Component -> path. Raises CellFailed if a file is no longer the one that was hashed."""
        for part in self.artifact.parts.values():
            if hash_file(self.folder / part.file) != part.sha256:
                raise CellFailed("invalid_output", f"{part.file} is not the artifact that was checked: its bytes changed afterwards")
        return {name: str(self.folder / part.file) for name, part in self.artifact.parts.items()}

    def caches(self) -> dict[str, dict[str, str]]:
        """Component -> the types that it keeps its caches in, where those are its own."""
        return {name: part.cache for name, part in self.artifact.parts.items() if part.cache}


@dataclass(frozen=True, slots=True)
class Evaluation:
    """Accuracy, its raw columns, and the file with the outputs that the timed run has to repeat, if there is to be one."""

    accuracy: Accuracy
    columns: dict[str, Array]
    references: Path


def evaluate(
    workspace: Workspace,
    planned: PlannedCell,
    card: ModelCard,
    target: TargetCard,
    bundle: Bundle,
    test: TestSplit,
    room: Path,
    progress: Progress,
) -> Evaluation:
    """Runs the artifact over the test split in the target's worker. Raises CellFailed."""
    cell, out = planned.cell, room / "predictions.npz"
    items = min(test.items, target.items or test.items, test.items if cell.tier == "full" else QUICK_ITEMS)
    job = workspace.job(
        "evaluate", model=cell.model, target=target.runs_with, settings=cell.settings,
        compressed=bundle.files(), inputs=str(test.inputs), items=items, out=str(out), caches=bundle.caches(),
        timed=target.ranks_latency and cell.component is None,
    )  # fmt: skip
    result = workspace.work(target, job, workspace.config.limits.evaluate_s, progress, timed=False)
    predictions = {name.removeprefix("prediction:"): array for name, array in arrays.load(out).items() if name.startswith("prediction:")}
    return Evaluation(*score(card, test.labels(), predictions, result["seconds"]), out)


def score(card: ModelCard, labels: dict[str, Array], predictions: dict[str, Array], seconds: float) -> tuple[Accuracy, dict[str, Array]]:
    """Every figure of accuracy from predictions, and the raw columns it rests on. Raises CellFailed."""
    glue = Glue(model_part(card.name, "task"))
    scores = glue.score(labels, predictions, (card.metric, *card.other_metrics))
    for name, values in scores.items():
        if not all(map(find(name).check, (float(values.min()), float(values.max())))):
            raise CellFailed(
                "invalid_output", f"the glue's score() gives {name} outside of its range: {values.min():g} to {values.max():g}"
            )
    headline = scores[card.metric]
    groups = {name: _groups(name, of, len(headline)) for name, of in glue.slices(labels).items()}
    by_group = {name: {group: share(headline[of == group]) for group in np.unique(of)} for name, of in groups.items()}
    metrics = {name: share(values) for name, values in scores.items()}
    return Accuracy(len(headline), card.metric, metrics, by_group, seconds), {**predictions, **scores, **slices.encode(groups)}


def _groups(name: str, of: Array, items: int) -> Array:
    """The group of each item that was predicted, as text."""
    if len(of) < items:
        raise CellFailed("invalid_output", f"the glue's slices() gives {len(of)} groups of {name!r} for {items} items")
    return np.asarray(of)[:items].astype(str)
