"""Mixed precision against every possible assignment of widths, tried one by one."""

import importlib
from itertools import product
from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx_graphs import Array, arrays, chain, random
from test_grids import brute_force

from methods.mixed_precision import apply as module
from methods.mixed_precision.apply import choose, measure
from suite.contracts import Context
from suite.graph import attribute
from suite.surgery.probe import Probe

BLOCK = 32
BITS = (4, 8, 32)


def problem(seed: int, layers: int = 6) -> tuple[list[list[int]], list[list[float]]]:
    """Costs and errors as they are: fewer bits cost less and err more."""
    generator = np.random.default_rng(seed)
    sizes, errors = generator.integers(10, 200, layers), generator.exponential(1, layers)
    return [[int(size) * bits for bits in (5, 9, 32)] for size in sizes], [[float(e), float(e) / 200, 0.0] for e in errors]


def best(costs: list[list[int]], errors: list[list[float]], budget: float) -> float:
    """The smallest sum of errors of all assignments within the budget."""
    picks = product(range(3), repeat=len(costs))
    within = [p for p in picks if sum(row[o] for row, o in zip(costs, p, strict=True)) <= budget]
    return min(sum(row[o] for row, o in zip(errors, p, strict=True)) for p in within)


def spent(rows: list[list[int]] | list[list[float]], picks: list[int]) -> float:
    return sum(row[option] for row, option in zip(rows, picks, strict=True))


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize("share", [0.16, 0.2, 0.3, 0.5, 0.9, 1.0])
def test_no_assignment_within_the_budget_is_better(seed: int, share: float) -> None:
    costs, errors = problem(seed)
    budget = int(share * sum(row[-1] for row in costs))
    picks = choose(costs, errors, budget)
    assert spent(costs, picks) <= budget
    assert spent(errors, picks) == pytest.approx(best(costs, errors, budget))


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize("share", [0.157, 0.2, 0.3, 0.5])
def test_coarse_steps_keep_to_the_budget_and_lose_no_more_than_they_round(seed: int, share: float, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "BINS", 100)
    costs, errors = problem(seed)
    budget = int(share * sum(row[-1] for row in costs))
    picks = choose(costs, errors, budget)
    assert spent(costs, picks) <= budget
    lost = (len(costs) + 1) * (budget / 100 + 1)
    if budget - lost >= sum(row[0] for row in costs):
        assert spent(errors, picks) <= best(costs, errors, budget - lost) + 1e-12


def test_a_budget_of_exactly_the_narrowest_is_met() -> None:
    costs, errors = problem(1)
    least = sum(row[0] for row in costs)
    assert choose(costs, errors, least) == [0] * len(costs)
    with pytest.raises(ValueError, match=f"{least - 1} bytes are too few, the narrowest widths take {least}"):
        choose(costs, errors, least - 1)


WEIGHTS = {"vision": (random(64, 96), random(96, 32, seed=1) * 3), "text": (random(64, 40, seed=2), random(40, 8, seed=3) / 5)}


def inputs() -> list[Array]:
    return [random(1, 64, seed=10 + i) for i in range(20)]


def compress(scratch: Path, budget: float, items: int = 16) -> dict[str, onnx.ModelProto]:
    given = Context(components={}, seed=0, scratch=scratch, feeds=lambda component: ({"x": x} for x in inputs()))
    parameters = {"budget": budget, "block_size": BLOCK, "items": items, "accuracy_level": 4}
    apply = importlib.import_module("methods.mixed_precision.apply").apply
    return apply({name: chain(*weights) for name, weights in WEIGHTS.items()}, parameters, given)


def widths(graph: onnx.ModelProto) -> list[int]:
    return [32 if node.op_type == "MatMul" else attribute(node, "bits", 0) for node in graph.graph.node]


def size(weight: Array, bits: int) -> int:
    blocks = -(-weight.shape[0] // BLOCK) * weight.shape[1]
    return weight.nbytes if bits == 32 else blocks * (BLOCK * bits // 8 + 4)


def error(component: str, place: int, bits: int) -> float:
    """Of the output, where one weight of the component is rounded, over the first 16 items."""
    x, pair = np.concatenate(inputs()[:16]), list(WEIGHTS[component])
    wanted = x @ pair[0] @ pair[1]
    if bits < 32:
        pair[place] = brute_force(pair[place], bits, BLOCK)
    return float(np.square(x @ pair[0] @ pair[1] - wanted).sum() / np.square(wanted).sum())


@pytest.mark.parametrize("budget", [0.2, 0.3, 0.45, 0.7])
def test_the_widths_are_the_best_of_all_within_one_budget_for_all_components(budget: float, tmp_path: Path) -> None:
    layers = [(name, place) for name in WEIGHTS for place in range(2)]
    options = {layer: [(size(WEIGHTS[layer[0]][layer[1]], bits), error(*layer, bits)) for bits in BITS] for layer in layers}
    room, found = budget * sum(options[layer][-1][0] for layer in layers), []
    for picks in product(range(3), repeat=4):
        chosen = [options[layer][pick] for layer, pick in zip(layers, picks, strict=True)]
        if sum(cost for cost, _ in chosen) <= room:
            found.append((sum(wrong for _, wrong in chosen), [BITS[pick] for pick in picks]))
    result = compress(tmp_path, budget)
    assert [width for name in WEIGHTS for width in widths(result[name])] == min(found)[1]
    assert sum(array.nbytes for graph in result.values() for array in arrays(graph).values()) <= room


def test_errors_are_shares_of_the_outputs() -> None:
    first, second = WEIGHTS["vision"]
    probe, rounded = Probe(chain(first, second), "vision", ["y"], ["w0", "w1"]), brute_force(second, 4, BLOCK)
    found = measure(probe, [{"x": x} for x in inputs()[:16]], ["y"], [{"w1": rounded}, {"w1": second}, {"w1": 0 * second}])
    assert found == pytest.approx([error("vision", 1, 4), 0, 1], rel=1e-3, abs=1e-9)


def test_a_budget_below_four_bits_is_one_sentence(tmp_path: Path) -> None:
    with pytest.raises(
        ValueError, match=r"^a budget of 12\.0 % of the weights' bytes cannot be met: at their narrowest they take 15\.9 %$"
    ):
        compress(tmp_path, 0.12)
