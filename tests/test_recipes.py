"""Recipes in TOML: what is read, what is refused and in which words, and that a file of one's own runs like a recipe that ships."""

import re
import tomllib
from pathlib import Path

import pytest
from cards import METHODS, MODELS, method, registry, variant
from conftest import PLUGINS, ROOT

from suite import registry as registries
from suite.config import Config
from suite.contracts import Skip
from suite.errors import ConfigError, PlugInError
from suite.plan import plan
from suite.recipes import check_components, read
from suite.store import Store

SHIPPED = sorted((ROOT / "methods" / "recipes").glob("*.toml"))
HEAD = 'title = "A recipe"\nsummary = "Two steps."\n'
ONE = '[[variants]]\nname = "one"\nsummary = "s"\n'
STEP = '{ method = "int8", variant = "per_tensor" }'
TWO = f'{HEAD}{ONE}steps = [{{ method = "a_pruner", variant = "half" }}, {STEP}]\n'


@pytest.fixture
def write(tmp_path):
    def written(text: str, name: str = "mine.toml") -> Path:
        path = tmp_path / name
        path.write_text(text)
        return path

    return written


def test_a_recipe_is_a_card_like_any_other(write):
    trained = {**METHODS, "tune": method("tune", variant("it"), stage="module")}
    trained["tune"] = registries.MethodCard(
        **{f: getattr(trained["tune"], f) for f in trained["tune"].__slots__} | {"division": "training"}
    )
    card = read(write(TWO.replace("int8", "tune").replace("per_tensor", "it")), trained)
    assert (card.name, card.stage, card.family, card.division) == ("mine", "recipe", "recipe", "training")
    assert [(step.method, step.variant) for step in card.variants[0].steps] == [("a_pruner", "half"), ("tune", "it")]
    assert read(write(TWO), METHODS).division == "data-free"


BAD = {
    "unknown method": (TWO.replace('"int8"', '"int9"'), r"names the method 'int9', which does not exist \(did you mean 'int8'\?\)"),
    "unknown variant": (TWO.replace('"half"', '"halv"'), "names the variant 'halv' of a_pruner, which has half, third"),
    "order": (TWO.replace("steps = [", f"steps = [{STEP}, "), "has a_pruner after int8: it needs a torch module"),
    "no steps": (HEAD + '[[variants]]\nname = "one"\nsummary = "s"\nsteps = []\n', "its variant 'one' has no steps"),
    "no variants": (HEAD + "variants = []\n", "it has no variants"),
    "recipe in a recipe": (
        TWO.replace('"a_pruner", variant = "half"', '"mixed", variant = "by_default"'),
        "names the recipe 'mixed' as a step",
    ),
    "unknown key": (TWO.replace('summary = "s"', 'summary = "s"\nsumary = 1'), "Object contains unknown field `sumary`"),
    "wrong type": (TWO.replace('"A recipe"', "3"), r"Expected `str`, got `int` - at `\$.title`"),
    "not toml": (TWO + "[[", "is not TOML"),
    "modality": (TWO.replace('variant = "half"', 'variant = "half", modalities = ["smell"]'), "Invalid enum value 'smell'"),
    "both": (TWO.replace('variant = "half"', 'variant = "half", modalities = ["text"], components = ["x"]'), "modalities and components"),
}


@pytest.mark.parametrize("name", BAD)
def test_what_cannot_be_used_is_said_in_one_sentence(name, write):
    text, words = BAD[name]
    with pytest.raises(PlugInError, match=words) as caught:
        read(write(text), METHODS)
    assert "\n" not in str(caught.value)


def test_steps_on_different_components_may_come_in_any_order(write):
    side_by_side = (
        TWO.replace('variant = "half"', 'variant = "half", modalities = ["vision"]')
        .replace("steps = [", 'steps = [{ method = "int8", variant = "per_tensor", modalities = ["text"] }, ')
        .replace(f", {STEP}]", "]")
    )
    assert [step.method for step in read(write(side_by_side), METHODS).variants[0].steps] == ["int8", "a_pruner"]


def test_a_component_that_no_model_has_is_refused(write):
    card = read(write(TWO.replace('variant = "half"', 'variant = "half", components = ["the_fusion"]')), METHODS)
    check_components(card, MODELS.values())
    with pytest.raises(
        ConfigError, match=r"'mine' names the component 'the_fusion', which no chosen model has \(did you mean 'the_vision'\?\)"
    ):
        check_components(card, [MODELS["clip"]])
    found = plan(
        Config(methods=("mine",), models=("clip", "vqa"), targets=("x86",)),
        registry(methods={**METHODS, "mine": card}, sources=_Any()),
        "",
        {},
    )
    clip, vqa = found.cells
    assert clip.skip == Skip("it names the component 'the_fusion', and clip has the_vision, the_text")
    assert vqa.skip is None
    assert vqa.cell.recipe[0].components == ("the_fusion",)


class _Any(dict):
    def __missing__(self, key):
        return "/".join(key)


@pytest.mark.parametrize("path", SHIPPED, ids=lambda path: path.stem)
def test_a_recipe_that_ships_says_what_it_does_and_can_be_planned(path):
    found = registries.discover()
    card = found.methods[path.stem]
    assert card == read(path, found.methods)
    assert len(card.summary) > 40
    assert tomllib.loads(path.read_text())["title"] == card.title
    planned = plan(Config(methods=(path.stem,), tier="full"), found, "", {})
    assert any(cell.skip is None for cell in planned.cells)


def test_the_recipe_in_the_documentation_is_one(write):
    blocks = re.findall(r"^```toml\n(.*?)^```$", (ROOT / "docs" / "methods.md").read_text(), re.DOTALL | re.MULTILINE)
    (block,) = (block for block in blocks if "steps" in block)
    found = registries.discover()
    card = read(write(block, block.split()[1]), found.methods)
    assert card.name == "thin_int8"
    models = ("glyph_clip", "audio_visual_digits", "scene_captioner")
    planned = plan(Config(methods=("thin_int8",), models=models), registries.discover([write(block, "thin_int8.toml")]), "", {})
    assert [cell.skip for cell in planned.cells] == [None] * len(models)


def test_a_recipe_file_runs_like_one_that_ships(squeezemark, tmp_path, work):
    mine = tmp_path / "thin_int8.toml"
    mine.write_text(
        HEAD + ONE + 'steps = [\n  { method = "svd_low_rank", variant = "keep_50" },\n'
        '  { method = "dynamic_int8", variant = "per_channel", components = ["text"] },\n]\n'
    )
    model = ("--models", "tiny_matcher", "--plugins", PLUGINS, "--work", work)
    done = squeezemark("run", *model, "--recipe", mine, "--results", tmp_path / "results")
    assert done.returncode == 0, done.stdout + done.stderr
    records = {record.cell.method: record for record in Store(tmp_path / "results").records()}
    assert set(records) == {"baseline_fp32", "thin_int8"}
    assert [step.components for step in records["thin_int8"].cell.recipe] == [("vision", "text"), ("text",)]
    assert records["thin_int8"].provenance.command.startswith(
        "squeezemark run --models tiny_matcher --methods baseline_fp32,thin_int8/one --recipe thin_int8.toml --targets"
    )
    operators = {name: part.operators for name, part in records["thin_int8"].artifact.parts.items()}
    assert "MatMulInteger" in operators["text"]
    assert "MatMulInteger" not in operators["vision"]
    mine.write_text(mine.read_text().replace('"text"', '"txet"'))
    refused = squeezemark("run", *model, "--recipe", mine, "--results", tmp_path / "other")
    assert refused.returncode != 0
    assert "which no chosen model has (did you mean 'text'?)." in refused.stderr
    assert not (tmp_path / "other").exists()
