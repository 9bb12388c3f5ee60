"""Instructions of a cell: what the worker counted, or why there is nothing, which never makes a cell fail."""

from types import SimpleNamespace

import pytest

from suite import environments, instructions
from suite.contracts import Skip, TargetCard
from suite.environments.counter import COUNTS
from suite.errors import CellFailed
from suite.executors.local import Interpreter
from suite.workspace import openly

CARD = TargetCard(
    name="t", title="T", summary="", device="ARM CPU", runtime="onnxruntime", formats=("onnx",), patience=40.0, ranks_latency=False
)


@pytest.fixture
def count(tmp_path):
    """Counts for a cell that has everything it needs."""
    limits = SimpleNamespace(limits=SimpleNamespace(launch_s=10.0))
    workspace = SimpleNamespace(confine=openly, job=lambda do, **rest: {"do": do, **rest}, config=limits)
    planned = SimpleNamespace(cell=SimpleNamespace(model="m", settings={"threads": 1}))
    bundle = SimpleNamespace(files=lambda: {"text": "new"}, caches=dict)
    test = SimpleNamespace(inputs=tmp_path / "inputs.npz")
    return lambda: instructions.count(workspace, planned, CARD, {"text": "old"}, bundle, test, tmp_path, lambda *told: None)


def test_without_a_counter_there_is_the_reason(count, monkeypatch):
    monkeypatch.setattr(environments, "counting_interpreter", lambda card: Skip("there is no compiler"))
    assert count().reason == "there is no compiler"


def test_counts_of_both_sides_come_from_the_worker_in_the_emulator_that_counts(count, monkeypatch, tmp_path):
    asked = []

    def run(module, job, timeout_s, progress, interpreter):
        asked.append((module, job, timeout_s, interpreter))
        return {"counts": {"baseline": {"all": [40, 60]}, "compressed": {"all": [20, 30], "dot": [4, 4]}}}

    monkeypatch.setattr(environments, "counting_interpreter", lambda card: Interpreter(("qemu", "python"), {"A": "b"}))
    monkeypatch.setattr(instructions.local, "run", run)
    found = count()
    assert (found.artifact, found.baseline, found.reason) == ({"all": (20, 30), "dot": (4, 4)}, {"all": (40, 60)}, None)
    assert found.ratio == 2.0
    ((module, job, timeout, interpreter),) = asked
    assert (module, job["do"], job["baseline"], job["compressed"]) == ("suite.worker", "count", {"text": "old"}, {"text": "new"})
    assert timeout == 400.0, "an emulator takes its time"
    assert interpreter.command == ("qemu", "python")
    assert interpreter.environ == {"A": "b", COUNTS: job["counts"], "PYTHONHASHSEED": "0"}


def test_a_worker_that_dies_while_counting_leaves_the_accuracy_as_it_is(count, monkeypatch):
    def run(*job):
        raise CellFailed("crashed", "it died of SIGSEGV")

    monkeypatch.setattr(environments, "counting_interpreter", lambda card: Interpreter(("qemu", "python")))
    monkeypatch.setattr(instructions.local, "run", run)
    assert count().reason == "they could not be counted: it died of SIGSEGV"
