"""Targets: each that runs here answers as the reference does; those that borrow a runner, lie, crash or fall back are told apart."""

import json
from dataclasses import replace

import numpy as np
import pytest
from conftest import PLUGINS

from suite import arrays, environments, formats
from suite import registry as registries
from suite.config import Config
from suite.contracts import Skip
from suite.errors import CellFailed
from suite.evaluate import QUICK_ITEMS
from suite.executors import local
from suite.plan import plan
from suite.store import Store
from suite.workspace import Workspace

REGISTRY = registries.discover()
RUNNING = [name for name in REGISTRY.targets if REGISTRY.probes[name]() is None]
REFERENCE = "x86_cpu_ort"
TINY = ("--models", "tiny_matcher", "--plugins", PLUGINS)

CARD = """
from suite.contracts import Skip, TargetCard
CARD = TargetCard(name={name!r}, title='For a test', summary='For a test.', device='x86 CPU', runtime='none', formats=('onnx',),
    settings={{'threads': 1, 'graph_optimization': 'all', 'batch_size': 1}}, {more})
def probe():
    return None
"""
HONEST = """
import onnxruntime
class Runner:
    def __init__(self, files, settings):
        self.sessions = {name: onnxruntime.InferenceSession(path) for name, path in files.items()}
    def run(self, component, inputs):
        session = self.sessions[component]
        return dict(zip([output.name for output in session.get_outputs()], session.run(None, dict(inputs))))
"""


@pytest.fixture
def new_target(tmp_path):
    """Writes the plug-in folder of a target; returns the folder for --plugins."""

    def write(name, runner, more="reference='x86_cpu_ort'"):
        folder = tmp_path / "plugins" / "targets" / name
        folder.mkdir(parents=True)
        (folder / "__init__.py").write_text(CARD.format(name=name, more=more))
        if runner is not None:
            (folder / "runner.py").write_text(runner)
        return tmp_path / "plugins"

    return write


@pytest.fixture
def run_on(squeezemark, work, tmp_path):
    """The record of the uncompressed tiny model on a target of one's own, and what the command said."""

    def run(folder, name, *more):
        command = ("run", *TINY, "--plugins", folder, "--targets", name, "--methods", "baseline_fp32", "--work", work)
        done = squeezemark(*command, "--results", tmp_path / "results", *more)
        found = [record for record in Store(tmp_path / "results").records() if record.cell.target == name]
        return (found[0] if found else None), done

    return run


@pytest.fixture(scope="module")
def answers(work, tmp_path_factory):
    """What every component of the tiny model answers on a target, by `component.output`."""
    paths = registries.extend([PLUGINS])
    found = registries.discover()
    workspace = Workspace(work, Config(), paths)
    source = found.sources["model", "tiny_matcher"]
    baseline = workspace.baseline("tiny_matcher", source, lambda *_: None)
    names = [component.name for component in found.models["tiny_matcher"].components]
    room = tmp_path_factory.mktemp("answers")
    calls = {
        f"{name}.{tensor}": array for name in names for tensor, array in next(arrays.load_calls(baseline / f"{name}.feeds.npz")).items()
    }
    np.savez(room / "calls.npz", allow_pickle=False, **calls)

    def ask(name):
        card, out = REGISTRY.targets[name], room / f"{name}.npz"
        files = workspace.lowered("tiny_matcher", source, card.formats[0], lambda *_: None)
        job = workspace.job(
            "answer", model="tiny_matcher", target=card.runs_with, settings=dict(card.settings), calls=str(room / "calls.npz"),
            out=str(out), compressed={component: str(formats.place(files, component, card.formats[0])) for component in names},
        )  # fmt: skip
        local.run("suite.worker", job, 300, lambda *_: None, environments.interpreter(card))
        return arrays.load(out)

    return ask


@pytest.mark.parametrize("name", RUNNING)
def test_a_target_answers_as_the_reference_does(name, answers):
    coarse = "bf16" in REGISTRY.targets[name].precisions
    try:
        wanted, found = answers(REFERENCE), answers(name)
    except CellFailed as failure:
        if not (coarse and failure.status == "unsupported"):
            raise
        pytest.skip(failure.reason)  # a processor without bf16, which only the runtime can tell
    for output, array in wanted.items():
        scale = float(np.abs(array).max())
        assert np.abs(found[output] - array).max() <= (0.05 if coarse else 1e-4) * scale, output


def test_without_a_name_the_reference_target_of_this_machine_runs():
    (target,) = {cell.cell.target for cell in plan(Config(tier="quick"), REGISTRY, "", {}).cells}
    assert REGISTRY.targets[target].is_reference
    assert REGISTRY.probes[target]() is None


def test_where_no_reference_target_runs_each_says_why():
    nowhere = replace(REGISTRY, probes={name: lambda: Skip("not here") for name in REGISTRY.targets})
    cells = plan(Config(tier="quick", models=("glyph_clip",), methods=("baseline_fp32",)), nowhere, "", {}).cells
    assert {cell.cell.target for cell in cells} == {name for name, card in REGISTRY.targets.items() if card.is_reference}
    assert {cell.skip.reason for cell in cells} == {"not here"}


def test_it_is_timed_beside_the_reference_target(new_target, run_on, tmp_path):
    record, done = run_on(new_target("twin", HONEST), "twin")
    assert record is not None, done.stderr
    beside = record.latency.reference
    assert beside.target == REFERENCE
    assert beside.speed_up.low <= beside.speed_up.value <= beside.speed_up.high
    columns = Store(tmp_path / "results").columns(record)
    assert columns["reference_ns"].shape == columns["beside_reference_ns"].shape


def test_what_a_runtime_cannot_run_is_unsupported_with_its_reason(new_target, run_on):
    source = HONEST.replace("self.sessions =", "raise NotApplicable('it has no operator of that kind')\n        self.sessions =")
    record, done = run_on(new_target("picky", "from suite.contracts import NotApplicable\n" + source), "picky")
    assert (record.status, record.reason) == ("unsupported", "it has no operator of that kind")
    assert done.returncode == 0


@pytest.mark.parametrize(
    ("name", "runner", "status", "words"),
    [
        ("segfaults", "import os, signal\nos.kill(os.getpid(), signal.SIGSEGV)\n", "crashed", "SIGSEGV"),
        ("absent", "import a_runtime_that_is_not_there\n", "invalid_output", "a_runtime_that_is_not_there"),
        ("without", "class Other: pass\n", "invalid_output", "Runner"),
        (
            "wanders",
            HONEST.replace("return dict(", "self.calls = getattr(self, 'calls', 0) + 1\n        outputs = dict(")
            + "        return {n: a * (1 + (self.calls > 1500)) for n, a in outputs.items()}\n",
            "invalid_output",
            "otherwise than the accuracy run did",
        ),
    ],
)
def test_a_target_that_misbehaves_is_a_typed_failure(name, runner, status, words, new_target, run_on):
    record, done = run_on(new_target(name, runner), name)
    assert record.status == status
    assert words in record.reason
    assert done.returncode == 1


def test_where_a_clock_says_nothing_nothing_is_timed_and_few_items_are_asked(new_target, run_on):
    record, done = run_on(new_target("slow", HONEST, "ranks_latency=False, items=50"), "slow")
    assert record.status == "ok", done.stderr
    assert record.latency is None
    assert record.accuracy.items == 50 < QUICK_ITEMS


def test_for_several_targets_a_variant_is_compressed_once(new_target, new_method, squeezemark, work, tmp_path):
    new_target("twin", HONEST)
    counting = f"def apply(parts, parameters, context):\n    open({str(tmp_path / 'calls')!r}, 'a').write('x')\n    return parts\n"
    folder = new_method("counting", counting)
    command = ("run", *TINY, "--plugins", folder, "--targets", f"{REFERENCE},twin", "--work", work, "--results", tmp_path / "results")
    done = squeezemark(*command, "--methods", "baseline_fp32,counting")
    assert done.returncode == 0, done.stdout + done.stderr
    found = [record for record in Store(tmp_path / "results").records() if record.cell.method == "counting"]
    assert {record.cell.target for record in found} == {REFERENCE, "twin"}
    assert len({record.provenance.artifact_sha256 for record in found}) == 1
    assert (tmp_path / "calls").read_text() == "x"
    assert not list(work.glob("cell-*")), "what was made is left behind"


def test_new_target_writes_one_that_runs_beside_the_reference(squeezemark, run_on, tmp_path):
    made = squeezemark("new-target", "two_threads", "--out", tmp_path / "mine")
    assert made.returncode == 0, made.stderr
    rows = json.loads(squeezemark("doctor", "--json", "--plugins", tmp_path / "mine").stdout)
    assert {row["name"]: row["state"] for row in rows if row["kind"] == "target"}["two_threads"] == "ok"
    record, done = run_on(tmp_path / "mine", "two_threads")
    assert record.status == "ok", done.stderr
    assert record.latency.reference.target == REFERENCE
    again = squeezemark("new-target", "two_threads", "--out", tmp_path / "mine")
    assert (again.returncode, "exists already and is not written over" in again.stderr) == (2, True)
    taken = squeezemark("new-target", REFERENCE, "--out", tmp_path / "other")
    assert (taken.returncode, "There is a target 'x86_cpu_ort' already" in taken.stderr) == (2, True)


def test_a_target_with_another_format_runs_what_modules_become_and_says_why_it_runs_no_graphs(squeezemark, work, tmp_path):
    methods = "baseline_fp32,magnitude_pruning/local_50,random_pruning/units_75"
    command = ("run", *TINY, "--targets", "x86_cpu_torch", "--methods", methods, "--work", work, "--results", tmp_path / "results")
    done = squeezemark(*command)
    assert done.returncode == 0, done.stdout + done.stderr
    found = {record.cell.method: record for record in Store(tmp_path / "results").records()}
    assert found["magnitude_pruning"].status == "unsupported"
    assert found["magnitude_pruning"].reason == "magnitude_pruning changes ONNX graphs, and x86_cpu_torch runs programs of torch.export"
    whole, pruned = (found[name] for name in ("baseline_fp32", "random_pruning"))
    assert {part.file for part in whole.artifact.parts.values()} == {"vision.pt2", "text.pt2"}
    assert pruned.artifact.total("parameters") < whole.artifact.total("parameters")
    assert [claim.holds for claim in pruned.artifact.claims] == [True]
    assert pruned.latency.reference.target == REFERENCE


def test_compress_says_that_it_hands_over_graphs(squeezemark, work, tmp_path):
    command = ("compress", "--model", "tiny_matcher", "--plugins", PLUGINS, "--recipe", "random_pruning/units_75")
    done = squeezemark(*command, "--target", "x86_cpu_torch", "--work", work, "--results", tmp_path / "results", "--out", tmp_path / "out")
    assert done.returncode == 2
    assert "What is handed over are ONNX graphs, and x86_cpu_torch runs programs of torch.export" in done.stderr
