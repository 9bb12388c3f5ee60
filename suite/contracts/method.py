"""What a compression method declares, and what it may use while it compresses."""

import math
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from suite.contracts.common import Division, Family, Modality, Stage, Value
from suite.contracts.model import Component

if TYPE_CHECKING:
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
    components together, scales and zero points not counted. sparsity: share of zeros in them.
    parameters: what is left of those that are made smaller, as a share of what they had; they are at least `coverage` of all of
    them. operators: ONNX operators that must be there, in every component that has the layers which they stand for.
    """

    layers: tuple[str, ...] = ("MatMul", "Gemm", "Conv")
    weight_bits: int | None = None
    coverage: float = 0.5
    mean_bits: float | None = None
    sparsity: float | None = None
    parameters: float | None = None
    operators: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Step:
    """One step of a recipe: a method's variant on the components of these modalities (none named: all)."""

    method: str
    variant: str
    modalities: tuple[Modality, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Variant:
    """A named parameter set of a method; of a recipe, its steps."""

    name: str
    summary: str
    parameters: Mapping[str, Value] = field(default_factory=dict)
    claims: Claims = field(default_factory=Claims)
    steps: tuple[Step, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class MethodCard:
    """A compression method. `modalities` are those it is applied to by default (none named: all)."""

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

    def variant(self, name: str) -> Variant:
        """The variant of that name; KeyError if there is none."""
        return {variant.name: variant for variant in self.variants}[name]


@dataclass(frozen=True, slots=True, kw_only=True)
class Context:
    """What a method may use while it compresses. The test split is not here.

    components: those that the step is applied to, by name. seed: for every random choice. scratch: a folder that is removed
    afterwards. feeds: `feeds(component)` gives the inputs which that component of the uncompressed model gets on the calibration
    split, one mapping per call with batch size 1; it raises for a method of the division `data-free`.
    """

    components: Mapping[str, Component]
    seed: int
    scratch: Path
    feeds: "Callable[[str], Iterable[Arrays]]"
