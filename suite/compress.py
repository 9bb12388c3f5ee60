"""Applies a recipe to a model and checks the artifact, in a process of its own: `python -m suite.compress`.

The test split is neither named in the job nor reachable from the context that a method gets.
"""

import contextlib
import importlib
import shutil
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any, NoReturn

import msgspec
import numpy as np

from suite import arrays, formats
from suite.config import Budget
from suite.contracts import BASELINE, Claims, Component, Context, MethodCard, ModelCard, NotApplicable
from suite.errors import CellFailed
from suite.plugins import model_part
from suite.protocol import Job, Progress, peak_bytes, serve
from suite.record import ClaimCheck, Part, RecipeStep
from suite.tutor import Tutor, school

Array = np.ndarray[Any, np.dtype[Any]]

MODULES = ("module", "runtime")
"""Stages that work on torch modules."""


@dataclass
class Calibration:
    """Hands out what each component of the uncompressed model is fed on the calibration split, and counts it."""

    folder: Path
    used: dict[str, int] = field(default_factory=dict)

    def feeds(self, component: str) -> Iterator[dict[str, Array]]:
        """One mapping per call, batch size 1."""
        for index, call in enumerate(arrays.load_calls(self.folder / f"{component}.feeds.npz"), 1):
            self.used[component] = max(self.used.get(component, 0), index)
            yield call

    def refuse(self, component: str) -> Iterator[dict[str, Array]]:
        """For methods that say they need no data."""
        raise CellFailed("compress_failed", "its card says data-free, but it asked for calibration data")


def _refuse_labels() -> NoReturn:
    raise CellFailed("compress_failed", "its card does not say training, but it asked for labelled data")


@dataclass
class Lessons:
    """Makes the tutor of each step that trains, once, and adds up what they used."""

    card: ModelCard
    job: Job
    progress: Progress
    tutors: dict[int, Tutor] = field(default_factory=dict)

    def tutor(self, number: int) -> Tutor:
        """Of step `number`. Raises CellFailed (`unsupported`) for a model that cannot be trained further."""
        if number not in self.tutors:
            school(self.card)
            state, budget = Path(self.job["states"]) / f"{number}.safetensors", msgspec.convert(self.job["budget"], Budget)
            self.tutors[number] = Tutor(self.card, budget, state, self.progress)
        return self.tutors[number]

    @property
    def earlier_s(self) -> float:
        """Seconds that runs took which were killed while they trained."""
        return sum(tutor.spent_s for tutor in self.tutors.values())

    def used(self) -> dict[str, int]:
        """Steps and items of all of them."""
        known = self.tutors.values()
        return {"training_steps": sum(tutor.steps for tutor in known), "training_items": sum(tutor.items for tutor in known)}


@dataclass
class Workshop:
    """The parts of one model on their way through a recipe: torch modules or ONNX models, loaded when a step first needs them.

    lowered: the uncompressed components in the format that the artifact is to have.
    """

    card: ModelCard
    baseline: Path
    lowered: Mapping[str, Path]
    format: str
    scratch: Path
    calibration: Calibration
    tutors: Callable[[int], Tutor]
    parts: dict[str, Any] = field(default_factory=dict)
    stages: dict[str, str] = field(default_factory=dict)
    loaded: dict[str, Any] = field(default_factory=dict)
    untouched: dict[str, Any] = field(default_factory=dict)

    def apply(self, step: RecipeStep, method: MethodCard, number: int) -> None:
        """Step `number` of the recipe, on its components."""
        if method.name == BASELINE and self.format != formats.ONNX:
            return  # there are no graphs to be passed on
        for name in step.components:
            self._bring(name, method.stage)
        context = Context(
            components={name: self.card.component(name) for name in step.components},
            seed=0,
            scratch=self.scratch,
            feeds=self.calibration.refuse if method.division == "data-free" else self.calibration.feeds,
            tutor=partial(self.tutors, number) if method.division == "training" else _refuse_labels,
        )
        chosen = {name: self.parts[name] for name in step.components}
        try:
            result = importlib.import_module(f"methods.{method.name}.apply").apply(chosen, dict(step.parameters), context)
        except NotApplicable as error:
            raise CellFailed("unsupported", str(error)) from error
        if not isinstance(result, Mapping) or set(result) != set(step.components):
            raise CellFailed(
                "compress_failed", f"{method.name} did not return the components that it was given ({', '.join(step.components)})"
            )
        self.parts |= result

    def save(self, out: Path) -> dict[str, Path]:
        """Every component's file: the baseline's own where no step touched it."""
        files = {}
        for component in self.card.components:
            files[component.name] = path = formats.place(out, component.name, self.format)
            stage = self.stages.get(component.name)
            if stage is None:
                shutil.copyfile(self.lowered[component.name], path)
            elif self.format != formats.ONNX:
                formats.maker(self.format).lower(self._checked(component.name), component, self._calls(component.name), path)
            elif stage in MODULES:
                self._export(component, path)
            else:
                _save_graph(self.parts[component.name], component.name, path)
        return files

    def _bring(self, name: str, stage: str) -> None:
        if name not in self.stages:
            self.parts[name] = self._module(name) if stage in MODULES else self._graph(self.baseline / f"{name}.onnx")
        elif self.stages[name] in MODULES and stage == "graph":
            path = self.scratch / f"{name}.onnx"
            self._export(self.card.component(name), path)
            self.parts[name] = self._graph(path)
        self.stages[name] = stage

    def _module(self, name: str) -> Any:
        from suite import reference

        self.loaded = self.loaded or reference.load(self.card)
        if reference.is_graph(self.loaded[name]):
            raise CellFailed("unsupported", f"the component {name!r} comes as an ONNX model, and this method needs a torch module")
        return self.loaded[name]

    def _graph(self, path: Path) -> Any:
        import onnx

        return onnx.load(path)

    def _export(self, component: Component, path: Path) -> None:
        """The graph of a module: the uncompressed one with other weights where that is exact, else exported anew."""
        from suite.export import check_parity, export

        module, calls = self._checked(component.name), self._calls(component.name)
        if self._transplanted(component.name, module, path):
            with contextlib.suppress(CellFailed):
                return check_parity(module, component, calls, path)
        export(module, component, calls, path)

    def _checked(self, name: str) -> Any:
        module = self.parts[name]
        if not hasattr(module, "state_dict"):
            raise CellFailed("compress_failed", f"what it returned for {name!r} is {type(module).__name__}, not a torch module")
        return module

    def _calls(self, name: str) -> list[dict[str, Array]]:
        return list(arrays.load_calls(self.baseline / f"{name}.feeds.npz"))

    def _transplanted(self, name: str, module: Any, path: Path) -> bool:
        from suite import reference
        from suite.transplant import transplant

        self.untouched = self.untouched or reference.load(self.card)
        grown = transplant(module.eval(), self.untouched[name], self._graph(self.baseline / f"{name}.onnx"))
        if grown is not None:
            _save_graph(grown, name, path)
        return grown is not None


def _save_graph(graph: Any, name: str, path: Path) -> None:
    import onnx

    if not isinstance(graph, onnx.ModelProto):
        raise CellFailed("compress_failed", f"what it returned for {name!r} is {type(graph).__name__}, not an ONNX model")
    onnx.save(graph, path)


def compress(job: Job, progress: Progress) -> dict[str, Any]:
    """Writes one file per component to `job["out"]`; the result has the audited parts, the claims and the cost."""
    card: ModelCard = model_part(str(job["model"]), "card").CARD
    steps = msgspec.convert(job["recipe"], tuple[RecipeStep, ...])
    baseline, out = Path(job["baseline"]), Path(job["out"])
    calibration = Calibration(baseline)
    lessons = Lessons(card, job, progress)
    lowered = {name: Path(path) for name, path in job["lowered"].items()}
    workshop = Workshop(card, baseline, lowered, str(job["format"]), Path(job["scratch"]), calibration, lessons.tutor)
    start = time.perf_counter()
    for done, step in enumerate(steps):
        progress(done, len(steps), f"{step.method}/{step.variant}")
        workshop.apply(step, importlib.import_module(f"methods.{step.method}").CARD, done)
    files = workshop.save(out)
    cost = {
        "seconds": time.perf_counter() - start + lessons.earlier_s,
        "peak_bytes": peak_bytes(),
        "items": max(calibration.used.values(), default=0),
    }
    cost |= lessons.used()
    progress(len(steps), len(steps), "checking the artifact")
    return audit(job, card, steps, files, baseline) | {"cost": cost}


def audit(job: Job, card: ModelCard, steps: tuple[RecipeStep, ...], files: Mapping[str, Path], baseline: Path) -> dict[str, Any]:
    """What the artifact is, and whether it bears out what each step claims. Raises CellFailed."""
    from suite.claims import check_claims

    feeds, maker = Calibration(baseline), formats.maker(job["format"])
    for name, path in files.items():
        maker.check_loads(path, card.component(name), feeds.feeds(name))
    parts = {name: maker.inspect(path, card.component(name)) for name, path in files.items()}
    before = msgspec.json.decode((baseline / "parts.json").read_bytes(), type=dict[str, Part])
    checks: list[ClaimCheck] = []
    for step, claims in zip(steps, msgspec.convert(job["claims"], tuple[Claims, ...]), strict=True):
        after, known = ({name: Path(of[name]) for name in step.components} for of in (files, job["lowered"]))
        checks += check_claims(claims, after, known, job["format"])
    return {
        "parts": msgspec.to_builtins(parts),
        "claims": msgspec.to_builtins(checks),
        "baseline_parameters": sum(part.parameters for part in before.values()),
    }


if __name__ == "__main__":
    serve({"compress": compress}, "compress_failed")
