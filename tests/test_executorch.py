"""ExecuTorch, where its environment is there: made, quantized, audited and run in it; where it is not, doctor says what makes it."""

import json
import os
import subprocess
import sys

import pytest
from conftest import PLUGINS, ROOT

from suite import environments, registry
from suite.config import Config
from suite.environments import emulated, executorch
from suite.plan import plan
from suite.store import Store

TARGET, METHOD = "x86_cpu_executorch", "executorch_dynamic_int8"
REGISTRY = registry.discover()
MISSING = REGISTRY.probes[TARGET]()
there = pytest.mark.skipif(MISSING is not None, reason=MISSING.reason if MISSING else "")


def test_where_it_is_not_there_one_command_makes_it(monkeypatch, tmp_path):
    monkeypatch.setenv("SQUEEZEMARK_HOME", str(tmp_path))
    assert REGISTRY.probes[TARGET]().reason == "its environment is not there: squeezemark env create executorch"


def test_its_method_has_rows_there_alone():
    rows = {
        name: {cell.cell.method for cell in plan(Config(tier="full", targets=(name,)), REGISTRY, "", {}).cells}
        for name in (TARGET, "x86_cpu_ort", "x86_cpu_torch")
    }
    assert [name for name, methods in rows.items() if METHOD in methods] == [TARGET]


def test_it_is_made_of_locked_versions_and_of_this_pythons_numpy_and_onnx_runtime(monkeypatch, tmp_path):
    ran = []

    def run(command, failure):
        ran.append(list(map(str, command)))
        return json.dumps({"executorch": "1.5.1"})

    monkeypatch.setattr(emulated.debian, "run", run)
    assert executorch.build(tmp_path, lambda step: None) == {"executorch": "1.5.1"}
    (install,) = (command for command in ran if "install" in command)
    assert f"--constraint={executorch.LOCK}" in install
    assert {f"{name}=={version}" for name, version in emulated.pins().items()} <= set(install)
    locked = dict(line.split("==") for line in executorch.LOCK.read_text().splitlines() if "==" in line)
    assert set(executorch.WANTED) <= set(locked)
    assert not {"numpy", "onnxruntime"} & set(locked)


@pytest.fixture(scope="module")
def records(work, tmp_path_factory):
    """Of the tiny models: uncompressed and quantized, a method that changes graphs, and one whose lengths differ from call to call."""
    results = tmp_path_factory.mktemp("executorch")
    command = [sys.executable, "-m", "suite", "run", "--plugins", PLUGINS, "--models", "tiny_matcher,tiny_writer", "--targets", TARGET]
    command += ["--methods", f"baseline_fp32,{METHOD},dynamic_int8/per_tensor", "--work", work, "--results", results]
    done = subprocess.run(list(map(str, command)), cwd=ROOT, capture_output=True, text=True, env=os.environ | {"PYTHONPATH": str(ROOT)})
    found = {(record.cell.model, record.cell.method): record for record in Store(results).records()}
    assert found, done.stdout + done.stderr
    return found


@there
def test_the_uncompressed_model_is_timed_beside_the_reference_target(records):
    record = records["tiny_matcher", "baseline_fp32"]
    assert record.status == "ok", record.reason
    assert {part.file for part in record.artifact.parts.values()} == {"vision.pte", "text.pte"}
    assert record.latency.reference.target == "x86_cpu_ort"
    assert record.environment.libraries["executorch executorch"] == environments.versions("executorch")["executorch"]
    assert all("XNNFullyConnected" in part.operators for part in record.artifact.parts.values())
    assert record.artifact.total("parameters") >= record.artifact.baseline_parameters


@there
def test_int8_is_found_in_the_file(records):
    whole, int8 = (records["tiny_matcher", name] for name in ("baseline_fp32", METHOD))
    assert int8.status == "ok", int8.reason
    assert [claim.holds for claim in int8.artifact.claims] == [True]
    assert all("int8" in part.parameters_by_type for part in int8.artifact.parts.values())
    assert not any("int8" in part.parameters_by_type for part in whole.artifact.parts.values())
    assert int8.artifact.total("bytes") < whole.artifact.total("bytes")
    assert abs(int8.accuracy.metrics[int8.accuracy.metric].value - whole.accuracy.metrics[whole.accuracy.metric].value) < 0.05


@there
def test_what_it_cannot_have_is_unsupported_with_the_reason(records):
    graph, decoder = records["tiny_matcher", "dynamic_int8"], records["tiny_writer", "baseline_fp32"]
    assert (graph.status, graph.reason) == ("unsupported", f"dynamic_int8 changes ONNX graphs, and {TARGET} runs ExecuTorch programs")
    assert decoder.status == "unsupported"
    assert "differ from call to call" in decoder.reason
