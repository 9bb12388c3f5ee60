"""Conformance: every plug-in that is registered, whoever wrote it, does what the contracts say."""

import importlib
import inspect
import re
from collections.abc import Iterator

import msgspec
import numpy as np
import pytest
from conftest import PLUGINS, ROOT
from forking import Forks, result
from msgspec import structs

from suite import conformance, environments, formats
from suite import registry as registries
from suite.config import Budget, Config
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
ROWS = [variant for card in REGISTRY.methods.values() for variant in card.variants if not variant.step_only]
LARGEST_WEIGHTS = 20_000_000
UNSUPPORTED = {
    "layer_drop": "no row of two or more blocks of one class",
    "token_merging": "'vision' has no row of two or more transformer blocks",
    "token_dropping": "'vision' has no row of two or more transformer blocks",
    "token_merging_int4": "'vision' has no row of two or more transformer blocks",
    "distillation/shallower": "no row of two or more blocks in vision, text",
    "random_pruning/heads_75": "no heads to prune",
    "gradient_pruning/heads_75": "no heads to prune",
}
"""Methods and variants that have nothing to do in the tiny model, and what they say; tests of their own apply them to other networks."""
NEEDS_CACHE = {"kv_cache_int8"}
SHORT = 12
"""Training steps of a variant that trains."""


def test_every_plug_in_can_be_read():
    assert REGISTRY.broken == ()
    assert {"glyph_clip", "scene_vqa"} <= set(MODELS)
    assert len(METHODS) >= 22
    assert len(ROWS) >= 50


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
    if card.stage != "recipe" and not any(formats.FORMATS[each].environment for each in card.formats):
        apply = importlib.import_module(f"methods.{name}.apply").apply
        assert list(inspect.signature(apply).parameters) == ["parts", "parameters", "context"]


@pytest.mark.parametrize("name", TARGETS)
def test_a_target_says_whether_it_runs_here(name):
    found = REGISTRY.probes[name]()
    assert found is None or (isinstance(found, Skip) and found.reason)
    apart = any(formats.FORMATS[each].environment for each in REGISTRY.targets[name].formats)  # its runtime is in an environment alone
    if found is None and not apart:
        runner = importlib.import_module(f"targets.{REGISTRY.targets[name].runs_with}.runner").Runner
        assert list(inspect.signature(runner).parameters) == ["files", "settings"]


@pytest.mark.parametrize("target", [name for name in TARGETS if REGISTRY.probes[name]() is None])
def test_every_method_applies_to_every_model_or_says_why_not(target):
    """A method that makes files of other formats alone has no row: it would only say so, everywhere."""
    planned = plan(Config(tier="full", targets=(target,)), REGISTRY, "here", {})
    here = REGISTRY.targets[target]
    cards = [card for card in REGISTRY.methods.values() if not (card.formats or card.runtimes) or formats.fits(card, here)]
    rows = [variant for card in cards for variant in card.variants if not variant.step_only]
    assert len(planned.cells) == len(MODELS) * len(rows)
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
def tiny(work) -> tuple[Workspace, registries.Registry]:
    """A workspace for the tiny models."""
    paths = registries.extend([PLUGINS])
    return Workspace(work, Config(), paths), registries.discover()


@pytest.fixture(scope="module")
def forks() -> Iterator[tuple[Forks, Forks]]:
    """Two that differ in the seeds of what a method forgot to seed."""
    both = Forks(1), Forks(2)
    yield both
    for each in both:
        each.close()


def _job(workspace, planned, found, folder):
    """A job of compression; training is cut short, since what it reaches is asserted elsewhere."""
    model = planned.cell.model
    source, quiet = found.sources["model", model], lambda *_: None
    baseline, made = workspace.baseline(model, source, quiet), workspace.lowered(model, source, planned.format, quiet)
    lowered = {each.name: str(formats.place(made, each.name, planned.format)) for each in found.models[model].components}
    out, scratch = folder / "out", folder / "scratch"
    out.mkdir(parents=True)
    scratch.mkdir()
    short = [{"steps": SHORT} if "steps" in step.parameters else {} for step in planned.cell.recipe]
    recipe = [structs.replace(step, parameters=step.parameters | less) for step, less in zip(planned.cell.recipe, short, strict=True)]
    return workspace.job(
        "compress", model=planned.cell.model, recipe=msgspec.to_builtins(recipe), claims=msgspec.to_builtins(planned.claims),
        lowered=lowered, format=planned.format,
        baseline=str(baseline), out=str(out), scratch=str(scratch), states=str(folder / "states"), budget=msgspec.to_builtins(Budget()),
    )  # fmt: skip


def _compressed(jobs, format, forks):
    """What a process for each job says. Of a format with an environment of its own they run there, one after the other."""
    there = environments.python(formats.FORMATS[format].environment)
    if there is not local.HERE:
        return [local.run("suite.compress", job, 120, lambda *_: None, there) for job in jobs]
    for each, job in zip(forks, jobs, strict=True):
        each.begin(job)
    said = [each.end() for each in forks]  # of both, before one of them raises
    return [result(last) for last in said]


def _targets(card):
    """One that runs here and whose files the method can make; none for the reference target, which most do."""
    if not card.formats:
        return ()
    return [name for name in TARGETS if formats.fits(card, REGISTRY.targets[name]) and REGISTRY.probes[name]() is None][-1:]


@pytest.mark.parametrize("name", VARIANTS)
def test_a_variant_gives_the_same_checked_artifact_twice(name, tiny, forks, tmp_path):
    (workspace, found), method = tiny, name.partition("/")[0]
    model = "tiny_writer" if method in NEEDS_CACHE else "tiny_matcher"
    targets = _targets(found.methods[method])
    if found.methods[method].formats and not targets:
        pytest.skip(f"no target that runs {' or '.join(found.methods[method].formats)} runs here: squeezemark doctor says why")
    (planned,) = plan(Config(models=(model,), methods=(name,), targets=targets), found, "here", {}).cells
    if planned.skip is not None and "is not installed here" in planned.skip.reason:
        pytest.skip(planned.skip.reason)
    assert planned.skip is None
    jobs = [_job(workspace, planned, found, tmp_path / turn) for turn in ("first", "second")]
    if reason := UNSUPPORTED.get(name) or UNSUPPORTED.get(method):
        with pytest.raises(CellFailed, match=reason) as failed:
            _compressed(jobs, planned.format, forks)
        assert failed.value.status == "unsupported"
        return
    first, second = _compressed(jobs, planned.format, forks)
    assert all(claim["holds"] for claim in first["claims"]), first["claims"]
    assert set(first["parts"]) == {component.name for component in found.models[model].components}
    hashes = [{part: facts["sha256"] for part, facts in result["parts"].items()} for result in (first, second)]
    assert hashes[0] == hashes[1]


@pytest.mark.parametrize("model", MODELS)
def test_a_reference_model_can_be_pruned_by_elements_and_by_units(model, work, forks, tmp_path):
    """By elements its graph has other weights, by units other lengths as well; either is held against its module at several lengths."""
    found, workspace = registries.discover(), Workspace(work, Config(), {})
    names = ("random_pruning/elements_50", "random_pruning/units_75")
    both = plan(Config(models=(model,), methods=names, targets=("x86_cpu_ort",)), found, "here", {}).cells
    jobs = [_job(workspace, planned, found, tmp_path / planned.cell.variant) for planned in both]
    for made in _compressed(jobs, "onnx", forks):
        assert all(claim["holds"] for claim in made["claims"]), made["claims"]
        assert set(made["parts"]) == {component.name for component in found.models[model].components}


def test_the_readme_names_every_model_and_the_changelog_every_method():
    readme, changelog = ((ROOT / name).read_text() for name in ("README.md", "CHANGELOG.md"))
    assert all(f"`{name}`" in readme for name in MODELS)
    assert all(f"`{name}`" in changelog for name in METHODS)
