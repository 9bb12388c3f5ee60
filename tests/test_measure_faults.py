"""Faults while a cell is timed, after its accuracy is known: each is a typed result with its reason, and there is no latency."""

from pathlib import Path

import pytest
from conftest import PLUGINS

from suite.store import Store

CARD = """
from suite.contracts import TargetCard
CARD = TargetCard(name='faulty', title='For a test', summary='For a test.', device='x86 CPU', runtime='none', formats=('onnx',),
    settings={'threads': 1, 'graph_optimization': 'all', 'batch_size': 1}, reference='x86_cpu_ort')
def probe():
    return None
"""
RUNNER = """
import os, signal, time
import onnxruntime
from suite import timing

made, calls, honest = [], 0, time.perf_counter_ns

def fault(outputs):
{fault}
    return outputs

class Runner:
    def __init__(self, files, settings):
        self.sessions = {{name: onnxruntime.InferenceSession(path) for name, path in files.items()}}
        made.append(self)
    def run(self, component, inputs):
        global calls
        session = self.sessions[component]
        outputs = dict(zip([output.name for output in session.get_outputs()], session.run(None, dict(inputs))))
        if len(made) < 2:  # one side alone: this is the accuracy run
            return outputs
        calls += 1
        return fault(outputs)
"""
LATER = 300
"""Calls of components after which the timed loop is under way: its outputs were checked before it, 16 requests of two calls each."""

FAULTS = {
    "is killed": (f"    if calls > {LATER}: os.kill(os.getpid(), signal.SIGKILL)", "out_of_memory", "SIGKILL"),
    "segfaults": (f"    if calls > {LATER}: os.kill(os.getpid(), signal.SIGSEGV)", "crashed", "SIGSEGV"),
    "leaves": (f"    if calls > {LATER}: os._exit(7)", "crashed", "exited with 7"),
    "hangs": (f"    if calls > {LATER}: time.sleep(600)", "timeout", "within 8 s"),
    "has no memory left": (f"    if calls > {LATER}: raise MemoryError", "out_of_memory", "MemoryError"),
    "answers otherwise": (
        f"    if calls > {LATER}: outputs = {{name: array * 1.01 for name, array in outputs.items()}}",
        "invalid_output",
        "otherwise than the accuracy run did",
    ),
    "clock an hour on": (f"    if calls == {LATER}: timing.now = lambda: honest() + 3600 * 10**9", "invalid_output", "a clock jumped"),
    "clock back": (f"    if calls == {LATER}: timing.now = lambda: honest() - 50_000_000", "invalid_output", "clock"),
    "clock stops": (
        f"    if calls == {LATER}:\n        then = honest()\n        timing.now = lambda: then + (honest() - then) // 2",
        "invalid_output",
        "a clock jumped",
    ),
}


@pytest.fixture
def record_of(tmp_path, squeezemark, work):
    """The record of the tiny model's baseline on a target that goes wrong while it is timed, and what the command said."""

    def run(fault):
        folder = tmp_path / "plugins" / "targets" / "faulty"
        folder.mkdir(parents=True)
        Path(folder, "__init__.py").write_text(CARD)
        Path(folder, "runner.py").write_text(RUNNER.format(fault=fault))
        (tmp_path / "config.toml").write_text("[limits]\nlaunch_s = 8\n")
        done = squeezemark(
            "run", "--models", "tiny_matcher", "--plugins", PLUGINS, "--plugins", tmp_path / "plugins", "--targets", "faulty",
            "--methods", "baseline_fp32", "--config", tmp_path / "config.toml", "--results", tmp_path / "results", "--work", work,
        )  # fmt: skip
        (record,) = Store(tmp_path / "results").records()
        return record, done

    return run


@pytest.mark.parametrize("name", FAULTS)
def test_a_fault_while_measuring_is_a_typed_result_without_a_number(name, record_of):
    fault, status, words = FAULTS[name]
    record, done = record_of(fault)
    assert record.status == status, done.stdout + done.stderr
    assert words in record.reason
    assert "\n" not in record.reason
    assert record.accuracy is not None, "it failed before it was timed"
    assert record.latency is None
    assert done.returncode == 1


def test_without_a_fault_the_same_target_is_measured(record_of):
    record, done = record_of("    pass")
    assert record.status == "ok", done.stdout + done.stderr
    assert record.latency is not None
