"""What a compression method declares, and what it may use while it compresses."""

import math
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from suite.contracts.common import Division, Family, Modality, Stage, Value
from suite.contracts.model import Component

if TYPE_CHECKING:
    import torch
    from torch import nn

    from suite.contracts.common import Arrays


@dataclass(frozen=True, slots=True)
class Parameter:
    """A typed parameter of a method, with the bounds (inclusive) or the choices that are allowed."""

    name: str
    kind: type[bool] | type[int] | type[float] | type[str]
    help: str
    low: float | None = None
    high: float | None = None
    choices: tuple[Value, ...] = ()

    def check(self, value: Value) -> str | None:
        """What is wrong with `value`, or None."""
        if type(value) is not self.kind:
            return f"{self.name} must be {self.kind.__name__}, not {type(value).__name__}"
        if self.choices and value not in self.choices:
            return f"{self.name} must be one of {', '.join(map(str, self.choices))}, not {value}"
        low, high = -math.inf if self.low is None else self.low, math.inf if self.high is None else self.high
        if isinstance(value, int | float) and not low <= value <= high:
            return f"{self.name} must lie in [{low}, {high}], not {value}"
        return None


@dataclass(frozen=True, slots=True, kw_only=True)
class Claims:
    """What a variant says it does to the components it is applied to; the suite checks each against the artifact.

    layers: the operators whose weights it works on; the claims are about these weights, and about the components that have some.
    weight_bits: stored width of at least `coverage` of these weights, in each component. mean_bits: their width on average, over all
    components together, scales and zero points not counted. sparsity: share of zeros in them. semi_structured: share of them that lie
    in groups of four, consecutive along one axis of a matrix, of which two or more are zero. parameters: what is left of those that
    are made smaller, as a share of what they had; they are at least `coverage` of all of them. cache_bits: stored width of every cache
    of the components that have one. operators: ONNX operators that must be there, in every component that has the layers which they
    stand for.
    """

    layers: tuple[str, ...] = ("MatMul", "Gemm", "Conv")
    weight_bits: int | None = None
    coverage: float = 0.5
    mean_bits: float | None = None
    sparsity: float | None = None
    semi_structured: float | None = None
    parameters: float | None = None
    cache_bits: int | None = None
    operators: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Step:
    """One step of a recipe: a method's variant on the components of these modalities or of these names (none of both: all)."""

    method: str
    variant: str
    modalities: tuple[Modality, ...] = ()
    components: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Variant:
    """A named parameter set of a method; of a recipe, its steps. `step_only`: it makes sense within a recipe alone, and gets no row."""

    name: str
    summary: str
    parameters: Mapping[str, Value] = field(default_factory=dict)
    claims: Claims = field(default_factory=Claims)
    steps: tuple[Step, ...] = ()
    step_only: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class MethodCard:
    """A compression method. `modalities` are those it is applied to by default (none named: all).

    formats: of a method that works on modules (the stages `module` and `runtime`), those that its result can be written in (none named:
    all). runtimes: of a method of the stage `runtime`, those whose targets it is for (none named: all). Without one of them a target has
    no row of it.
    """

    name: str
    title: str
    summary: str
    family: Family
    stage: Stage
    division: Division
    variants: tuple[Variant, ...]
    parameters: tuple[Parameter, ...] = ()
    modalities: tuple[Modality, ...] = ()
    paper: str | None = None
    licence: str = "Apache-2.0"
    dependencies: tuple[str, ...] = ()
    formats: tuple[str, ...] = ()
    runtimes: tuple[str, ...] = ()

    def variant(self, name: str) -> Variant:
        """The variant of that name; KeyError if there is none."""
        return {variant.name: variant for variant in self.variants}[name]


class Tutor(Protocol):
    """What a method of the division `training` learns from: labelled batches within a budget, the teacher, and what survives a kill.

    The model's own functions (`suite.contracts.Training`) with the suite between, which counts what is used and reports progress.
    """

    def teacher(self) -> "Mapping[str, nn.Module]":
        """Every component of the uncompressed model, in eval mode, without gradients; the same modules at every call."""

    def batch(self, step: int, steps: int) -> "Mapping[str, torch.Tensor]":
        """The labelled batch of a training step, the same whenever it is asked for. `steps`: how many there are in all, for the progress.

        Raises CellFailed once the steps, the items or the seconds of the budget are spent.
        """

    def outputs(self, parts: "Mapping[str, nn.Module]", batch: "Mapping[str, torch.Tensor]") -> "Mapping[str, torch.Tensor]":
        """What the parts make of a batch, all components of the model together: see `Training.outputs`."""

    def loss(self, outputs: "Mapping[str, torch.Tensor]", batch: "Mapping[str, torch.Tensor]") -> "torch.Tensor":
        """The task's own loss, a scalar."""

    def save(self, step: int, tensors: "Mapping[str, torch.Tensor]") -> None:
        """Keeps the state after `step` steps, until the cell has ended."""

    def saved(self) -> "tuple[int, Mapping[str, torch.Tensor]] | None":
        """The state that a killed run of this very cell kept last, with its number of steps; None if there is none."""


def _nobody() -> Tutor:
    raise ValueError("there is nobody to learn from here: only a method of the division 'training' gets a tutor")


@dataclass(frozen=True, slots=True, kw_only=True)
class Context:
    """What a method may use while it compresses. The test split is not here.

    components: those that the step is applied to, by name. seed: for every random choice. scratch: a folder that is removed
    afterwards. feeds: `feeds(component)` gives the inputs which that component of the uncompressed model gets on the calibration
    split, one mapping per call with batch size 1; it raises for a method of the division `data-free`. tutor: `tutor()` gives a method
    of the division `training` what it learns from, and raises for any other, and for a model that cannot be trained further.
    """

    components: Mapping[str, Component]
    seed: int
    scratch: Path
    feeds: "Callable[[str], Iterable[Arrays]]"
    tutor: "Callable[[], Tutor]" = _nobody
