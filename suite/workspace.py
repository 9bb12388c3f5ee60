"""The working folder: what is prepared once for a model and shared by its cells, and the scratch room of a cell."""

import errno
import fcntl
import json
import shutil
import tempfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import psutil

from suite import arrays, environment, environments, facts, formats, tampering
from suite.config import Config
from suite.contracts import TargetCard
from suite.errors import CellFailed, InUse, NotWritable
from suite.executors import local, remote
from suite.executors.local import HERE, Interpreter
from suite.executors.remote import Remote
from suite.executors.standby import Standby
from suite.gpu import CUDA
from suite.protocol import Progress
from suite.record import Environment

Array = np.ndarray[Any, np.dtype[Any]]

GIB = 1 << 30
OWN = ("cell-", "training-", "prepare-")
"""How the folders are called that a cell itself may write to."""
SITE = "site-"
"""How those are called that rendering writes to, which may go on beside a run; no cell reads them."""
PREPARES = {
    "baseline": "exporting the uncompressed model",
    "lower": "writing the uncompressed model in another format",
    "test": "making the test set",
}
"""What each job of `suite.prepare` does, which is no method's failure."""
SPARE = GIB // 4
"""Bytes of the disk that no single file may take: a method that writes without end is one failed cell, and records still fit. On a disk
with less than four times as much nothing is limited: that it is full is then no method's failure, and ends the run."""
MOST_MEMORY = 0.8
"""No process may take more than this share of the machine, whatever the limits say: the system would kill something."""


Confine = Callable[[Interpreter, Mapping[str, Any]], Interpreter]
"""What runs a job so that it reaches nothing but what the job names (`suite.submission.sandbox`)."""


def openly(interpreter: Interpreter, job: Mapping[str, Any]) -> Interpreter:
    """As the user who runs the suite: for methods that this user trusts."""
    return interpreter


@dataclass(frozen=True, slots=True)
class TestSplit:
    """Where a test split lies, and its content hash."""

    folder: Path
    sha256: str
    items: int

    @property
    def inputs(self) -> Path:
        return self.folder / "inputs.npz"

    def labels(self) -> dict[str, Array]:
        """Every label column."""
        return arrays.load(self.folder / "labels.npz")


@dataclass(frozen=True)
class Workspace:
    """`folder` may be deleted at any time: all of it is made again. `paths` are the run's own plug-in folders.

    confine: what the processes that run methods and artifacts are run in.
    """

    folder: Path
    config: Config
    paths: Mapping[str, list[str]]
    failures: dict[str, CellFailed] = field(default_factory=dict)
    """What could not be prepared, so that it is not tried again for every cell."""
    confine: Confine = openly
    standby: Standby = field(default_factory=Standby)
    """Workers that wait for jobs of the target at hand."""

    def job(self, do: str, **rest: Any) -> dict[str, Any]:
        """A job with what every process needs to know."""
        memory = min(int(self.config.limits.memory_gib * GIB), int(psutil.virtual_memory().total * MOST_MEMORY))
        free = shutil.disk_usage(self._made()).free
        file = min(int(self.config.limits.file_gib * GIB), free - SPARE) if free > 4 * SPARE else 0
        return {"do": do, "paths": dict(self.paths), "memory_bytes": memory, "file_bytes": file, **rest}

    @cached_property
    def host(self) -> Remote | None:
        """The machine that measures; None: this one."""
        return remote.of(self.config)

    def surroundings(self, target: TargetCard) -> Environment:
        """The machine that measures, now."""
        return environment.read(target, self.host.facts if self.host else None)

    def load(self) -> float | None:
        """Its one-minute load average, where it is this machine."""
        return None if self.host else facts.load()

    def stand_by(self, target: TargetCard, number: int) -> None:
        """Starts so many workers of a target that there will be jobs for: as many at most as the machine has gigabytes to spare.

        Not on another machine or on a GPU, whose memory they might take, and not in a sandbox, which knows the job's paths.
        """
        if self.host is None and self.confine is openly and target.device != CUDA:
            number = min(number, psutil.virtual_memory().available // GIB)
            self.standby.fill(number, environments.interpreter(target), "suite.worker", target.runs_with)

    def work(self, target: TargetCard, job: dict[str, Any], limit_s: float, progress: Progress, timed: bool = True) -> dict[str, Any]:
        """The result of a job of `suite.worker` where the target is. Raises CellFailed, HostError.

        timed: beside it no other worker starts.
        """
        limit = limit_s * target.patience
        if self.host is None:
            interpreter = environments.interpreter(target)
            started = self.standby.take(interpreter, "suite.worker", target.runs_with, alone=timed)
            return local.run("suite.worker", job, limit, progress, self.confine(interpreter, job), started)
        memory = int(self.host.facts["memory_bytes"] * MOST_MEMORY) or job["memory_bytes"]
        there = job | {"memory_bytes": min(memory, job["memory_bytes"]), "file_bytes": 0}  # what is free on this disk says nothing of that
        return self.host.run("suite.worker", there, (job["model"],), limit, progress)

    def make(self, job: dict[str, Any], limit_s: float, progress: Progress, interpreter: Interpreter) -> dict[str, Any]:
        """The result of a job `compress` of `suite.compress`. Raises CellFailed, also where the process changed what it only had to read.

        A method of the user's own, and one in a sandbox, does not audit its artifact itself: its process might say anything.
        """
        strange = bool(self.paths.get("methods")) or self.confine is not openly
        prepared = [path for path in self.folder.iterdir() if path.is_dir() and not path.name.startswith((*OWN, SITE))]
        watched = [*tampering.SOURCES, *map(Path, (place for places in self.paths.values() for place in places)), *prepared]
        try:
            with tampering.untouched(watched):
                made = local.run("suite.compress", job | {"audit": not strange}, limit_s, progress, self.confine(interpreter, job))
        except tampering.Tampered as found:
            self._distrust(prepared, found)
            raise
        if not strange:
            return made
        checking = job | {"do": "checked"}
        return made | local.run("suite.compress", checking, self.config.limits.compress_s, progress, self.confine(interpreter, checking))

    def _distrust(self, prepared: list[Path], found: "tampering.Tampered") -> None:
        """What was prepared and then changed is made anew for the next cell."""
        for folder in prepared:
            if any(Path(name).is_relative_to(folder) for name in found.changed):
                shutil.rmtree(folder, ignore_errors=True)

    def baseline(self, model: str, source: str, progress: Progress) -> Path:
        """The folder of the uncompressed graphs, their calibration feeds and `parts.json`. Raises CellFailed."""
        return self._prepared(f"{model}-{source[:12]}", self.job("baseline", model=model), progress)

    def lowered(self, model: str, source: str, format: str, progress: Progress) -> Path:
        """The folder of the uncompressed components in a format; of ONNX, that of `baseline`. Raises CellFailed."""
        baseline = self.baseline(model, source, progress)
        if format == formats.ONNX:
            return baseline
        job = self.job("lower", model=model, format=format, baseline=str(baseline))
        return self._prepared(f"{baseline.name}-{format}", job, progress, environments.python(formats.FORMATS[format].environment))

    def test(self, model: str, source: str, seed: int, progress: Progress) -> TestSplit:
        """The test split of a seed. Raises CellFailed."""
        folder = self._prepared(f"{model}-{source[:12]}-test-{seed}", self.job("test", model=model, seed=seed), progress)
        found = json.loads((folder / "test.json").read_text())
        return TestSplit(folder, found["sha256"], found["items"])

    @contextmanager
    def held(self) -> Iterator[None]:
        """For one run alone, in whatever way it ends: two would remove each other's cells, and disturb what is timed. Raises InUse,
        NotWritable.

        Where the file system knows no such locks nobody is kept out.
        """
        try:
            opened = (self._made() / "lock").open("wb")
        except OSError as error:
            raise self._not_writable(error) from error
        with opened as lock:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError as error:
                raise InUse(self.folder) from error
            except OSError as error:
                if error.errno not in (errno.ENOLCK, errno.EOPNOTSUPP, errno.ENOSYS):
                    raise
            yield

    @contextmanager
    def room(self, key: str) -> Iterator[Path]:
        """An empty folder for one cell, removed afterwards."""
        folder = self._made() / f"cell-{key[:12]}"
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir()
        try:
            yield folder
        finally:
            shutil.rmtree(folder, ignore_errors=True)

    def states(self, key: str) -> Path:
        """Where the training of one cell keeps its state, until the cell has its record: a killed run goes on from there."""
        return self.folder / f"training-{key[:12]}"

    def forget(self, key: str) -> None:
        """Removes them."""
        shutil.rmtree(self.states(key), ignore_errors=True)

    def _prepared(self, name: str, job: dict[str, Any], progress: Progress, interpreter: Interpreter = HERE) -> Path:
        done = self._made() / name
        if name in self.failures:
            raise self.failures[name]
        if not done.is_dir():
            with tempfile.TemporaryDirectory(dir=self.folder, prefix="prepare-") as room:
                part = Path(room) / name
                part.mkdir()
                try:
                    local.run("suite.prepare", job | {"out": str(part)}, self.config.limits.compress_s, progress, interpreter)
                except CellFailed as found:
                    whose = "" if found.status == "unsupported" else f"{PREPARES[job['do']]}: "
                    self.failures[name] = CellFailed(found.status, whose + found.reason)
                    raise self.failures[name] from found
                part.rename(done)
        return done

    def _made(self) -> Path:
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise self._not_writable(error) from error
        return self.folder

    def _not_writable(self, error: OSError) -> NotWritable:
        return NotWritable(f"The working folder {self.folder} cannot be written ({error.strerror}); choose another with --work.")
