"""What to use: what fits a wish, in which order, what ties, and why the others fell out."""

import json

import pytest
from boards import Results, right
from site_cards import method_cards
from site_store import TARGET, build

from suite.contracts import TargetCard
from suite.errors import UsageError
from suite.figures import Health
from suite.recommend import Wish, everywhere, parse_size, recommend

CARDS = method_cards()
FACTS = {"name": "x", "title": "X", "summary": "", "device": "x86 CPU", "runtime": "none", "formats": ("onnx",)}


def picks(results, wish, targets=None):
    (advice,) = recommend(results.boards(), wish, CARDS, targets or {})
    return [(pick.rank, pick.row.record.cell.method) for pick in advice.picks], dict(advice.fallen)


@pytest.fixture
def world():
    """400 items, of which the uncompressed model of 10 MB gets 360 right."""
    results = Results()
    results.add("baseline_fp32", right(360), size=10_000_000, speed=(1.0, 1.0, 1.0))
    results.add("dynamic_int8", right(360), size=2_600_000, speed=(2.0, 1.9, 2.1))
    results.add("static_int8", right(359), size=2_610_000, speed=(1.95, 1.85, 2.05))
    results.add("int4_rtn", right(359), size=1_800_000, speed=(0.9, 0.88, 0.92))
    results.add("svd_low_rank", right(300), size=5_000_000, speed=(1.5, 1.4, 1.6))
    results.add("magnitude_pruning", right(360), size=10_000_000, speed=(1.0, 0.99, 1.01))
    results.fail("width_pruning")
    return results


def test_the_smallest_come_first_and_sizes_within_a_hundredth_tie(world):
    found, fallen = picks(world, Wish(loss=0.05))
    assert found == [(1, "int4_rtn"), (2, "dynamic_int8"), (2, "static_int8"), (4, "magnitude_pruning")]
    assert fallen == {"may lose more than that": 1}


def test_the_fastest_come_first_and_overlapping_intervals_tie(world):
    found, _ = picks(world, Wish(loss=0.05, prefer="faster"))
    assert found == [(1, "dynamic_int8"), (1, "static_int8"), (3, "magnitude_pruning"), (4, "int4_rtn")]


def test_a_loss_is_met_by_the_whole_interval(world):
    lost = {row.record.cell.method: row.difference for row in world.board().rows if row.difference}
    assert lost["static_int8"].value == -1 / 400 > lost["static_int8"].low
    for loss, fits in ((-lost["static_int8"].low, True), (1 / 400, False)):
        assert ("static_int8" in [name for _, name in picks(world, Wish(loss=loss))[0]]) is fits


@pytest.mark.parametrize(
    ("wish", "left", "reason", "count"),
    [
        (Wish(bytes=2_000_000), {"int4_rtn"}, "too large", 4),
        (Wish(divisions=("calibration",)), {"static_int8"}, "of another division", 4),
        (Wish(licences=("MIT",)), set(), "under another licence", 5),
        (Wish(latency_ms=1e-6), set(), "not surely fast enough", 5),
    ],
)
def test_each_wish_has_its_reason(wish, left, reason, count, world):
    found, fallen = picks(world, wish)
    assert {name for _, name in found} == left
    assert fallen == {reason: count}


def test_where_times_mean_nothing_none_can_be_asked_for(world):
    emulated = {world.records[0].cell.target: TargetCard(**FACTS, ranks_latency=False)}
    for wish in (Wish(prefer="faster"), Wish(latency_ms=3.0)):
        with pytest.raises(UsageError, match="is emulated: its times mean nothing"):
            recommend(world.boards(), wish, CARDS, emulated)
    assert picks(world, Wish(), emulated)[0]


def test_a_board_without_a_baseline_advises_nothing():
    results = Results()
    results.add("dynamic_int8", right(300))
    assert recommend(results.boards(), Wish(), CARDS, {}) == ()


def test_what_fits_everywhere_is_ordered_by_the_sum_of_its_ranks(world):
    (one,) = recommend(world.boards(), Wish(loss=0.05), CARDS, {})
    (other,) = recommend(world.boards(), Wish(loss=0.05, prefer="faster"), CARDS, {})
    assert everywhere([one, other]) == ("dynamic_int8/only", "static_int8/only", "int4_rtn/only", "magnitude_pruning/only")
    assert everywhere([one]) == ("int4_rtn/only", "dynamic_int8/only", "static_int8/only", "magnitude_pruning/only")


@pytest.mark.parametrize(("text", "size"), [("10MB", 1e7), ("800 kB", 8e5), ("1.5GiB", 1.5 * 2**30), ("4096", 4096), (".5mb", 5e5)])
def test_sizes(text, size):
    assert parse_size(text) == size


@pytest.mark.parametrize("text", ["", "10 MBit", "-3MB", "0MB", "ten", "1e3", "1..5MB"])
def test_what_is_no_size(text):
    with pytest.raises(UsageError, match="is not a size; write it like 10MB"):
        parse_size(text)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A store of two models."""
    return build(tmp_path_factory.mktemp("advised")).folder


def test_the_command_answers_with_a_table_and_what_makes_the_first(folder, squeezemark):
    done = squeezemark("recommend", "--max-loss", "2", "--max-size", "4MB", "--results", folder)
    assert done.returncode == 0, done.stderr
    assert "squeezemark compress --model glyph_clip --recipe " in done.stdout
    assert "of 17 variants fit: " in done.stdout
    assert "too large" in done.stdout


def test_the_same_as_objects(folder, squeezemark):
    done = squeezemark("recommend", "--models", "glyph_clip", "--max-loss", "3", "--show", "2", "--results", folder, "--json")
    (found,) = json.loads(done.stdout)
    assert (found["model"], found["target"]) == ("glyph_clip", TARGET)
    assert len(found["picks"]) == 2 <= found["fitting"]
    assert all(pick["difference"]["low"] >= -0.03 for pick in found["picks"])
    ratios = [pick["baseline_bytes"] / pick["bytes"] for pick in found["picks"]]
    assert ratios[0] >= 0.99 * ratios[1]


@pytest.mark.parametrize(
    ("arguments", "status", "words"),
    [
        (("--max-size", "ten"), 2, "is not a size"),
        (("--max-loss", "-1"), 2, "'-1' is neither a number of points"),
        (("--max-loss", "lots"), 2, "nor 'any'"),
        (("--max-loss", "nan"), 2, "max-loss"),
        (("--max-latency", "nan"), 2, "nan is not a finite number"),
        (("--models", "glyph_clop"), 2, "Did you mean 'glyph_clip'?"),
        (("--target", "x86_cpu_otr"), 2, f"Did you mean '{TARGET}'?"),
        (("--max-size", "1kB"), 1, ""),
    ],
)
def test_what_cannot_be_answered(arguments, status, words, folder, squeezemark):
    done = squeezemark("recommend", *arguments, "--results", folder)
    assert done.returncode == status
    assert words in done.stderr
    assert "Traceback" not in done.stderr


def test_a_point_may_be_lost_unless_somebody_says_otherwise(folder, squeezemark):
    """A size alone is no wish for a model that has lost everything."""
    asked = [("--max-size", "100MB", *loss, "--show", "99", "--json") for loss in ((), ("--max-loss", "1"), ("--max-loss", "any"))]
    usual, one, every = (json.loads(squeezemark("recommend", *arguments, "--results", folder).stdout) for arguments in asked)
    assert usual == one != every
    assert not any(advice["fallen"] for advice in every)
    assert all(pick["difference"]["low"] >= -0.01 for advice in usual for pick in advice["picks"])


def test_without_records_it_says_what_to_do(squeezemark, tmp_path):
    assert "There is no results folder" in squeezemark("recommend", "--results", tmp_path / "none").stderr
    (tmp_path / "empty").mkdir()
    assert "There are no records yet" in squeezemark("recommend", "--results", tmp_path / "empty").stderr


def test_a_model_whose_baseline_is_not_there_is_named(squeezemark, tmp_path):
    store = build(tmp_path / "results", items=60, shape=(3, 2, 6))
    gone = [path for path in store.folder.iterdir() if "--baseline_fp32--" in path.name]
    first, others = "glyph_clip", [path for path in gone if not path.name.startswith("glyph_clip--")]
    for path in gone:
        if path not in others:
            path.unlink()
    done = squeezemark("recommend", "--max-loss", "any", "--results", store.folder)
    assert done.returncode == 0
    assert f"Of {first} the uncompressed model was not measured on {TARGET}" in done.stderr
    for path in others:
        path.unlink()
    done = squeezemark("recommend", "--results", store.folder)
    assert (done.returncode, done.stdout) == (2, "")
    assert "run `squeezemark run --methods baseline_fp32 --models glyph_clip," in done.stderr


def test_what_was_timed_on_an_unfit_host_is_not_recommended_for_its_speed(world):
    world.add("token_merging", right(360), size=3_000_000, speed=(4.0, 3.9, 4.1), latency={"health": Health("D", ("why (D)",), {}, ())})
    reason = "timed on a host below grade C, so that its speed is not ranked"
    for wish in (Wish(prefer="faster"), Wish(latency_ms=1e6)):
        found, fallen = picks(world, wish)
        assert "token_merging" not in [name for _, name in found]
        assert fallen[reason] == 1
    found, fallen = picks(world, Wish())
    assert "token_merging" in [name for _, name in found]
    assert reason not in fallen
