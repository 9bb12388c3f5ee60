"""Accuracy of the deployed artifact: predictions by the target's own kernels, scored here, where the labels are."""

import importlib
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from suite import arrays
from suite.contracts import ModelCard
from suite.errors import CellFailed
from suite.executors import local
from suite.hashing import hash_file
from suite.plan import PlannedCell
from suite.protocol import Progress
from suite.record import Accuracy, Artifact, Estimate
from suite.statistics import wilson
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


@dataclass(frozen=True, slots=True)
class Evaluation:
    """Accuracy, its raw columns, and the file with the outputs that the timed run has to repeat."""

    accuracy: Accuracy
    columns: dict[str, Array]
    references: Path


def evaluate(
    workspace: Workspace, planned: PlannedCell, card: ModelCard, bundle: Bundle, test: TestSplit, room: Path, progress: Progress
) -> Evaluation:
    """Runs the artifact over the test split in the light worker. Raises CellFailed."""
    cell, out = planned.cell, room / "predictions.npz"
    items = test.items if cell.tier == "full" else min(test.items, QUICK_ITEMS)
    job = workspace.job(
        "evaluate", model=cell.model, target=cell.target, settings=cell.settings,
        compressed=bundle.files(), inputs=str(test.inputs), items=items, out=str(out),
    )  # fmt: skip
    result = local.run("suite.worker", job, workspace.config.limits.evaluate_s, progress)
    predictions = {name.removeprefix("prediction:"): array for name, array in arrays.load(out).items() if name.startswith("prediction:")}
    task, labels = importlib.import_module(f"suite.models.{cell.model}.task"), test.labels()
    scores = _scores(task, card, labels, predictions, items)
    headline = scores[card.metric]
    slices = {name: _by_group(headline, groups[:items]) for name, groups in task.slices(labels).items()}
    accuracy = Accuracy(items, card.metric, {name: wilson(values) for name, values in scores.items()}, slices, result["seconds"])
    return Evaluation(accuracy, {**predictions, **scores}, out)


def _scores(task: Any, card: ModelCard, labels: dict[str, Array], predictions: dict[str, Array], items: int) -> dict[str, Array]:
    """Every metric of the card. Raises CellFailed if the glue gives something else."""
    try:
        scores = task.score(labels, predictions)
    except Exception as error:
        raise CellFailed("invalid_output", f"scoring the predictions raised {type(error).__name__}: {error}") from error
    for metric in (card.metric, *card.other_metrics):
        values = scores.get(metric)
        if values is None or values.dtype != np.bool_ or values.shape != (items,):
            raise CellFailed("invalid_output", f"the glue's score() gives no bool array of {items} items for {metric}")
    return {metric: scores[metric] for metric in (card.metric, *card.other_metrics)}


def _by_group(values: Array, groups: Array) -> dict[str, Estimate]:
    return {str(group): wilson(values[groups == group]) for group in np.unique(groups)}
