"""LiteRT, where its environment is there: made, quantized, audited and run in it; where it is not, doctor says what makes it."""

import json
import os
import subprocess
import sys

import pytest
from conftest import PLUGINS, ROOT

from suite import environments, registry
from suite.config import Config
from suite.plan import plan
from suite.store import Store

TARGET = "x86_cpu_litert"
REGISTRY = registry.discover()
MISSING = REGISTRY.probes[TARGET]()
there = pytest.mark.skipif(MISSING is not None, reason=MISSING.reason if MISSING else "")


def test_where_it_is_not_there_one_command_makes_it(monkeypatch, tmp_path):
    monkeypatch.setenv("SQUEEZEMARK_HOME", str(tmp_path))
    assert REGISTRY.probes[TARGET]().reason == "its environment is not there: squeezemark env create litert"


def test_its_methods_have_rows_there_alone():
    rows = {
        name: {cell.cell.method for cell in plan(Config(tier="full", targets=(name,)), REGISTRY, "", {}).cells}
        for name in (TARGET, "x86_cpu_ort", "x86_cpu_torch")
    }
    assert [name for name, methods in rows.items() if "litert_dynamic_int8" in methods] == [TARGET]
    assert "torchao_int8_dynamic" not in rows[TARGET]


@pytest.fixture(scope="module")
def records(work, tmp_path_factory):
    """Of the tiny models: uncompressed, pruned and quantized, and one whose lengths differ from call to call."""
    results = tmp_path_factory.mktemp("litert")
    methods = "baseline_fp32,random_pruning/units_75,litert_dynamic_int8,litert_full_int8,dynamic_int8/per_tensor"
    command = [sys.executable, "-m", "suite", "run", "--plugins", PLUGINS, "--models", "tiny_matcher,tiny_writer", "--targets", TARGET]
    command += ["--methods", methods, "--work", work, "--results", results]
    done = subprocess.run(list(map(str, command)), cwd=ROOT, capture_output=True, text=True, env=os.environ | {"PYTHONPATH": str(ROOT)})
    found = {(record.cell.model, record.cell.method): record for record in Store(results).records()}
    assert found, done.stdout + done.stderr
    return found


@there
def test_the_uncompressed_model_is_timed_beside_the_reference_target(records):
    record = records["tiny_matcher", "baseline_fp32"]
    assert record.status == "ok", record.reason
    assert {part.file for part in record.artifact.parts.values()} == {"vision.tflite", "text.tflite"}
    assert record.latency.reference.target == "x86_cpu_ort"
    assert record.environment.libraries["litert ai-edge-litert"] == environments.versions("litert")["ai-edge-litert"]


@there
def test_int8_is_found_in_the_file(records):
    whole, int8 = (records["tiny_matcher", name] for name in ("baseline_fp32", "litert_dynamic_int8"))
    assert int8.status == "ok", int8.reason
    assert [claim.holds for claim in int8.artifact.claims] == [True]
    assert all("int8" in part.parameters_by_type for part in int8.artifact.parts.values())
    assert not any("int8" in part.parameters_by_type for part in whole.artifact.parts.values())
    assert int8.artifact.total("bytes") < whole.artifact.total("bytes")
    assert abs(int8.accuracy.metrics[int8.accuracy.metric].value - whole.accuracy.metrics[whole.accuracy.metric].value) < 0.05


LARGE = """
import json, sys
from pathlib import Path

import numpy as np
import torch

from methods.litert_dynamic_int8.apply import apply
from suite.contracts import Component, Tensor
from suite.errors import CellFailed
from suite.formats import litert_model

given = np.ones((1, 512), np.float32)
component = Component("vision", "vision", (Tensor("x", "float32", (1, 512)),), (Tensor("y", "float32", (1, 768)),))
files = [Path(sys.argv[1]) / name for name in ("whole.tflite", "int8.tflite", "cut.tflite")]
litert_model.lower(torch.nn.Sequential(torch.nn.Linear(512, 768)), component, [{"x": given}], files[0])
files[1].write_bytes(apply({"vision": files[0].read_bytes()}, {}, None)["vision"])
files[2].write_bytes(files[1].read_bytes()[:-4096])
found = [litert_model.inspect(path).parameters_by_type for path in files[:2]]
found.append([constant.shape for constant in litert_model.held(files[1]).weights(["Gemm"])])
try:
    litert_model.inspect(files[2])
except CellFailed as error:
    found.append(f"{error.status}: {error.reason}")
print(json.dumps(found))
"""


@there
def test_weights_that_the_quantizer_puts_behind_the_flatbuffer_are_counted(tmp_path):
    inside = environments.python("litert")
    environ = {**os.environ, "PYTHONPATH": str(ROOT), **inside.environ}
    done = subprocess.run([*inside.command, "-c", LARGE, str(tmp_path)], cwd=ROOT, capture_output=True, text=True, env=environ)
    assert done.returncode == 0, done.stderr
    whole, int8, weights, cut = json.loads(done.stdout.splitlines()[-1])
    assert whole == {"float32": 512 * 768 + 768}
    assert int8 == {"int8": 512 * 768, "float32": 768}
    assert weights == [[768, 512]]
    assert cut.startswith("invalid_output: ")
    assert "a constant ends at byte" in cut


@there
def test_full_int8_leaves_no_arithmetic_in_floating_point(records):
    full = records["tiny_matcher", "litert_full_int8"]
    assert full.status == "ok", full.reason
    assert all(claim.holds for claim in full.artifact.claims)
    for part in full.artifact.parts.values():
        assert {"QUANTIZE", "DEQUANTIZE", "FULLY_CONNECTED"} <= set(part.operators)
    assert "float32" not in full.artifact.parts["vision"].parameters_by_type
    assert full.artifact.parts["text"].parameters_by_type["float32"] == 2048, (
        "a table of embeddings is looked up, and multiplied by nothing"
    )
    assert full.cost.items == 64, "the ranges are those of calibration items"


@there
def test_what_is_pruned_as_a_module_is_smaller_there_too(records):
    whole, pruned = (records["tiny_matcher", name] for name in ("baseline_fp32", "random_pruning"))
    assert pruned.status == "ok", pruned.reason
    assert [claim.holds for claim in pruned.artifact.claims] == [True]
    assert pruned.artifact.total("parameters") < whole.artifact.total("parameters")


@there
def test_what_it_cannot_have_is_unsupported_with_the_reason(records):
    graph, decoder = records["tiny_matcher", "dynamic_int8"], records["tiny_writer", "baseline_fp32"]
    assert (graph.status, graph.reason) == ("unsupported", "dynamic_int8 changes ONNX graphs, and x86_cpu_litert runs LiteRT models")
    assert decoder.status == "unsupported"
    assert "differ from call to call" in decoder.reason
