"""The test set of a model as it is today, for the site: made, or read from where a run or an earlier site left it, and put into words."""

import shutil
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import Any
from zipfile import BadZipFile

import numpy as np

from suite import arrays
from suite.contracts import Skip, Split
from suite.glue import words
from suite.hashing import hash_split
from suite.pages import slug
from suite.plugins import model_part
from suite.wording import say

Array = np.ndarray[Any, np.dtype[Any]]

LETTERS = 400
"""No more of a text is shown than this."""

KEPT = "site-tests"
"""Below the working folder: test sets that were made for the site alone."""

Words = tuple[Mapping[int, str], Mapping[int, str], Mapping[int, str]]
"""What is right, what the baseline said and what the artifact said, by item."""


@dataclass
class Source:
    """A test set as the model has it today, its content hash, the functions of its data, and the folder of what is shown of it."""

    folder: str
    data: ModuleType
    split: Split
    sha256: str
    _apart: bool | None = None
    _before: tuple[Mapping[str, Array], dict[int, str]] | None = None

    def words(self, items: list[int], old: Mapping[str, Array], new: Mapping[str, Array]) -> Words | None:
        """Of some items, from the predictions of the baseline and of the artifact; None if the model has no words.

        A few items are put into words, not thousands for each record; but only where the model says of an item by itself what it says
        of it among all, which nobody promises, and which the first record shows.
        """
        if self._apart is None:
            whole, few = self._said(items, old, True), self._said(items, old, False)
            self._apart = whole == few
        if self._before is None or self._before[0] is not old:
            self._before = old, {}
        before = self._before[1]  # one record after the other is held against the same baseline
        unsaid = [item for item in items if item not in before]
        known, after = self._said(unsaid, old, not self._apart) if unsaid else ({}, {}), self._said(items, new, not self._apart)
        if known is None or after is None:
            return None
        before.update(known[1])
        return after[0], {item: before[item] for item in items}, after[1]

    def _said(self, items: list[int], of: Mapping[str, Array], whole: bool) -> tuple[dict[int, str], dict[int, str]] | None:
        """What is right and what was answered; None also if that cannot be said of a few items alone."""
        if whole:
            found = words(self.data, self.split.labels, of)
            return found and ({item: found[0][item] for item in items}, {item: found[1][item] for item in items})
        try:
            every = {len(array) for array in of.values()}  # labels of another length are not of items, and stay whole
            apart = {name: array[items] if {len(array)} == every else array for name, array in self.split.labels.items()}
            found = words(self.data, apart, {name: array[items] for name, array in of.items()})
        except Exception:  # the model's own functions may need all items
            return None
        return found and (dict(zip(items, found[0], strict=False)), dict(zip(items, found[1], strict=False)))


def of_model(work: Path | None, model: str, seed: int, sha256: str | None) -> Source | Skip:
    """A model's test set, or why it is not to be had. Raises nothing: the model's own code runs here."""
    folder = slug(model) if seed == 0 else f"{slug(model)}/seed-{seed}"
    try:
        data = model_part(model, "data")
        split = _prepared(work, model, seed, sha256) or _keep(work, model, seed, data.test(seed))
        return Source(folder, data, split, hash_split(split))
    except Exception as error:  # a package that is missing, or anything else in the model's own code
        return Skip(say("The data of the model cannot be made here: {error}.", error=said(error)))


def _keep(work: Path | None, model: str, seed: int, split: Split) -> Split:
    """Leaves a test set that had to be made in the working folder, whole or not at all: a site is built more often than once."""
    if work is None:
        return split
    try:
        (work / KEPT).mkdir(parents=True, exist_ok=True)
        fresh = Path(tempfile.mkdtemp(prefix=".", dir=work / KEPT))
    except OSError:  # a folder that cannot be written
        return split
    try:
        arrays.save(fresh / "inputs.npz", split.inputs)
        arrays.save(fresh / "labels.npz", split.labels)
        fresh.rename(work / KEPT / f"{model}-{hash_split(split)[:12]}-test-{seed}")
    except OSError:  # another process has left it, or there is no room: it is made again
        shutil.rmtree(fresh, ignore_errors=True)
    return split


def _prepared(work: Path | None, model: str, seed: int, sha256: str | None) -> Split | None:
    """The split as a run left it in its working folder, if it is the one that a record names."""
    if work is None or sha256 is None or not work.is_dir():
        return None
    kept = work / KEPT
    for folder in (*sorted(work.iterdir()), *(sorted(kept.iterdir()) if kept.is_dir() else ())):
        if folder.name.startswith(f"{model}-") and folder.name.endswith(f"-test-{seed}"):
            try:
                split = Split(arrays.load(folder / "inputs.npz"), arrays.load(folder / "labels.npz"))
            except (OSError, ValueError, BadZipFile):
                continue
            if hash_split(split) == sha256:
                return split
    return None


def short(text: str) -> str:
    """No longer than LETTERS."""
    return text if len(text) <= LETTERS else text[: LETTERS - 1] + "…"


def said(error: Exception) -> str:
    """An error in a model's own code, in one line."""
    return short(f"{type(error).__name__}: {error}".strip().rstrip("."))
