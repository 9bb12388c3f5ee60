"""The heat map: which square gets which shade and mark, and the count above it."""

from collections.abc import Iterable

import pytest
from boards import GOLDEN, Results, right
from msgspec.structs import replace
from site_cards import model_cards
from test_sensitivity import alone, whole

from suite import heat
from suite.contracts import MethodCard, Variant
from suite.heat import HeatMap, shade
from suite.pages import BoardView, Cards
from suite.sensitivity import sensitivities

NONE = Cards({}, {}, {})


def heat_of(results: Results, cards: Cards = NONE) -> HeatMap:
    (found,) = sensitivities(results.records, results.columns)
    return HeatMap(found, BoardView(found.board, cards), cards)


def world(*variants: tuple[str, Iterable[tuple[str, int]]]) -> Results:
    """A baseline with 320 of 400 right, and variants: method -> components and how many each leaves right."""
    results = Results()
    results.add("baseline_fp32", right(320))
    for method, parts in variants:
        whole(results, method, right(min(count for _, count in parts)), *(name for name, _ in parts))
        for name, count in parts:
            alone(results, method, name, right(count))
    return results


@pytest.mark.parametrize(
    ("loss", "wanted"), [(0.0, 0), (0.0099, 0), (0.01, 1), (0.0299, 1), (0.03, 2), (0.1, 3), (0.2999, 3), (0.3, 4), (1.0, 4)]
)
def test_shades(loss: float, wanted: int) -> None:
    assert shade(loss) == wanted


def test_squares_are_shaded_by_what_is_lost_of_the_baseline_s_score() -> None:
    map = heat_of(world(("a", (("vision", 200), ("text", 318))), ("b", (("vision", 380), ("text", 300)))))
    (a,), (b,) = (lines for _, lines in map.methods)
    assert [tile.shade for tile in a.tiles] == ["loss-4", "tie"], "120 of 320 are more than 30 %"
    assert [tile.worst for tile in a.tiles] == [True, False]
    assert [tile.shade for tile in b.tiles] == ["gain", "loss-2"], "20 of 320 are 6 %"
    assert (a.whole.shade, a.whole.worst) == ("loss-4", False)
    assert map.components == (("vision", None), ("text", None))


def test_a_component_that_is_left_alone_has_an_empty_square() -> None:
    results = world(("a", (("vision", 200), ("text", 318))))
    whole(results, "text_only", right(300), "text")
    (line,) = dict(heat_of(results, Cards({GOLDEN.cell.model: model_cards()["glyph_clip"]}, {}, {})).methods)["text_only"]
    assert [(tile.row is None, tile.shade) for tile in line.tiles] == [(True, "none"), (False, "loss-2")]


def test_a_part_that_failed_keeps_its_square() -> None:
    results = world(("a", (("vision", 200), ("text", 318))))
    results.records[-1] = replace(results.records[-1], status="timeout", reason="why", accuracy=None, columns_sha256=None)
    (line,) = dict(heat_of(results).methods)["a"]
    assert line.tiles[1].row.record.status == "timeout"
    assert line.tiles[1].shade == "none"


def test_the_tally_counts_who_surely_suffers_most() -> None:
    two = heat_of(
        world(
            ("a", (("vision", 200), ("text", 318))),
            ("b", (("vision", 100), ("text", 300))),
            ("c", (("vision", 318), ("text", 100))),
            ("d", (("vision", 318), ("text", 319))),
        )
    ).tally
    assert two == heat.Tally(wins=(("vision", 2), ("text", 1)), compared=4, undecided=1)


def test_variants_with_one_known_component_are_not_counted() -> None:
    results = world(("a", (("vision", 200), ("text", 318))))
    whole(results, "text_only", right(300), "text")
    assert heat_of(results).tally == heat.Tally(wins=(("vision", 1), ("text", 0)), compared=1, undecided=0)


def test_the_tally_names_every_component_that_was_compared() -> None:
    tally = heat_of(world(("a", (("vision", 318), ("text", 319), ("fusion", 100))))).tally
    assert tally.wins == (("fusion", 1), ("vision", 0), ("text", 0))


def test_variants_come_in_the_order_of_their_card() -> None:
    results = world()
    for variant in ("keep_50", "keep_75", "another"):
        alone(results, f"svd/{variant}", "vision", right(200))
    names = ("keep_75", "keep_50")
    card = MethodCard(
        name="svd", title="", summary="", family="low-rank", stage="graph", division="data-free",
        variants=tuple(Variant(name=name, summary="") for name in names),
    )  # fmt: skip
    ((method, lines),) = heat_of(results, Cards({}, {"svd": card}, {})).methods
    assert (method, [line.impact.variant for line in lines]) == ("svd", ["keep_75", "keep_50", "another"])


def test_very_many_variants_are_not_all_shown(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(heat, "LINES", 2)
    map = heat_of(world(*((name, (("vision", 200), ("text", 318))) for name in "abcde")))
    assert [method for method, _ in map.methods] == ["a", "b"]
    assert (map.more, map.tally.compared) == (3, 5)
