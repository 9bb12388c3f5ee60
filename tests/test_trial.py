"""`squeezemark check` finds what is wrong with a method where it is, and nothing else: every bad method has its own sentence."""

import json
import os
import re
import subprocess
import sys
import tomllib
from pathlib import Path

import bad_methods
import pytest
from conftest import PLUGINS, ROOT

from suite import plugins, registry
from suite.config import Config, Limits
from suite.contracts import Claims, MethodCard, Parameter, Variant
from suite.errors import UsageError
from suite.trial import cards, session
from suite.trial.subject import SEEDS, Trial
from suite.workspace import Workspace

WHOLE = ("honest", "undecided")
"""Methods of which everything is checked; of the others, all that one compression shows."""

WRONG = {
    "undecided": ("same bytes twice", "two compressions give other bytes for text, vision: draw every random number"),
    "not_finite": ("outputs are finite", "is not finite"),
    "liar": ("claims are borne out", "it claims sparsity 90.0 % zeros in the weights of MatMul, Gemm and Conv, the artifact shows 50.0 %"),
    "idle": ("something changed", "every file of tiny_matcher holds what the uncompressed one holds: it did nothing"),
    "raises": ("compresses", "compress failed on tiny_matcher: RuntimeError: no such layer"),
    "greedy": ("compresses", "over the budget of its division on tiny_matcher: it asked for more memory than it may use"),
    "peeks": ("test split is untouched", "labels.npz of the working folder: nothing may be learnt from the test split"),
    "asks": ("test split is untouched", "it called the model's test(0): nothing may be learnt from the test split"),
    "nowhere": ("compresses", "it can be applied to none of tiny_matcher; the last one says: there is no such layer"),
    "unreadable": ("card", "importing it raised ModuleNotFoundError: No module named 'no_such_library'"),
}


@pytest.fixture(scope="module")
def methods(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder that holds the bad methods and the honest one."""
    folder = tmp_path_factory.mktemp("bad")
    bad_methods.write(folder / "bad")
    installed = folder / "site" / "squeezemark_here-1.dist-info"  # what installing the package leaves, wherever this runs
    installed.mkdir(parents=True)
    points = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["entry-points"]["pytest11"]
    (installed / "METADATA").write_text("Metadata-Version: 2.1\nName: squeezemark-here\nVersion: 1\n")
    (installed / "entry_points.txt").write_text("[pytest11]\n" + "".join(f"{name} = {module}\n" for name, module in points.items()))
    return folder / "bad"


def _of_command(methods: Path, work: Path) -> list[dict[str, str]]:
    command = [sys.executable, "-m", "suite", "check", "--models", "tiny_matcher", "--plugins", PLUGINS, "--targets", "x86_cpu_ort"]
    command += ["--work", work, "--json", "--save", "first", *(methods / name for name in WHOLE)]
    done = _run(command, methods.parent)
    assert done.stdout.startswith("["), done.stdout + done.stderr
    return json.loads(done.stdout)


def _of_pytest(methods: Path, work: Path) -> list[dict[str, str]]:
    """What an author may type instead."""
    options = {"models": "tiny_matcher", "plugins": PLUGINS, "targets": "x86_cpu_ort", "work": work, "findings": methods.parent / "found"}
    command = [sys.executable, "-m", "pytest", "-c", "/dev/null", "-k", "not (twice or runs_on or smoke)"]
    command += [*(f"--squeezemark-{name}={value}" for name, value in options.items())]
    done = _run([*command, *(path for path in sorted(methods.iterdir()) if path.name not in WHOLE)], methods.parent)
    assert " failed, " in done.stdout, done.stdout
    return [json.loads(line) for line in options["findings"].read_text().splitlines()]


def _run(command: list[object], folder: Path) -> "subprocess.CompletedProcess[str]":
    environ = os.environ | {"PYTHONPATH": f"{ROOT}{os.pathsep}{folder / 'site'}"}
    done = subprocess.run(list(map(str, command)), cwd=folder, capture_output=True, text=True, env=environ)
    assert done.returncode == 1, done.stdout + done.stderr
    return done


@pytest.fixture(scope="module")
def found(methods: Path, work: Path) -> dict[str, list[dict[str, str]]]:
    """What is said of each of them, by name."""
    (methods / "honest" / "test_honest.py").write_text("from .apply import half\n\ndef test_half():\n    assert half\n")
    rows = _of_command(methods, work) + _of_pytest(methods, work)
    return {path.name: [row for row in rows if row["method"] == path.name] for path in methods.iterdir()}


def test_an_honest_method_conforms(found):
    assert {row["state"] for row in found["honest"]} == {"ok"}
    assert {row["check"] for row in found["honest"]} == {
        "card", "files", "claims are plausible", "compresses", "outputs are finite", "claims are borne out", "something changed",
        "same bytes twice", "test split is untouched", "runs on", "smoke latency", "own test",
    }  # fmt: skip


@pytest.mark.parametrize("name", WRONG)
def test_what_is_wrong_is_said_where_it_is_and_once(name, found):
    check, sentence = WRONG[name]
    bad = [row for row in found[name] if row["state"] == "wrong"]
    assert [row["check"] for row in bad] == [check]
    assert sentence in bad[0]["words"]
    assert "\n" not in bad[0]["words"]


def test_what_needs_an_artifact_is_skipped_where_there_is_none(found):
    skipped = {row["check"]: row["words"] for row in found["raises"] if row["state"] == "skipped"}
    assert set(skipped) == {"outputs are finite", "claims are borne out", "something changed", "test split is untouched"}
    assert set(skipped.values()) == {"needs an artifact, and there is none"}


def test_a_poor_card_is_told_all_that_it_lacks():
    poor = MethodCard(
        name="poor", title="Poor", summary="It does.", family="pruning", stage="graph", division="data-free", paper="a book",
        formats=("litert",), licence="", parameters=(Parameter("share", float, ""),),
        variants=(Variant(name="only", summary="", parameters={"share": 0.5}),),
    )  # fmt: skip
    problems = list(cards.incomplete(poor))
    for words in (
        "its title 'Poor' tells a reader nothing", "its summary has 8 characters",
        "a method of the stage 'graph' makes ONNX graphs", "it has no licence", "its paper is 'a book'; write an arXiv number",
        "its parameter 'share' has no help", "its variant 'only' has no summary",
    ):  # fmt: skip
        assert [problem for problem in problems if words in problem], words
    assert len(problems) == 7


def test_every_card_here_is_complete_and_its_files_import_what_they_may():
    found = {name: card for name, card in registry.discover().methods.items() if (ROOT / "methods" / name).is_dir()}
    assert len(found) > 20
    for name, card in found.items():
        if card.stage != "recipe":
            assert list(cards.incomplete(card)) == [], name
            assert list(cards.imports(ROOT / "methods" / name)) == list(cards.signature(ROOT / "methods" / name)) == [], name
        assert all(list(cards.implausible(variant.claims)) == [] for variant in card.variants)


def test_what_a_card_imports_every_command_loads(tmp_path):
    (tmp_path / "__init__.py").write_text("import json\nimport numpy\nfrom suite.contracts import Claims\nfrom suite.record import Part\n")
    (tmp_path / "apply.py").write_text(
        "import numpy\nfrom suite.surgery.pruning import prune\n\ndef apply():\n    from suite import store\n"
    )
    assert list(cards.imports(tmp_path)) == [
        "__init__.py imports numpy, which every command would load: import it in apply.py",
        "__init__.py imports suite.record; of the suite there are suite.contracts, suite.graph for it",
        "apply.py imports suite.store; of the suite there are suite.contracts, suite.graph, suite.surgery for it",
    ]


def test_a_method_without_claims_is_told_so(found):
    assert [row["words"] for row in found["idle"] if row["state"] == "hint"] == [
        "it claims nothing that could be checked, and is shown as such (docs/methods.md, Claims)"
    ]


def test_what_was_opened_is_recorded(found):
    words = [row["words"] for row in found["honest"] if row["check"] == "test split is untouched"]
    assert words == ["what was opened of the run's data: text.feeds.npz, vision.feeds.npz"]


def test_the_two_compressions_have_other_orders_of_sets(methods, work, tmp_path):
    """What iterates over a set of words shows: each process has a hash seed of its own."""
    code = "import os; print(os.environ['PYTHONHASHSEED'], *{'a', 'b', 'c', 'd', 'e'})"
    orders = {subprocess.run([sys.executable, "-c", code], env={"PYTHONHASHSEED": seed}, capture_output=True).stdout[2:] for seed in SEEDS}
    assert len(orders) == len(SEEDS) == 2


def test_more_time_than_the_budget_allows_is_said(methods, work, tmp_path, monkeypatch):
    monkeypatch.setattr(plugins._files, "paths", dict(plugins._files.paths))  # later tests of this process shall not find the method
    paths = registry.extend([PLUGINS], (), [methods / "honest"])
    workspace = Workspace(work, Config(limits=Limits(compress_s=0.05)), paths)
    trial = Trial("honest", registry.discover(), workspace, tmp_path, ("tiny_matcher",), ("x86_cpu_ort",))
    assert trial.first("only").failure.status == "timeout"


def test_the_smoke_latency_is_kept_for_a_comparison(found, methods):
    (kept,) = methods.parent.glob(".benchmarks/*/0001_first.json")
    benchmarks = {each["extra_info"]["method"]: each for each in json.loads(kept.read_text())["benchmarks"]}
    assert set(benchmarks) == set(WHOLE)
    assert benchmarks["honest"]["extra_info"] == {"method": "honest", "variant": "only", "model": "tiny_matcher", "target": "x86_cpu_ort"}


def test_what_cannot_be_asked_of_a_method_is_a_usage_error_of_the_command(squeezemark, tmp_path):
    done = squeezemark("check", "dynamic_int8", "--models", "glyph_clap", "--work", tmp_path / "work")
    assert done.returncode == 2
    assert "Did you mean 'glyph_clip'?" in done.stderr
    assert done.stderr.count("\n") == 1


@pytest.mark.parametrize(
    ("name", "sentence"),
    [
        ("dynamic_int9", "Did you mean 'dynamic_int8'?"),
        ("plugins", "plugins is no method: a method is a folder with __init__.py and apply.py"),
        ("no/such/method", "no/such/method is no method: a method is a folder with __init__.py and apply.py"),
        ("per_component_int8", "per_component_int8 is a recipe, which has no code of its own; check the methods of its steps"),
    ],
)
def test_a_name_that_is_no_method_is_one_sentence(name, sentence, tmp_path, monkeypatch):
    (tmp_path / "plugins").mkdir()
    monkeypatch.chdir(tmp_path)
    with pytest.raises(UsageError, match=re.escape(sentence)):
        session.folder(registry.discover(), name)
    assert session.folder(registry.discover(), "dynamic_int8") == ROOT / "methods" / "dynamic_int8"


def test_apply_has_to_be_there_and_to_take_what_it_is_given(tmp_path):
    for source, words in [
        ("def apply(parts, parameters): ...", "its apply takes (parts, parameters), and is called with (parts, parameters, context)"),
        ("def compress(parts, parameters, context): ...", "its apply.py has no function apply(parts, parameters, context)"),
    ]:
        (tmp_path / "apply.py").write_text(source)
        assert list(cards.signature(tmp_path)) == [words]
    for source in ("def apply(parts, parameters, context): ...", "from .core import apply", "apply = print"):
        (tmp_path / "apply.py").write_text(source)
        assert list(cards.signature(tmp_path)) == []


def test_claims_that_nothing_can_bear_out():
    assert list(cards.implausible(Claims(weight_bits=4, coverage=0.9))) == []
    for claims, words in [
        (Claims(weight_bits=32), "weight_bits 32 is no gain"),
        (Claims(mean_bits=0.5), "mean_bits 0.5 is no gain"),
        (Claims(parameters=1.0), "parameters 1 cannot be meant"),
        (Claims(sparsity=0.5, coverage=0.0), "coverage 0.0 is no share"),
        (Claims(layers=()), "about no layers"),
    ]:
        (problem,) = cards.implausible(claims)
        assert words in problem
