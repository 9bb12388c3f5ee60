"""The published baselines come out of the shipped weights, through the deployed artifact."""

import json
from pathlib import Path

import msgspec
import numpy as np
import pytest
from conftest import ROOT

from suite import reference, registry
from suite.comparable import identity, newest_first
from suite.config import Config
from suite.evaluate import Bundle, evaluate
from suite.glue import Glue
from suite.plan import plan
from suite.plugins import model_part
from suite.record import Artifact, Part, Record
from suite.store import Store
from suite.workspace import Workspace

PUBLISHED = Store(ROOT / "site" / "results")
REFERENCE = "x86_cpu_ort"
BASELINES = {
    record.cell.model: record for record in PUBLISHED.records() if (record.cell.method, record.cell.target) == ("baseline_fp32", REFERENCE)
}

MODELS = registry.discover().models
GOLDEN: dict[str, tuple[str, ...]] = {
    "glyph_clip": (
        "∸ DOT MINUS",
        "⌐ REVERSED NOT SIGN",
        "⊞ SQUARED PLUS",
        "Œ LATIN CAPITAL LIGATURE OE",
        "‒ FIGURE DASH",
        "´ ACUTE ACCENT",
        "Ņ LATIN CAPITAL LETTER N WITH CEDILLA",
        "Ž LATIN CAPITAL LETTER Z WITH CARON",
        ", COMMA",
        "Ǽ LATIN CAPITAL LETTER AE WITH ACUTE",
        "О CYRILLIC CAPITAL LETTER O",
        "ɱ LATIN SMALL LETTER M WITH HOOK",
        "⊠ SQUARED TIMES",
        "∩ INTERSECTION",
        "⊕ CIRCLED PLUS",
        "ʄ LATIN SMALL LETTER DOTLESS J WITH STROKE AND HOOK",
        "ί GREEK SMALL LETTER IOTA WITH TONOS",
        "ʉ LATIN SMALL LETTER U BAR",
        "∺ GEOMETRIC PROPORTION",
        "Į LATIN CAPITAL LETTER I WITH OGONEK",
    ),
    "scene_vqa": (
        "yes",
        "0",
        "cross",
        "yes",
        "blue",
        "yes",
        "no",
        "1",
        "large",
        "yes",
        "purple",
        "no",
        "no",
        "3",
        "large",
        "yes",
        "blue",
        "no",
        "no",
        "1",
    ),
}
"""What the shipped weights answer to the first items of the test."""

FRAGILE = {"glyph_clip", "scene_vqa"}
"""Models that quantizing every operator, with the library's defaults, destroys."""


def _quiet(*_: object) -> None:
    """Nobody looks at the progress."""


@pytest.mark.parametrize("name", MODELS)
def test_the_published_accuracy_is_reproduced(name: str, work: Path, tmp_path: Path):
    published = BASELINES[name]
    assert published.cell.tier == "full"
    found, config = registry.discover(), Config(models=(name,), methods=("baseline_fp32",), tier="full")
    (planned,) = plan(config, found, "here", {}).cells
    workspace, source = Workspace(work, config, {}), found.sources["model", name]
    folder, test = workspace.baseline(name, source, _quiet), workspace.test(name, source, 0, _quiet)
    assert test.sha256 == published.provenance.test_sha256
    assert test.items >= 2000

    parts = msgspec.convert(json.loads((folder / "parts.json").read_text()), dict[str, Part])
    bundle = Bundle(folder, Artifact(parts, sum(part.parameters for part in parts.values()), ()))
    evaluation = evaluate(workspace, planned, found.models[name], found.targets[planned.cell.target], bundle, test, tmp_path, _quiet)
    for metric, wanted in published.accuracy.metrics.items():
        assert wanted.low <= evaluation.accuracy.metrics[metric].value <= wanted.high
    before = PUBLISHED.columns(published)[published.accuracy.metric]
    assert np.mean(before == evaluation.columns[published.accuracy.metric]) >= 0.995, "single items may differ between kinds of CPU"


def _run(name: str, inputs: dict[str, np.ndarray], items: int) -> dict[str, np.ndarray]:
    """Predictions of the first items by the uncompressed model, as its own code makes it."""
    card = MODELS[name]
    run = reference.runner(card, reference.load(card))
    return Glue(model_part(name, "task")).predict(inputs, items, run, lambda done: None)


@pytest.mark.parametrize("name", GOLDEN)
def test_shipped_weights_give_these_answers(name: str):
    """What guards the glue: another answer is another glue, or other weights. The other models have theirs in tests of their own."""
    data = model_part(name, "data")
    split = data.test(0)
    assert tuple(data.answers(split.labels, _run(name, split.inputs, len(GOLDEN[name])))) == GOLDEN[name]


@pytest.mark.parametrize("name", GOLDEN)
def test_two_test_sets_are_equally_hard(name: str):
    data, task, card = model_part(name, "data"), Glue(model_part(name, "task")), MODELS[name]
    rates = []
    for seed in (0, 1):
        split = data.test(seed)
        rates.append(task.score(split.labels, _run(name, split.inputs, 480), (card.metric,))[card.metric])
    one, other = rates
    error = np.sqrt((one.var() + other.var()) / one.size)
    assert abs(one.mean() - other.mean()) < 2.6 * error


@pytest.mark.parametrize("name", MODELS)
def test_uncompressed_models_are_neither_hopeless_nor_perfect(name: str):
    found = BASELINES[name].accuracy
    assert 0.80 <= found.metrics[found.metric].value <= 0.97
    assert found.items >= 2000


def _published() -> dict[tuple[str, str], Record]:
    """The newest records of whole models on the reference target, of processors of one make, by model and `method/variant`."""
    return {
        (record.cell.model, f"{record.cell.method}/{record.cell.variant}"): record
        for record in reversed(newest_first(PUBLISHED.records()))
        if record.cell.component is None and record.status == "ok" and record.cell.target == REFERENCE and "Xeon" in record.environment.cpu
    }


def test_accuracy_falls_as_compression_hardens():
    """The shape that was to be expected, on every model, from the published records."""
    accuracy = {key: record.accuracy.metrics[record.accuracy.metric].value for key, record in _published().items()}
    for model in MODELS:
        for ladder in (
            ("baseline_fp32/fp32", "svd_low_rank/keep_50", "svd_low_rank/keep_25"),
            ("baseline_fp32/fp32", "magnitude_pruning/local_50", "magnitude_pruning/local_70"),
            ("baseline_fp32/fp32", "magnitude_pruning/global_50", "magnitude_pruning/global_70"),
        ):
            figures = [accuracy[model, name] for name in ladder]
            assert figures == sorted(figures, reverse=True), (model, ladder, figures)
            assert figures[-1] < figures[0] - 0.02
        assert abs(accuracy[model, "dynamic_int8/per_channel"] - accuracy[model, "baseline_fp32/fp32"]) < 0.02
        fall = accuracy[model, "baseline_fp32/fp32"] - accuracy[model, "static_int8/all_ops"]
        assert fall > 0.3 if model in FRAGILE else fall < 0.02, "quantizing every operator is safe or fatal by architecture"


def test_the_board_shows_when_int8_is_slower_and_when_it_is_faster():
    """Convolutions: five times slower as ConvInteger, twice as fast as QDQ. A decoder: int4 pays token by token, not in the prefill."""
    speed = {key: record.latency.speed_up for key, record in _published().items()}
    assert speed["audio_visual_digits", "dynamic_int8/all_ops"].high < 0.5
    assert speed["audio_visual_digits", "static_int8/all_ops"].low > 1.5
    assert speed["audio_visual_digits", "static_int8/matmul_conv"].low > 1.5
    tokens = _published()["scene_captioner", "int4_rtn/block_32"].latency.tokens
    assert tokens.inter_token_speed_up.low > 1.5 > tokens.first_token_speed_up.high


ALONE = {
    "dynamic_int8", "static_int8", "int4_rtn", "magnitude_pruning", "svd_low_rank", "width_pruning", "per_component_int8"
}  # fmt: skip
"""Methods whose components have been measured alone."""


def test_where_it_hurts_is_published_for_every_model():
    alone: dict[str, set[tuple[str, str | None]]] = {}
    for record in PUBLISHED.records():
        if record.cell.component is not None:
            alone.setdefault(record.cell.model, set()).add((record.cell.method, record.cell.component))
    for model, card in MODELS.items():
        assert {method for method, _ in alone[model]} == ALONE
        assert {component for _, component in alone[model]} == {component.name for component in card.components}


def test_the_published_records_are_one_clean_set():
    records = list(PUBLISHED.records())
    assert PUBLISHED.broken() == ()
    assert len({identity(record) for record in records}) == len(records)
    assert {record.status for record in records} == {"ok", "unsupported"}
    assert {record.cell.tier for record in records} == {"full"}
    assert {record.environment.cpu for record in records} == {"Intel(R) Xeon(R) Processor", "AMD EPYC"}
    assert {record.provenance.git_dirty for record in records} == {False}


def test_every_variant_of_every_method_is_published_for_every_model_on_the_reference_target():
    wholes = {
        (record.cell.model, record.cell.method, record.cell.variant)
        for record in PUBLISHED.records()
        if record.cell.component is None and record.cell.target == REFERENCE
    }
    planned = plan(Config(tier="full", models=tuple(MODELS), targets=(REFERENCE,)), registry.discover(), "", {})
    wanted = {(found.cell.model, found.cell.method, found.cell.variant) for found in planned.cells}
    assert wholes == wanted


def test_known_results_reappear_in_the_published_records():
    accuracy = {key: record.accuracy.metrics[record.accuracy.metric].value for key, record in _published().items()}
    for model in ("glyph_clip", "scene_vqa", "scene_captioner"):
        for method in ("gradient_pruning", "entropy_pruning", "correlation_pruning", "wanda"):
            assert accuracy[model, f"{method}/elements_50"] > accuracy[model, "random_pruning/elements_50"] + 0.02
        for keep in ("keep_75", "keep_50"):
            assert accuracy[model, f"token_merging/{keep}"] > accuracy[model, f"token_dropping/{keep}"]
        assert accuracy[model, "gptq/int3_block_32"] >= accuracy[model, "int3_rtn/block_32"]
        assert abs(accuracy[model, "fp16/fp16"] - accuracy[model, "baseline_fp32/fp32"]) < 0.005
        assert accuracy[model, "distillation/narrower"] > accuracy[model, "distillation/narrower_no_teacher"] + 0.02


def test_a_captioner_that_has_collapsed_is_slow_because_it_writes_more():
    """Zeros make no difference to a dense runtime; answers that do not end do."""
    latency = _published()["scene_captioner", "random_pruning/elements_50"].latency
    assert latency.speed_up.high < 0.9
    assert latency.tokens.artifact.tokens > 1.4 * latency.tokens.baseline.tokens
    assert latency.tokens.inter_token_speed_up.low > 0.98
