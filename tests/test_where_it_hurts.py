"""Cells of one component: how they are planned, run, and shown in a terminal; and what `describe` says of a model."""

import json

import numpy as np
import pytest
from conftest import PLUGINS
from PIL import Image

from suite import registry as registries
from suite import samples
from suite.anatomy import anatomy
from suite.config import Config
from suite.contracts import Picture, Sound
from suite.plan import plan
from suite.store import Store

METHODS = ("baseline_fp32", "width_pruning/keep_50", "per_component_int8")


@pytest.fixture(scope="module")
def found():
    registries.extend([PLUGINS])
    return registries.discover()


def planned(found, **choices):
    return plan(Config(**{"models": ("tiny_matcher",), "methods": METHODS, "one_component": True} | choices), found, "here", {}).cells


def test_each_component_gets_a_cell_of_its_own(found):
    cells = planned(found)
    wanted = ["", "vision", "text"]
    assert [(cell.cell.method, cell.cell.component or "") for cell in cells] == [
        ("baseline_fp32", ""),
        *(("width_pruning", name) for name in wanted),
        *(("per_component_int8", name) for name in wanted),
    ]
    assert len({cell.key for cell in cells}) == len(cells)
    by_name = {(cell.cell.method, cell.cell.component): cell for cell in cells}
    only = by_name["width_pruning", "text"].cell.recipe
    assert [step.components for step in only] == [("text",)]
    static, dynamic = (by_name["per_component_int8", name] for name in ("vision", "text"))
    assert [step.method for step in static.cell.recipe] == ["static_int8"]
    assert [step.method for step in dynamic.cell.recipe] == ["dynamic_int8"]
    assert len(static.claims) == len(dynamic.claims) == 1, "a step takes its claims along"


def test_whole_cells_are_those_of_any_other_run(found):
    whole = planned(found, one_component=False)
    assert [cell for cell in planned(found) if cell.cell.component is None] == list(whole)


def test_a_model_of_one_component_has_nothing_to_tell_apart(found):
    assert [cell.cell.component for cell in planned(found, models=("tiny_writer",), methods=("dynamic_int8/per_channel",))] == [None]


def test_the_command_and_the_title_name_the_component(found):
    cell = planned(found)[2]
    assert cell.title == "tiny_matcher · width_pruning/keep_50 on vision alone · x86_cpu_ort"
    assert cell.command == "squeezemark sensitivity tiny_matcher --methods width_pruning/keep_50 --targets x86_cpu_ort --tier quick"


def test_the_table_says_which_component_suffers(squeezemark, tmp_path, work):
    command = ("sensitivity", "tiny_matcher", "--plugins", PLUGINS, "--methods", "magnitude_pruning/local_70", "--work", work)
    done = squeezemark(*command, "--results", tmp_path / "results")
    assert done.returncode == 0, done.stdout + done.stderr
    records = list(Store(tmp_path / "results").records())
    assert len(records) == 4
    alone = {record.cell.component: record for record in records if record.cell.component}
    assert set(alone) == {"vision", "text"}
    assert all(record.latency is None and "--only-" in record.name for record in alone.values())
    before = next(record for record in records if record.cell.method == "baseline_fp32").artifact.parts
    assert alone["text"].artifact.parts["vision"] == before["vision"], "what is not compressed is the baseline's own file"
    assert alone["text"].artifact.parts["text"] != before["text"]
    assert "magnitude_pruning" in done.stdout
    fall = {name: record.accuracy.metrics["recall_at_1"].value for name, record in alone.items()}
    assert f"{fall['text'] - 0.8967:+.3f}"[:4] in done.stdout
    assert done.stdout.index("vision") < done.stdout.index("all of it")
    assert ("text" if fall["text"] < fall["vision"] else "vision") in done.stdout.split("hurts most")[1]
    assert "4 recorded already, 0 to do" in squeezemark(*command, "--results", tmp_path / "results").stdout


def test_streams_and_degrees_in_miniature(squeezemark, tmp_path, work):
    methods = "baseline_fp32,dynamic_int8/per_channel"
    done = squeezemark("run", "--models", "tiny_writer", "--plugins", PLUGINS, "--methods", methods, "--results", tmp_path, "--work", work)
    assert done.returncode == 0, done.stdout + done.stderr
    store = Store(tmp_path)
    for record in store.records():
        tokens, columns = record.latency.tokens, store.columns(record)
        assert record.accuracy.metric == "token_accuracy"
        assert columns["token_accuracy"].dtype == np.float64
        assert columns["exact_match"].dtype == bool
        assert record.figures()["own_metric"] == pytest.approx(np.mean(columns["own_metric"]))
        assert tokens.artifact.first_token_ms.value + tokens.artifact.inter_token_ms.value > tokens.artifact.prefill_ms.value > 0
        assert tokens.artifact.tokens == tokens.baseline.tokens == columns["compressed_tokens"][..., 2].mean()
        rate = tokens.artifact.tokens / (
            tokens.artifact.first_token_ms.value + (tokens.artifact.tokens - 1) * tokens.artifact.inter_token_ms.value
        )
        assert tokens.artifact.tokens_per_s.value == pytest.approx(1000 * rate, rel=0.3)
        assert set(record.accuracy.slices["length"]) == {"short", "long"}


def test_a_model_is_taken_apart(found):
    vision, text = anatomy(found.models["tiny_matcher"])
    assert (vision.component.name, vision.parameters) == ("vision", 64 * 256 * 2 + 256 + 64)
    assert vision.macs == 2 * 64 * 256
    assert vision.activations == 256 + 256 + 64
    assert text.parameters == 64 * 160 * 2 + 160 + 64 + 32 * 64
    assert text.macs == 2 * 64 * 160, "a look-up in a table multiplies nothing"


def test_describe_says_what_a_model_is_and_how_good(squeezemark, tmp_path):
    done = squeezemark("describe", "tiny_matcher", "--plugins", PLUGINS, "--results", tmp_path)
    assert done.returncode == 0, done.stderr
    assert "not measured yet: squeezemark run --models tiny_matcher --methods baseline_fp32" in done.stdout
    assert "33,088" in done.stdout
    published = squeezemark("describe", "scene_vqa", "--results", "site/results", "--picture", tmp_path / "samples.png")
    assert published.returncode == 0, published.stderr
    assert "test items, full tier, x86_cpu_ort)" in published.stdout
    with Image.open(tmp_path / "samples.png") as sheet:
        assert sheet.size == (6 * 136 + 8, 2 * 136 + 8)


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (("dynamic_int8", "--picture", "x.png"), "dynamic_int8 is not a model"),
        (("tiny_writer", "--plugins", PLUGINS, "--picture", "x.png"), "it has no exhibit()"),
    ],
)
def test_describe_draws_only_what_can_be_seen(arguments, sentence, squeezemark):
    done = squeezemark("describe", *arguments)
    assert done.returncode in (1, 2)
    assert sentence in done.stderr
    assert "Traceback" not in done.stderr


def test_tiles_show_pictures_and_sounds():
    gray = samples._tile(Picture("", np.full((40, 40), 7, np.uint8)))
    assert gray.shape == (samples.SIDE, samples.SIDE, 3)
    assert (gray == 7).all(2).sum() == 120 * 120, "three times as large, in the middle"
    wave = samples._tile(Sound("", np.r_[np.zeros(5000), np.ones(5000)].astype(np.float32), 8000))
    drawn = (wave != 255).any(2).sum(0)
    assert drawn[: samples.SIDE // 2 - 1].max() == 1
    assert drawn[samples.SIDE // 2 + 1 :].min() > 100


def test_plan_tells_of_one_component_too(squeezemark, tmp_path):
    (tmp_path / "config.toml").write_text("one_component = true\nmodels = ['glyph_clip']\nmethods = ['svd_low_rank/keep_50']\n")
    done = squeezemark("plan", "--config", tmp_path / "config.toml", "--results", tmp_path / "none", "--json")
    assert len(json.loads(done.stdout)) == 3
