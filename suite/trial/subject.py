"""What the properties of a method are asked of: its variants compressed, each twice, by the processes of a run."""

import tempfile
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
from msgspec import structs

from suite import arrays, environments, formats
from suite.config import Config
from suite.contracts import BASELINE, MethodCard, Skip, TargetCard, Variant
from suite.errors import CellFailed, PlugInError
from suite.evaluate import Bundle
from suite.executors import local
from suite.hashing import hash_json
from suite.plan import PlannedCell, plan
from suite.plugins import model_folder
from suite.record import Artifact
from suite.registry import Registry
from suite.workspace import Workspace

Array = np.ndarray[Any, np.dtype[Any]]

FIRST = "audio_visual_digits"
"""The model that a method is tried on unless others are named: small, and it has convolutions, linear layers and three modalities."""
SHORT = 12
"""Training steps of a variant that has a parameter `steps`: what it reaches is for `squeezemark run` to say."""
ITEMS = 64
"""Test items that an artifact answers on each target."""
SEEDS = ("1", "2")
"""PYTHONHASHSEED of the two compressions: what depends on the order of a set shows."""


@dataclass(frozen=True, slots=True)
class Made:
    """One compression: the folder of the files and what the process said, or why there is nothing.

    planned: None where no model could be tried.
    """

    planned: PlannedCell | None
    folder: Path
    result: Mapping[str, Any] = field(default_factory=dict)
    failure: CellFailed | None = None

    @property
    def artifact(self) -> Artifact:
        """Only of one that did not fail."""
        return msgspec.convert({name: self.result[name] for name in ("parts", "baseline_parameters", "claims")}, Artifact)

    @property
    def model(self) -> str:
        return self.planned.cell.model if self.planned else "no model"

    @property
    def hashes(self) -> dict[str, str]:
        """Component -> the sha256 of its file."""
        return {name: part.sha256 for name, part in self.artifact.parts.items()}


@dataclass
class Trial:
    """A method on trial.

    models, targets: those that were named; none are those that it is tried on by default. wanted: variants; none are all that get a row.
    every: each of them on every target, not the first alone. room: an empty folder for what is made. `card` is None where nothing can be
    tried, and `broken` then says why.
    """

    name: str
    registry: Registry
    workspace: Workspace
    room: Path
    models: tuple[str, ...] = ()
    targets: tuple[str, ...] = ()
    wanted: tuple[str, ...] = ()
    every: bool = False
    known: dict[tuple[str, str, str, str], Made] = field(default_factory=dict)

    @property
    def broken(self) -> PlugInError | None:
        return next((error for error in self.registry.broken if (error.kind, error.name) == ("method", self.name)), None)

    @property
    def card(self) -> MethodCard | None:
        return None if self.broken else self.registry.methods.get(self.name)

    @property
    def variants(self) -> tuple[Variant, ...]:
        """Those that were asked for; else those that get a row, or if none does, all: steps of recipes."""
        found = self.card.variants if self.card else ()
        rows = tuple(variant for variant in found if not variant.step_only)
        return tuple(variant for variant in found if variant.name in self.wanted) if self.wanted else rows or found

    def tried_models(self) -> tuple[str, ...]:
        """In the order in which they are tried: those that were named, all of them; else the first, then others by size, until one fits."""
        if self.models:
            return self.models
        return tuple(sorted(self.registry.models, key=lambda name: (name != FIRST, _size(name), name)))

    def home(self) -> tuple[str, ...]:
        """The targets that its artifact is made for: the reference targets that run here if they run its files, else any that does."""
        quick = sorted(self.registry.targets, key=lambda name: (self.registry.targets[name].patience, name))
        names = self.targets or (*self.registry.native(), *quick)
        found = [name for name in names if self.registry.probes[name]() is None and self.runs(self.registry.targets[name])]
        return tuple(found[:1])

    def runs(self, target: TargetCard) -> bool:
        assert self.card is not None
        return any(formats.makes(self.card, name) for name in target.formats)

    def planned(self, variant: str, model: str, target: str) -> PlannedCell:
        config = Config(models=(model,), methods=(f"{self.name}/{variant}",), targets=(target,))
        return plan(config, self.registry, "here", {}).cells[0]

    def made(self, variant: str, model: str, target: str, turn: int = 0) -> Made:
        """A compression of a variant in the format of a target; each `turn` is a process of its own. Made once."""
        planned = self.planned(variant, model, target)
        key = (variant, model, planned.format, SEEDS[turn])
        if key not in self.known:
            folder = self.room / hash_json([self.name, *key])[:12]
            failure = CellFailed("unsupported", planned.skip.reason) if planned.skip else None
            self.known[key] = Made(planned, folder, failure=failure) if failure else self._compressed(planned, folder, SEEDS[turn])
        return replace(self.known[key], planned=planned)

    def first(self, variant: str, turn: int = 0) -> Made:
        """That on the first model which the variant can be applied to; on the last one tried if it is none of them."""
        made = Made(None, self.room, failure=CellFailed("unsupported", "no target that runs its files runs here"))
        for target in self.home():
            for model in self.tried_models():
                made = self.made(variant, model, target, turn)
                if made.failure is None or made.failure.status != "unsupported":
                    return made
        return made

    def _compressed(self, planned: PlannedCell, folder: Path, seed: str) -> Made:
        out, scratch = folder / "artifact", folder / "scratch"
        out.mkdir(parents=True)
        scratch.mkdir()
        try:
            job, there = self._job(planned, out, scratch), environments.python(formats.FORMATS[planned.format].environment)
            there = replace(there, environ={**there.environ, "PYTHONHASHSEED": seed})
            result = local.run("suite.trial.watched", job, self._patience(planned), _quiet, there)
            return Made(planned, out, result)
        except CellFailed as failure:
            return Made(planned, out, failure=failure)

    def _job(self, planned: PlannedCell, out: Path, scratch: Path) -> dict[str, Any]:
        model = planned.cell.model
        source = self.registry.sources["model", model]
        self.workspace.test(model, source, 0, _quiet)  # it lies where a run has it
        baseline = self.workspace.baseline(model, source, _quiet)
        short = [{"steps": SHORT} if "steps" in step.parameters else {} for step in planned.cell.recipe]
        recipe = [structs.replace(step, parameters=step.parameters | less) for step, less in zip(planned.cell.recipe, short, strict=True)]
        return self.workspace.job(
            "compress", model=model, recipe=msgspec.to_builtins(recipe), claims=msgspec.to_builtins(planned.claims), baseline=str(baseline),
            out=str(out), format=planned.format, scratch=str(scratch), states=str(scratch / "states"), work=str(self.workspace.folder),
            lowered={name: str(path) for name, path in self.uncompressed(planned).items()},
            budget=msgspec.to_builtins(self.workspace.config.budget),
        )  # fmt: skip

    def uncompressed(self, planned: PlannedCell) -> dict[str, Path]:
        """Component -> the file of the uncompressed one in the format of a cell. Raises CellFailed."""
        model = planned.cell.model
        folder = self.workspace.lowered(model, self.registry.sources["model", model], planned.format, _quiet)
        return {each.name: formats.place(folder, each.name, planned.format) for each in self.registry.models[model].components}

    def feeds(self, planned: PlannedCell) -> dict[str, list[dict[str, Array]]]:
        """Component -> what it is fed on the calibration split. Raises CellFailed."""
        model = planned.cell.model
        folder = self.workspace.baseline(model, self.registry.sources["model", model], _quiet)
        components = self.registry.models[model].components
        return {each.name: list(arrays.load_calls(folder / f"{each.name}.feeds.npz")) for each in components}

    def _patience(self, planned: PlannedCell) -> float:
        trains = sum(self.registry.methods[step.method].division == "training" for step in planned.cell.recipe)
        return self.workspace.config.limits.compress_s + trains * self.workspace.config.budget.seconds

    def answered(self, made: Made, target: TargetCard) -> float:
        """Seconds that the artifact took on a target for the first test items. Raises CellFailed."""
        assert made.planned is not None
        model, bundle = made.planned.cell.model, Bundle(made.folder, made.artifact)
        test = self.workspace.test(model, self.registry.sources["model", model], 0, _quiet)
        with tempfile.TemporaryDirectory(dir=self.room) as room:
            job = self.workspace.job(
                "evaluate", model=model, target=target.runs_with, settings=dict(target.settings), compressed=bundle.files(),
                inputs=str(test.inputs), items=min(ITEMS, test.items), out=str(Path(room) / "predictions.npz"), caches=bundle.caches(),
            )  # fmt: skip
            return float(self.workspace.work(target, job, self.workspace.config.limits.evaluate_s, _quiet)["seconds"])

    def ruled_out(self, target: TargetCard) -> Skip | None:
        """Why nothing is run on a target; None: it is tried."""
        reason = self.registry.probes[target.name]()
        if reason is None and target.patience > 1 and target.name not in self.targets:
            return Skip(f"its processes take minutes: --targets {target.name} tries it")
        return reason

    @property
    def is_baseline(self) -> bool:
        return self.name == BASELINE


def _size(model: str) -> int:
    """Bytes of what lies beside a model: how long it takes, roughly."""
    return sum(path.stat().st_size for path in model_folder(model).glob("*") if path.suffix in (".safetensors", ".npz", ".onnx"))


def _quiet(done: int, total: int, text: str) -> None:
    """Nobody looks at the progress of one process."""
