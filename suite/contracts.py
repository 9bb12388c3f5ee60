"""What a plug-in declares, and what the suite hands it. Standard library only: the worker on a small board imports it.

A **model** is a folder `suite/models/<name>/`:

- `__init__.py` holds `CARD`, a `ModelCard`;
- `network.py` has `load(weights: Path) -> dict[str, torch.nn.Module]`, a module per component in eval mode, whose forward takes
  the component's inputs and returns its outputs, both in the card's order;
- `task.py` (numpy only) is the glue, the functions of `Task`;
- `data.py` makes the splits, the functions of `Data`;
- `train.py` has `train(out: Path, advance: Advance) -> dict[str, float]`, which writes `weights.safetensors` into the folder `out`
  from scratch and returns what it reached.

A **method** is a folder `methods/<name>/`: `__init__.py` holds `CARD`, a `MethodCard`, and may define
`supports(model, target, variant) -> Skip | None`; `apply.py` has `apply(parts, parameters, context) -> parts`, where `parts`
maps component names to torch modules (stage `module`) or ONNX models (stage `graph`).

A **target** is a folder `targets/<name>/`: `__init__.py` holds `CARD`, a `TargetCard`, and `probe() -> Skip | None`;
`runner.py` has `Runner`.
"""

import math
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, Protocol

if TYPE_CHECKING:
    import numpy as np

    Array = np.ndarray[Any, np.dtype[Any]]
    Arrays = Mapping[str, Array]
    Run = Callable[[str, Arrays], Arrays]

BASELINE = "baseline_fp32"
"""The method that leaves everything as it is: what all others are compared with."""

Advance = Callable[[int, int, str], None]
"""Reports progress: steps done, steps in all, what is being done."""

Modality = Literal["vision", "text", "audio", "fusion", "decoder"]
Family = Literal["baseline", "quantization", "pruning", "distillation", "low-rank", "structure", "token reduction", "runtime", "recipe"]
Stage = Literal["module", "graph", "recipe"]
Division = Literal["data-free", "calibration", "training"]
Value = bool | int | float | str


@dataclass(frozen=True, slots=True)
class Skip:
    """Why something does not apply: an answer, not an error."""

    reason: str


class NotApplicable(ValueError):
    """Raised by a method's `apply` that finds nothing which it could be applied to: the cell is unsupported, with this reason."""


@dataclass(frozen=True, slots=True)
class Tensor:
    """An input or output of a component. In `shape`, None is the batch."""

    name: str
    dtype: Literal["float32", "int64"]
    shape: tuple[int | None, ...]


@dataclass(frozen=True, slots=True)
class Component:
    """A part of a model with a modality and a graph of its own."""

    name: str
    modality: Modality
    inputs: tuple[Tensor, ...]
    outputs: tuple[Tensor, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelCard:
    """A reference model. `metric` is the headline, a name in `suite.metrics`; `request` says what one timed request does."""

    name: str
    title: str
    summary: str
    task: str
    components: tuple[Component, ...]
    metric: str
    other_metrics: tuple[str, ...] = ()
    chance: float
    request: str
    data: str
    licence: str
    tier: Literal["embedded", "full-size"] = "embedded"

    def component(self, name: str) -> Component:
        """The component of that name; KeyError if there is none."""
        return {component.name: component for component in self.components}[name]


@dataclass(frozen=True, slots=True)
class Split:
    """Items to predict and what is right. Only `inputs` ever reach the process that runs an artifact."""

    inputs: "Arrays"
    labels: "Arrays"


class Data(Protocol):
    """The functions of a model's `data.py`. The same seed gives the same bytes on every platform."""

    def test(self, seed: int) -> Split:
        """At least 2,000 items. Seed 0 is the published set; any other is as good and independent of it."""

    def calibration(self, seed: int, items: int) -> "Arrays":
        """Inputs alone, drawn from the training distribution."""


class Task(Protocol):
    """The functions of a model's `task.py`: numpy glue around `run(component, inputs) -> outputs`, which knows no runtime."""

    def size(self, inputs: "Arrays") -> int:
        """How many items `inputs` holds."""

    def predict(self, inputs: "Arrays", items: int, run: "Run", advance: Callable[[int], None]) -> "Arrays":
        """Columns of `items` predictions for the first `items` items, each component called with the batch size that is timed (1)."""

    def score(self, labels: "Arrays", predictions: "Arrays") -> "Arrays":
        """Metric name -> whether each predicted item is right by it, bool, shape (items,)."""

    def slices(self, labels: "Arrays") -> "Mapping[str, Array]":
        """Slice name (question type, script…) -> the group of each item, shape (all items,), strings."""

    def request(self, inputs: "Arrays", index: int, run: "Run") -> "Arrays":
        """One request as a user would send it, for item `index` modulo the number of items: what is timed."""


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

    weight_bits: stored width of at least `coverage` of the parameters. sparsity: share of zeros in the weights of MatMul, Gemm
    and Conv. parameters: what is left of the weights that are made smaller, as a share of what they had; they are at least
    `coverage` of all those weights. operators: ONNX operators that must be there, in every component.
    """

    weight_bits: int | None = None
    coverage: float = 0.5
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
class TargetCard:
    """Hardware + runtime + settings. `settings` (threads, graph optimisation…) are part of the target's identity."""

    name: str
    title: str
    summary: str
    device: Literal["x86 CPU", "ARM CPU", "CUDA", "Edge TPU"]
    runtime: str
    formats: tuple[str, ...]
    settings: Mapping[str, Value] = field(default_factory=dict)
    ranks_latency: bool = True


class Runner(Protocol):
    """A target's `runner.Runner(files: Mapping[str, Path], settings: Mapping[str, Value])`: loaded components, ready to run."""

    def run(self, component: str, inputs: "Arrays") -> "Arrays":
        """Outputs by name, computed when this returns (a device is synchronised)."""


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
