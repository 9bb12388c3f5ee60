"""Which component suffers: what belongs together, and when one surely suffers most."""

import numpy as np
import pytest
from boards import ITEMS, Results, right
from msgspec.structs import replace

from suite.record import RecipeStep
from suite.sensitivity import sensitivities
from suite.statistics import paired_difference


def alone(results, method, component, hits, **changes):
    """A record of `method/only` on one component."""
    record = results.add(method, hits, **changes)
    step = RecipeStep(method, "only", (component,), {}, "5" * 64)
    results.records[-1] = replace(record, cell=replace(record.cell, component=component, recipe=(step,)), latency=None)
    return results.records[-1]


def whole(results, method, hits, *components, **changes):
    record = results.add(method, hits, **changes)
    step = RecipeStep(method, "only", components, {}, "5" * 64)
    results.records[-1] = replace(record, cell=replace(record.cell, recipe=(step,)))
    return results.records[-1]


@pytest.fixture
def world():
    results = Results()
    results.add("baseline_fp32", right(320))
    whole(results, "pruner", right(200), "vision", "text")
    alone(results, "pruner", "text", right(312))
    alone(results, "pruner", "vision", right(210))
    return results


def one(results):
    (found,) = sensitivities(results.records, results.columns)
    return found


def test_parts_stand_beside_the_whole(world):
    found = one(world)
    assert found.components == ("vision", "text"), "in the order of the recipe"
    (impact,) = found.impacts
    assert (impact.method, impact.variant, set(impact.parts)) == ("pruner", "only", {"vision", "text"})
    assert impact.whole.record.cell.component is None
    assert impact.whole.difference.value == pytest.approx(-120 / ITEMS)
    for name, count in (("vision", 210), ("text", 312)):
        assert impact.parts[name].difference == paired_difference(right(count), right(320))
    assert impact.worst == "vision"


def test_boards_do_not_show_parts(world):
    assert [row.record.cell.component for row in world.board().rows] == [None, None]


def test_boards_that_are_known_are_taken(world):
    boards = world.boards()
    (found,) = sensitivities(world.records, world.columns, boards)
    assert found.board is boards[0]
    assert sensitivities(world.records, world.columns, ()) == ()


def test_a_recipe_of_one_component_is_that_component_s(world):
    only = whole(world, "text_only", right(300), "text")
    impact = one(world).impacts[-1]
    assert impact.method == "text_only"
    assert impact.parts["text"].record is only is impact.whole.record
    assert impact.worst is None, "there is nothing to compare it with"


def test_without_a_part_there_is_nothing_to_say():
    results = Results()
    results.add("baseline_fp32", right(320))
    whole(results, "pruner", right(200), "vision", "text")
    assert sensitivities(results.records, results.columns) == ()


def test_the_newest_record_of_a_part_counts(world):
    alone(world, "pruner", "vision", right(318), created="2026-12-01T10:00:00+00:00")
    (impact,) = one(world).impacts
    assert impact.parts["vision"].accuracy.value == 318 / ITEMS
    assert impact.worst is None


def test_a_part_of_another_machine_is_not_compared(world):
    other = alone(world, "quantizer", "vision", right(100))
    world.records[-1] = replace(other, environment=replace(other.environment, cpu="another"))
    assert [impact.method for impact in one(world).impacts] == ["pruner"]


def test_a_part_that_failed_has_no_difference(world):
    record = alone(world, "quantizer", "vision", right(100))
    world.records[-1] = replace(record, status="timeout", reason="why", accuracy=None, columns_sha256=None)
    impact = one(world).impacts[-1]
    assert impact.parts["vision"].difference is None
    assert impact.worst is None


def pruned(*parts):
    """Of 400 items the baseline has 320 right, and each component alone what is given."""
    results = Results()
    results.add("baseline_fp32", right(320))
    for number, hits in enumerate(parts):
        alone(results, "pruner", f"part {number}", hits)
    return one(results).impacts[0]


@pytest.mark.parametrize(
    ("counts", "wanted"),
    [
        ((200, 280), "part 0"),
        ((280, 200), "part 1"),
        ((270, 280), "part 0"),  # though their own intervals overlap: they differ on 10 items, all of them one way
        ((278, 280), None),
        ((340, 330), None),  # a smaller gain is not a loss
        ((318, 360), None),  # nor is a tie
        ((270, 272, 300), None),  # not below all of them
        ((250, 270, 300), "part 0"),
        ((200,), None),
    ],
)
def test_one_suffers_most_only_if_it_is_surely_below_the_baseline_and_all_others(counts, wanted):
    assert pruned(*map(right, counts)).worst == wanted


def test_components_are_compared_item_by_item():
    """The same shares, over items that have nothing to do with each other, leave more room for chance."""
    rng = np.random.default_rng(3)
    assert pruned(right(268), right(280)).worst == "part 0"
    assert pruned(rng.permutation(right(268)), rng.permutation(right(280))).worst is None


def test_intervals_are_widened_for_the_number_of_components():
    """Eight items that only one side has right tell two apart, but not each of eight."""
    assert pruned(right(292), right(300)).worst == "part 0"
    assert pruned(right(292), *[right(300)] * 7).worst is None


def test_two_alike_seldom_differ_by_chance():
    rng = np.random.default_rng(4)
    named = 0
    for _ in range(200):
        results = Results()
        results.add("baseline_fp32", rng.random(ITEMS) < 0.9)
        for component in ("vision", "text"):
            alone(results, "pruner", component, rng.random(ITEMS) < 0.7)
        named += one(results).impacts[0].worst is not None
    assert named / 200 < 0.05
