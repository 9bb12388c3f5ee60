"""Conformance: every plug-in that is registered, whoever wrote it, does what the contracts say."""

import importlib
import inspect
import re
from pathlib import Path

import msgspec
import numpy as np
import pytest
from conftest import PLUGINS, ROOT

from suite import conformance
from suite import registry as registries
from suite.config import Config
from suite.contracts import Skip, Step
from suite.errors import CellFailed
from suite.executors import local
from suite.glue import Glue
from suite.metrics import METRICS
from suite.plan import plan
from suite.plugins import model_folder, model_part
from suite.workspace import Workspace

REGISTRY = registries.discover()
MODELS, METHODS, TARGETS = sorted(REGISTRY.models), sorted(REGISTRY.methods), sorted(REGISTRY.targets)
VARIANTS = [f"{card.name}/{variant.name}" for card in REGISTRY.methods.values() for variant in card.variants]
LARGEST_WEIGHTS = 20_000_000
UNSUPPORTED = dict.fromkeys(("random_pruning/heads_75", "gradient_pruning/heads_75"), "no heads to prune")
"""Variants that the tiny model, which has no attention, gives nothing to do, and what they have to say."""


def test_every_plug_in_can_be_read():
    assert REGISTRY.broken == ()
    assert {"glyph_clip", "scene_vqa"} <= set(MODELS)
    assert len(METHODS) >= 8
    assert len(VARIANTS) >= 16


@pytest.mark.parametrize("kind", ["model", "method", "target"])
def test_cards_say_something(kind):
    for card in REGISTRY.cards(kind).values():
        assert len(card.title) > 5, card.name
        assert len(card.summary) > 40, card.name
        assert re.fullmatch(r"[a-z][a-z0-9_]*", card.name)


@pytest.mark.parametrize("name", METHODS)
def test_a_method_has_what_its_stage_needs(name):
    card = REGISTRY.methods[name]
    assert card.paper is None or re.fullmatch(r"\d{4}\.\d{4,5}|https://\S+", card.paper), card.paper
    assert all(parameter.help for parameter in card.parameters)
    for variant in card.variants:
        assert variant.summary
        for step in variant.steps:
            assert isinstance(step, Step)
            assert REGISTRY.methods[step.method].variant(step.variant)
    if card.stage != "recipe":
        apply = importlib.import_module(f"methods.{name}.apply").apply
        assert list(inspect.signature(apply).parameters) == ["parts", "parameters", "context"]


@pytest.mark.parametrize("name", TARGETS)
def test_a_target_says_whether_it_runs_here(name):
    found = REGISTRY.probes[name]()
    assert found is None or (isinstance(found, Skip) and found.reason)
    if found is None:
        runner = importlib.import_module(f"targets.{name}.runner").Runner
        assert list(inspect.signature(runner).parameters) == ["files", "settings"]


def test_every_method_applies_to_every_model_or_says_why_not():
    planned = plan(Config(), REGISTRY, "here", {})
    assert len(planned.cells) == len(MODELS) * len(VARIANTS) * len(TARGETS)
    assert len({cell.key for cell in planned.cells}) == len(planned.cells)
    assert all(cell.skip is None or cell.skip.reason for cell in planned.cells)


@pytest.mark.parametrize("name", MODELS)
def test_a_model_passes_the_conformance_suite(name):
    """What `squeezemark check-model` says about it, and what a published model has to have besides."""
    findings = conformance.check(REGISTRY, name, {})
    assert [finding for finding in findings if finding.bad] == []
    assert {"ok"} == {finding.state for finding in findings if finding.check in ("above chance", "light import", "export", "score")}
    assert not [finding for finding in findings if "a published model has" in finding.words]
    card = REGISTRY.models[name]
    assert {card.metric, *card.other_metrics} <= set(METRICS)
    assert (model_folder(name) / "weights.safetensors").stat().st_size <= LARGEST_WEIGHTS


@pytest.mark.parametrize("name", MODELS)
def test_the_slices_of_a_model_have_several_groups(name):
    split = model_part(name, "data").test(0)
    glue = Glue(model_part(name, "task"))
    for slice_name, groups in glue.slices(split.labels).items():
        assert groups.shape == (glue.size(split.inputs),), slice_name
        assert np.unique(groups).size > 1


@pytest.fixture(scope="module")
def tiny(work) -> tuple[Workspace, registries.Registry, Path]:
    """A workspace with the exported tiny model."""
    paths = registries.extend([PLUGINS])
    found = registries.discover()
    workspace = Workspace(work, Config(), paths)
    return workspace, found, workspace.baseline("tiny_matcher", found.sources["model", "tiny_matcher"], lambda *_: None)


@pytest.mark.parametrize("name", VARIANTS)
def test_a_variant_gives_the_same_checked_artifact_twice(name, tiny, tmp_path):
    workspace, found, baseline = tiny
    (planned,) = plan(Config(models=("tiny_matcher",), methods=(name,)), found, "here", {}).cells
    assert planned.skip is None
    hashes = []
    for turn in ("first", "second"):
        out, scratch = tmp_path / turn, tmp_path / f"{turn}-scratch"
        out.mkdir()
        scratch.mkdir()
        job = workspace.job(
            "compress", model="tiny_matcher", recipe=msgspec.to_builtins(planned.cell.recipe),
            claims=msgspec.to_builtins(planned.claims), baseline=str(baseline), out=str(out), scratch=str(scratch),
        )  # fmt: skip
        if name in UNSUPPORTED:
            with pytest.raises(CellFailed, match=f"^unsupported: .*{UNSUPPORTED[name]}"):
                local.run("suite.compress", job, 120, lambda *_: None)
            continue
        result = local.run("suite.compress", job, 120, lambda *_: None)
        assert all(claim["holds"] for claim in result["claims"]), result["claims"]
        assert set(result["parts"]) == {"vision", "text"}
        hashes.append({part: facts["sha256"] for part, facts in result["parts"].items()})
    assert hashes[:1] == hashes[1:]


def test_the_readme_names_every_model_and_the_changelog_every_method():
    readme, changelog = ((ROOT / name).read_text() for name in ("README.md", "CHANGELOG.md"))
    assert all(f"`{name}`" in readme for name in MODELS)
    assert all(f"`{name}`" in changelog for name in METHODS)
