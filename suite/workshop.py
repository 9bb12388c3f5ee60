"""The parts of a model on their way through a recipe: from torch modules over graphs to the files of a format."""

import contextlib
import copy
import dataclasses
import importlib
import shutil
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any, NoReturn

import numpy as np

from suite import arrays, formats
from suite.contracts import BASELINE, Component, Context, MethodCard, ModelCard, NotApplicable
from suite.errors import CellFailed
from suite.record import RecipeStep
from suite.tutor import Tutor

Array = np.ndarray[Any, np.dtype[Any]]

FEEDS = ".feeds.npz"
"""How the files end that hold what each component of the uncompressed model is fed."""
MODULES = ("module", "runtime")
"""Stages that work on torch modules; where a format has the runtime's methods work on its files, `runtime` does not."""


@dataclass
class Calibration:
    """Hands out what each component of the uncompressed model is fed on the calibration split, and counts it."""

    folder: Path
    used: dict[str, int] = field(default_factory=dict)

    def feeds(self, component: str) -> Iterator[dict[str, Array]]:
        """One mapping per call, batch size 1. Raises CellFailed for a component that there is not."""
        known = sorted(path.name.removesuffix(FEEDS) for path in self.folder.glob(f"*{FEEDS}"))
        if component not in known:
            raise CellFailed("compress_failed", f"it asked for the inputs of {component!r}; the components are {', '.join(known)}")
        for index, call in enumerate(arrays.load_calls(self.folder / f"{component}{FEEDS}"), 1):
            self.used[component] = max(self.used.get(component, 0), index)
            yield call

    def refuse(self, component: str) -> Iterator[dict[str, Array]]:
        """For methods that say they need no data."""
        raise CellFailed("compress_failed", "its card says data-free, but it asked for calibration data")


def _refuse_labels() -> NoReturn:
    raise CellFailed("compress_failed", "its card does not say training, but it asked for labelled data")


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
        try:
            result = self._applied(method, {name: self.parts[name] for name in step.components}, dict(step.parameters), context)
        except NotApplicable as error:
            raise CellFailed("unsupported", str(error)) from error
        if not isinstance(result, Mapping) or set(result) != set(step.components):
            got = ", ".join(sorted(map(str, result))) if isinstance(result, Mapping) else type(result).__name__
            words = f"{method.name} was given the components {', '.join(step.components)} and has to return these; it returned"
            raise CellFailed("compress_failed", f"{words} {got or 'none'}")
        self.parts |= result

    def _applied(self, method: MethodCard, chosen: dict[str, Any], parameters: dict[str, Any], context: Context) -> Any:
        """What the method makes of the parts. A graph without a weight stays as it is where that is why it cannot be applied."""
        apply = importlib.import_module(f"methods.{method.name}.apply").apply
        if method.stage != "graph":
            return apply(chosen, parameters, context)
        from suite.graph import has_weights

        rest = {name for name, graph in chosen.items() if not has_weights(graph)}
        kept = copy.deepcopy(chosen) if rest else {}
        try:
            return apply(chosen, parameters, context)
        except NotApplicable:
            if not rest or rest == set(chosen):
                raise
        narrowed = dataclasses.replace(context, components={name: context.components[name] for name in chosen if name not in rest})
        found = apply({name: part for name, part in kept.items() if name not in rest}, parameters, narrowed)
        return {**{name: kept[name] for name in rest}, **found} if isinstance(found, Mapping) else found

    def save(self, out: Path) -> dict[str, Path]:
        """Every component's file: the baseline's own where no step touched it."""
        files = {}
        for component in self.card.components:
            files[component.name] = path = formats.place(out, component.name, self.format)
            stage = self.stages.get(component.name)
            if stage is None:
                shutil.copyfile(self.lowered[component.name], path)
            elif stage == "runtime" and formats.FORMATS[self.format].whole_files:
                _save_bytes(self.parts[component.name], component.name, path)
            elif self.format != formats.ONNX:
                formats.maker(self.format).lower(self._checked(component.name), component, self._calls(component.name), path)
            elif stage in MODULES:
                self._export(component, path)
            else:
                _save_graph(self.parts[component.name], component.name, path)
        return files

    def _bring(self, name: str, stage: str) -> None:
        if name not in self.stages and stage == "runtime" and formats.FORMATS[self.format].whole_files:
            self.parts[name] = self.lowered[name].read_bytes()
        elif name not in self.stages:
            self.parts[name] = self._module(name) if stage in MODULES else self._graph(self.baseline / f"{name}.onnx")
        elif stage == "runtime" and formats.FORMATS[self.format].whole_files:
            if self.stages[name] != "runtime":
                self.parts[name] = self._file(name)
        elif self.stages[name] in MODULES and stage == "graph":
            path = self.scratch / f"{name}.onnx"
            self._export(self.card.component(name), path)
            self.parts[name] = self._graph(path)
        self.stages[name] = stage

    def _file(self, name: str) -> bytes:
        """What a module that earlier steps have changed is in the format of the artifact."""
        path = formats.place(self.scratch, name, self.format)
        formats.maker(self.format).lower(self._checked(name), self.card.component(name), self._calls(name), path)
        return path.read_bytes()

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
            with contextlib.suppress(Exception):  # a graph that was traced with other lengths may refuse short ones: it is exported anew
                return check_parity(module, component, calls, path)
        export(module, component, calls, path)

    def _checked(self, name: str) -> Any:
        module = self.parts[name]
        if not hasattr(module, "state_dict"):
            raise CellFailed("compress_failed", f"what it returned for {name!r} is {type(module).__name__}, not a torch module")
        return module

    def _calls(self, name: str) -> list[dict[str, Array]]:
        return list(arrays.load_calls(self.baseline / f"{name}{FEEDS}"))

    def _transplanted(self, name: str, module: Any, path: Path) -> bool:
        from suite import reference
        from suite.transplant import transplant

        self.untouched = self.untouched or reference.load(self.card)
        grown = transplant(module.eval(), self.untouched[name], self._graph(self.baseline / f"{name}.onnx"))
        if grown is not None:
            _save_graph(grown, name, path)
        return grown is not None


def _save_bytes(data: Any, name: str, path: Path) -> None:
    if not isinstance(data, bytes):
        raise CellFailed("compress_failed", f"what it returned for {name!r} is {type(data).__name__}, not the bytes of a file")
    path.write_bytes(data)


def _save_graph(graph: Any, name: str, path: Path) -> None:
    import onnx

    if not isinstance(graph, onnx.ModelProto):
        raise CellFailed("compress_failed", f"what it returned for {name!r} is {type(graph).__name__}, not an ONNX model")
    onnx.save(graph, path)
