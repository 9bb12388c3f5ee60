"""A width for each layer by integer programming over measured errors (2006.10518): quantized alone, the errors are taken to add up."""

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import onnx

from suite.contracts import Context, NotApplicable, Value
from suite.graph import Array
from suite.surgery.grids import Grid, Quantized, matrices, round_to_nearest, store, with_matmuls
from suite.surgery.probe import Probe, calibration

WIDTHS = (4, 8)
BINS = 20_000
"""Steps in which a budget is spent, at most: where they are coarser than the costs, these are rounded up, and the budget still holds."""


@dataclass(frozen=True, slots=True)
class Choice:
    """What can be done to a weight of a component: quantized (None: left in floating point), the bytes it takes, the error it causes."""

    component: str
    weight: str
    options: tuple[Quantized | None, ...]
    bytes: tuple[int, ...]
    errors: tuple[float, ...]


def choose(costs: Sequence[Sequence[int]], errors: Sequence[Sequence[float]], budget: int) -> list[int]:
    """The option of each layer with the smallest sum of errors that costs at most `budget`, by dynamic programming.

    Exact where the budget has at most BINS steps of the costs' greatest common divisor. Raises ValueError if nothing is cheap enough.
    """
    cheapest = [min(range(len(row)), key=row.__getitem__) for row in costs]
    least = sum(min(row) for row in costs)
    if least > budget:
        raise ValueError(f"{budget} bytes are too few, the narrowest widths take {least}")
    unit = max(math.gcd(*(cost for row in costs for cost in row)), math.ceil(budget / BINS))
    room = budget // unit
    best, picks = np.zeros(room + 1), []
    for row, error in zip(costs, errors, strict=True):
        totals = np.full((len(row), room + 1), np.inf)
        for option, cost in enumerate(row):
            steps = math.ceil(cost / unit)
            if steps <= room:
                totals[option, steps:] = best[: room + 1 - steps] + error[option]
        picks.append(totals.argmin(0))
        best = totals.min(0)
    if not np.isfinite(best[room]):
        return cheapest
    chosen = []
    for row, pick in zip(reversed(costs), reversed(picks), strict=True):
        chosen.append(int(pick[room]))
        room -= math.ceil(row[chosen[-1]] / unit)
    return chosen[::-1]


def measure(
    probe: Probe, feeds: Sequence[Mapping[str, Array]], outputs: Sequence[str], others: Sequence[Mapping[str, Array]]
) -> list[float]:
    """For each set of `others`, weights that stand in for the graph's: the squared error of the outputs as a share of their squared size.

    Over all feeds together, averaged over the outputs; an output that is always zero counts by its error alone.
    """
    wanted = [probe.run(feed, outputs) for feed in feeds]
    sizes = np.array([sum(_squares(answer[place]) for answer in wanted) for place in range(len(outputs))])
    sizes[sizes == 0] = 1
    found = []
    for weights in others:
        answers = [probe.run(feed, outputs, weights) for feed in feeds]
        errors = [sum(_squares(a[i] - w[i]) for a, w in zip(answers, wanted, strict=True)) for i in range(len(outputs))]
        found.append(float(np.mean(errors / sizes)))
    return found


def _squares(array: Array) -> float:
    return float(np.square(array, dtype=np.float64).sum())


def _choices(name: str, model: onnx.ModelProto, block: int, feeds: Sequence[Mapping[str, Array]]) -> Iterator[Choice]:
    """Every weight of a component with its options."""
    found, outputs = matrices(model), [output.name for output in model.graph.output]
    probe = Probe(model, name, outputs, found)
    for weight, array in found.items():
        narrow = [round_to_nearest(array, Grid(bits, block)) for bits in WIDTHS]
        errors = measure(probe, feeds, outputs, [{weight: quantized.values} for quantized in narrow])
        yield Choice(name, weight, (*narrow, None), (*(quantized.bytes for quantized in narrow), array.nbytes), (*errors, 0.0))


def apply(parts: Mapping[str, onnx.ModelProto], parameters: Mapping[str, Value], context: Context) -> dict[str, onnx.ModelProto]:
    """One budget for all the parts together; NotApplicable if they have no constant weight of a MatMul or Gemm."""
    changed = {name: with_matmuls(model) for name, model in parts.items()}
    choices: list[Choice] = []
    for name, model in changed.items():
        if matrices(model):
            choices += _choices(name, model, int(parameters["block_size"]), calibration(context, name, int(parameters["items"])))
    if not choices:
        raise NotApplicable(f"there is no constant weight of a MatMul or Gemm in {', '.join(parts)}")
    whole, share = sum(choice.bytes[-1] for choice in choices), float(parameters["budget"])
    least = sum(min(choice.bytes) for choice in choices) / whole
    if least > share:
        raise ValueError(
            f"a budget of {100 * share:.1f} % of the weights' bytes cannot be met: at their narrowest they take {100 * least:.1f} %"
        )
    picks = choose([choice.bytes for choice in choices], [choice.errors for choice in choices], int(share * whole))
    quantized: dict[str, dict[str, Quantized]] = {name: {} for name in changed}
    for choice, pick in zip(choices, picks, strict=True):
        if (weight := choice.options[pick]) is not None:
            quantized[choice.component][choice.weight] = weight
    for name, model in changed.items():
        store(model, quantized[name], int(parameters["accuracy_level"]))
    return changed
