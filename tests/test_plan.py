"""Planning is pure: config and cards in, cells out, in the right order, with a key that changes with whatever decides the result."""

import subprocess
import sys
from dataclasses import replace
from itertools import product

import msgspec
import pytest
from cards import METHODS, MODELS, TARGETS, method, registry, variant

from suite import plan as planning
from suite.config import Config, Limits
from suite.contracts import Claims, Skip, Step
from suite.errors import ConfigError, PlugInError, UnknownName
from suite.plan import plan
from suite.record import RecipeStep

HOST = "Some CPU, 2 cores, Linux x86_64"
LIBRARIES = {"numpy": "2.4.0", "onnxruntime": "1.31.1"}


def cells(config=None, where=None, host=HOST, libraries=None, **choices):
    everything = {} if "methods" in choices else {"tier": "full"}
    return plan(config or Config(**(everything | choices)), where or registry(), host, libraries or LIBRARIES).cells


def names(planned):
    return [(cell.cell.target, cell.cell.model, f"{cell.cell.method}/{cell.cell.variant}") for cell in planned]


def one(where=None, **choices):
    (found,) = cells(where=where, **({"models": ("clip",), "methods": ("int8/per_channel",), "targets": ("x86",)} | choices))
    return found


def test_everything_is_planned_by_model_and_the_baseline_first():
    found = names(cells())
    assert len(found) == 2 * 2 * 12
    assert list(dict.fromkeys(key[:2] for key in found)) == [("arm", "clip"), ("x86", "clip"), ("arm", "vqa"), ("x86", "vqa")]
    for place in product(("arm", "x86"), ("clip", "vqa")):
        assert [key[2] for key in found if key[:2] == place][:4] == [
            "baseline_fp32/fp32",
            "a_pruner/half",
            "a_pruner/third",
            "for_text/only",
        ]


def test_what_a_target_cannot_run_has_no_row_if_it_is_of_the_runtime_and_a_reason_otherwise():
    packer = method("packer", variant("it"), stage="runtime", formats=("torch_export",))
    target = replace(TARGETS["x86"], name="torch", formats=("torch_export",))
    where = registry(methods={**METHODS, "packer": packer}, targets={**TARGETS, "torch": target})
    rows = {name: [key[2] for key in names(cells(where=where, models=("clip",), targets=(name,)))] for name in ("x86", "torch")}
    assert "packer/it" not in rows["x86"]
    assert set(rows["torch"]) == {*rows["x86"], "packer/it"}
    found = {f"{c.cell.method}/{c.cell.variant}": c for c in cells(where=where, models=("clip",), targets=("torch",))}
    assert {found[name].format for name in ("baseline_fp32/fp32", "a_pruner/half", "packer/it")} == {"torch_export"}
    assert found["int8/per_channel"].skip == Skip("int8 changes ONNX graphs, and torch runs programs of torch.export")
    assert found["mixed/prune_then_int8"].skip == found["int8/per_channel"].skip
    asked = one(where, methods=("packer",), targets=("x86",))
    assert asked.skip == Skip("packer makes programs of torch.export, and x86 runs ONNX graphs")


def test_nothing_follows_a_step_of_the_runtime_on_the_same_component():
    both = method(
        "both",
        variant("right", Step("a_pruner", "half"), Step("packer", "it")),
        variant("wrong", Step("packer", "it"), Step("a_pruner", "half")),
        variant("apart", Step("packer", "it", ("text",)), Step("a_pruner", "half", ("vision",))),
        stage="recipe",
    )
    packer = method("packer", variant("it"), stage="runtime", formats=("torch_export",))
    target = replace(TARGETS["x86"], formats=("torch_export",))
    where = registry(methods={**METHODS, "packer": packer, "both": both}, targets={"x86": target})
    found = {cell.cell.variant: cell.skip for cell in cells(where=where, models=("clip",), methods=("both",))}
    assert found == {"right": None, "wrong": Skip("a_pruner cannot follow a step that has made what only a runtime knows"), "apart": None}


def test_the_quick_tier_takes_the_first_variant_of_each_method_that_does_not_train():
    tuned = replace(method("tuned", variant("it")), division="training")
    where = registry(methods={**METHODS, "tuned": tuned})
    assert [name for _, _, name in names(cells(where=where, tier="quick", models=("vqa",), targets=("x86",)))] == [
        "baseline_fp32/fp32", "a_pruner/half", "for_text/only", "for_sound/only", "int8/per_tensor", "mixed/by_modality"
    ]  # fmt: skip
    named = names(cells(where=where, tier="quick", models=("vqa",), targets=("x86",), methods=("int8", "tuned")))
    assert [name for _, _, name in named] == ["int8/per_tensor", "int8/per_channel", "tuned/it"]


def test_a_variant_for_recipes_alone_is_planned_only_if_it_is_named():
    part = method("part", variant("whole"), replace(variant("step"), step_only=True))
    where = registry(methods={"part": part})
    assert {name for _, _, name in names(cells(where=where))} == {"part/whole"}
    assert {name for _, _, name in names(cells(where=where, methods=("part",)))} == {"part/whole"}
    assert {name for _, _, name in names(cells(where=where, methods=("part/step",)))} == {"part/step"}


def test_the_key_of_what_trains_depends_on_how_the_model_is_trained():
    tuned = replace(method("tuned", variant("it")), division="training")
    sources = {("model", "clip"): "m", ("target", "x86"): "t", ("method", "tuned"): "x", ("method", "int8"): "y"}

    def keys(training):
        where = registry(methods={**METHODS, "tuned": tuned}, sources=sources | {("training", "clip"): training})
        return [cell.key for cell in cells(where=where, models=("clip",), targets=("x86",), methods=("tuned", "int8/per_tensor"))]

    (one_tuned, one_int8), (other_tuned, other_int8) = keys("as it was"), keys("otherwise")
    assert one_tuned != other_tuned
    assert one_int8 == other_int8


def test_what_is_asked_for_comes_in_the_order_of_the_question_but_the_baseline_first():
    found = cells(models=("vqa",), targets=("x86",), methods=("int8", "baseline_fp32", "a_pruner/third"))
    assert [cell.cell.method for cell in found] == ["baseline_fp32", "int8", "int8", "a_pruner"]
    found = names(cells(models=("vqa", "clip"), targets=("x86", "arm"), methods=("int8/per_channel",)))
    assert found == [(name, card, "int8/per_channel") for card in ("vqa", "clip") for name in ("x86", "arm")], (
        "compressed once, for every target"
    )


def test_nothing_is_planned_twice():
    found = names(cells(models=("clip", "clip"), targets=("x86", "x86"), methods=("int8/per_channel", "int8", "int8", "int8/per_tensor")))
    assert found == [("x86", "clip", "int8/per_channel"), ("x86", "clip", "int8/per_tensor")]


@pytest.mark.parametrize(
    ("choices", "words"),
    [
        ({"models": ("clop",)}, "There is no model 'clop'. Did you mean 'clip'? There are: clip, vqa."),
        ({"targets": ("x87",)}, "There is no target 'x87'. Did you mean 'x86'? There are: arm, x86."),
        ({"methods": ("int9",)}, "There is no method 'int9'. Did you mean 'int8'?"),
        ({"methods": ("int8/per_chanel",)}, "There is no variant of the method int8 'per_chanel'. Did you mean 'per_channel'?"),
    ],
)
def test_an_unknown_name_fails(choices, words):
    with pytest.raises(UnknownName) as caught:
        cells(**choices)
    assert str(caught.value).startswith(words)


def test_a_broken_plug_in_fails_only_if_it_is_asked_for():
    broken = registry(broken=(PlugInError("method", "mine", "importing it raised ValueError"),))
    assert len(cells(where=broken)) == 48
    with pytest.raises(PlugInError, match="The method 'mine' cannot be used"):
        cells(where=broken, methods=("mine",))


def test_without_a_model_or_target_there_is_nothing_to_run():
    with pytest.raises(ConfigError, match="no model"):
        cells(where=registry(models={}))
    with pytest.raises(ConfigError, match="no target"):
        cells(where=registry(targets={}))


def test_a_target_that_does_not_run_here_keeps_its_cells_with_the_reason():
    probed = []
    probes = {"arm": lambda: Skip("this machine is no ARM"), "x86": lambda: probed.append("x86")}
    found = plan(Config(tier="full", targets=("arm", "x86")), registry(probes=probes), HOST, LIBRARIES)
    assert probed == ["x86"], "asked once, whatever the number of cells"
    assert {cell.skip for cell in found.cells if cell.cell.target == "arm"} == {Skip("this machine is no ARM")}
    assert len(found.cells) == 48
    assert {cell.cell.target for cell in found.runnable} == {"x86"}
    assert all(cell.skip is None for cell in found.runnable)


def test_where_no_target_is_named_the_reference_targets_that_run_here_are_taken():
    targets = {**TARGETS, "other": replace(TARGETS["x86"], name="other", reference="x86")}
    probes = {"arm": lambda: Skip("this machine is no ARM"), "x86": lambda: None, "other": lambda: None}
    found = plan(Config(tier="full"), registry(probes=probes, targets=targets), HOST, LIBRARIES)
    assert {cell.cell.target for cell in found.cells} == {"x86"}
    nowhere = registry(probes=dict.fromkeys(probes, lambda: Skip("not here")), targets=targets)
    assert {(cell.cell.target, cell.skip) for cell in plan(Config(tier="full"), nowhere, HOST, LIBRARIES).cells} == {
        (name, Skip("not here")) for name in ("arm", "x86")
    }


def test_the_key_depends_on_the_versions_that_a_target_has_of_its_own_and_on_its_reference():
    def key(own, reference="x86", source="r"):
        targets = {**TARGETS, "other": replace(TARGETS["x86"], name="other", reference=reference)}
        sources = {("model", "clip"): "m", ("target", "x86"): source, ("target", "other"): "t", ("method", "int8"): "y"}
        where = registry(targets=targets, sources=sources, probes=dict.fromkeys(targets, lambda: None))
        chosen = Config(tier="full", models=("clip",), targets=("other",), methods=("int8/per_tensor",))
        return plan(chosen, where, HOST, LIBRARIES, lambda target: own).cells[0].key

    assert len({key({}), key({"openvino": "1"}), key({"openvino": "2"}), key({}, None), key({}, source="changed")}) == 5


def test_what_a_method_does_not_support_is_kept_with_the_reason():
    def supports(card, where, chosen):
        return Skip(f"no {chosen.name} of {card.name} on {where.name}") if (card.name, chosen.name) == ("vqa", "per_channel") else None

    found = cells(where=registry(supports={"int8": supports}), targets=("x86",), methods=("int8", "mixed/by_modality"))
    reasons = {(cell.cell.model, cell.cell.method, cell.cell.variant): cell.skip for cell in found}
    assert reasons["vqa", "int8", "per_channel"] == Skip("no per_channel of vqa on x86")
    assert reasons["vqa", "mixed", "by_modality"] == Skip("no per_channel of vqa on x86"), "a recipe can no more than its steps"
    assert [key for key, skip in reasons.items() if skip] == [("vqa", "int8", "per_channel"), ("vqa", "mixed", "by_modality")]


def test_a_method_without_a_component_to_work_on_is_unsupported():
    assert one(methods=("for_sound",)).skip == Skip("it applies to audio, and clip has no such component")
    assert one(methods=("for_text",)).skip is None


def _recipe(planned):
    return [(step.method, step.variant, step.components) for step in planned.cell.recipe]


def test_a_method_is_a_recipe_of_one_step():
    found = one()
    assert found.cell.recipe == (RecipeStep("int8", "per_channel", ("the_vision", "the_text"), {"per_channel": True}, "method/int8"),)
    assert found.claims == (Claims(weight_bits=8),)
    assert found.cell.settings == {"threads": 1}
    assert _recipe(one(methods=("for_text",))) == [("for_text", "only", ("the_text",))]


def test_the_steps_of_a_recipe_find_their_components_by_modality():
    assert _recipe(one(methods=("mixed/by_modality",))) == [("a_pruner", "half", ("the_vision",)), ("int8", "per_channel", ("the_text",))]
    wider = _recipe(one(models=("vqa",), methods=("mixed/by_modality",)))
    assert wider == [("a_pruner", "half", ("the_vision",)), ("int8", "per_channel", ("the_text", "the_fusion"))]
    assert _recipe(one(models=("vqa",), methods=("mixed/by_default",))) == [("for_text", "only", ("the_text",))]
    assert len(one(methods=("mixed/by_modality",)).claims) == 2


def test_a_torch_module_cannot_be_had_from_a_graph():
    assert one(methods=("mixed/prune_then_int8",)).skip is None
    assert one(methods=("mixed/side_by_side",)).skip is None, "the steps touch different components"
    late = one(methods=("mixed/int8_then_prune",)).skip
    assert late == Skip("a_pruner needs a torch module, and an earlier step has already made an ONNX graph")


@pytest.mark.parametrize(
    ("step", "reason"),
    [
        (Step("int9", "per_channel"), "There is no method 'int9'. Did you mean 'int8'?"),
        (Step("int8", "per_chanel"), "There is no variant of the method int8 'per_chanel'. Did you mean 'per_channel'?"),
        (Step("mine", "light"), "The method 'mine' cannot be used: importing it raised ValueError."),
    ],
)
def test_a_recipe_with_a_step_that_is_not_there_is_unsupported(step, reason):
    methods = METHODS | {"recipe": method("recipe", variant("one", Step("int8", "per_tensor"), step), stage="recipe")}
    broken = (PlugInError("method", "mine", "importing it raised ValueError"),)
    found = one(registry(methods=methods, broken=broken), methods=("recipe",))
    assert found.skip.reason.startswith(reason)


def _with(kind, card):
    return registry(**{kind: {"models": MODELS, "methods": METHODS, "targets": TARGETS}[kind] | {card.name: card}})


def _with_source(*key):
    return registry(sources=registry().sources | {key: "other bytes"})


INT8 = METHODS["int8"]


@pytest.mark.parametrize(
    ("choices", "where"),
    [
        ({}, _with("methods", replace(INT8, variants=(INT8.variants[0], replace(INT8.variants[1], parameters={"per_channel": 1.5}))))),
        ({}, _with("methods", replace(INT8, modalities=("text",)))),
        ({}, _with("targets", replace(TARGETS["x86"], settings={"threads": 2}))),
        ({}, _with_source("method", "int8")),
        ({}, _with_source("model", "clip")),
        ({}, _with_source("target", "x86")),
        ({"host": "Other CPU, 2 cores, Linux x86_64"}, None),
        ({"libraries": LIBRARIES | {"onnxruntime": "1.31.2"}}, None),
        ({"libraries": {"numpy": "2.4.0"}}, None),
        ({"test_seed": 1}, None),
        ({"tier": "full"}, None),
        ({"methods": ("int8/per_tensor",)}, None),
    ],
)
def test_the_key_changes_with_whatever_decides_the_result(choices, where):
    assert one(where, **choices).key != one().key


def test_the_key_changes_with_the_suite(monkeypatch):
    before = one().key
    monkeypatch.setattr(planning, "__version__", "99.0")
    version = one().key
    monkeypatch.undo()
    monkeypatch.setattr(planning, "PROTOCOL", 99)
    assert len({before, version, one().key}) == 3


def test_the_key_of_a_recipe_changes_with_each_of_its_steps():
    before = one(methods=("mixed/by_modality",)).key
    changed = [one(_with_source("method", name), methods=("mixed/by_modality",)).key for name in ("a_pruner", "int8")]
    assert len({before, *changed}) == 3
    assert one(_with_source("method", "for_text"), methods=("mixed/by_modality",)).key == before


@pytest.mark.parametrize(
    ("choices", "where"),
    [
        ({}, None),
        ({"results": "elsewhere", "work": "there", "retry_failed": True, "limits": Limits(compress_s=1.0)}, None),
        ({"libraries": dict(reversed(LIBRARIES.items()))}, None),
        ({}, _with("methods", replace(INT8, title="New", summary="words"))),
        ({}, _with("methods", method("another", variant("only")))),
        ({}, _with("targets", replace(TARGETS["arm"], settings={"threads": 8}))),
        ({}, _with_source("method", "a_pruner")),
        ({}, registry(probes={"arm": lambda: None, "x86": lambda: Skip("not now")})),
    ],
)
def test_the_key_does_not_change_otherwise(choices, where):
    assert one(where, **choices).key == one().key


def test_every_cell_has_a_sha256_of_its_own_for_a_key():
    keys = {cell.key for cell in cells()}
    assert len(keys) == 48
    assert all(len(key) == 64 and int(key, 16) for key in keys)


def test_the_command_of_a_cell_plans_that_very_cell():
    found = one(test_seed=5, tier="full")
    assert found.command == "squeezemark run --models clip --methods baseline_fp32,int8/per_channel --targets x86 --tier full --test-seed 5"
    assert one().command == found.command.replace("full --test-seed 5", "quick")
    words = found.command.split()
    chosen = {name: tuple(words[words.index(f"--{name}") + 1].split(",")) for name in ("models", "methods", "targets")}
    again = cells(tier="full", test_seed=5, **chosen)
    assert [cell.cell.method for cell in again] == ["baseline_fp32", "int8"]
    assert again[1] == found


def test_a_cell_can_be_recorded():
    for planned in cells():
        assert msgspec.json.decode(msgspec.json.encode(planned.cell), type=type(planned.cell)) == planned.cell
        assert planned.title == f"{planned.cell.model} · {planned.cell.method}/{planned.cell.variant} · {planned.cell.target}"


def test_planning_everything_loads_no_torch_and_prints_nothing():
    code = (
        "import sys\n"
        "from suite.config import Config\nfrom suite.plan import plan\nfrom suite.registry import discover\n"
        "assert plan(Config(), discover(), 'a host', {}).cells\n"
        "heavy = {'torch', 'onnx', 'onnxruntime', 'matplotlib', 'scipy'} & set(sys.modules)\n"
        "sys.exit(f'loaded {heavy}' if heavy else 0)\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
