"""Emulated processors for real: needs their environments, which `make test-emulated` makes. Left out where they are not there."""

import os
import subprocess
import sys

import pytest
from conftest import PLUGINS, ROOT

from suite import environments, registry
from suite.store import Store

REGISTRY = registry.discover()
EMULATED = [name for name, card in REGISTRY.targets.items() if card.environment in ("arm-emulated", "x86-emulated")]
REFERENCE = "x86_cpu_ort"
METHODS = "baseline_fp32,dynamic_int8/per_channel,int4_rtn/block_32"


@pytest.fixture(scope="module")
def reference(work, tmp_path_factory):
    """The tiny model's records and raw columns on this machine's own processor."""
    return _measured(REFERENCE, work, tmp_path_factory.mktemp("reference"))


def _measured(target, work, results, methods=METHODS):
    command = [sys.executable, "-m", "suite", "run", "--models", "tiny_matcher", "--plugins", str(PLUGINS), "--targets", target]
    command += ["--methods", methods, "--results", str(results), "--work", str(work)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=580, env=os.environ | {"PYTHONPATH": str(ROOT)})
    assert done.returncode == 0, done.stdout + done.stderr
    store = Store(results)
    return {f"{record.cell.method}/{record.cell.variant}": (record, store.columns(record)) for record in store.records()}


def check_instructions(record, arm):
    """Of a small model without other vector arithmetic: the multiply-accumulates of its graph are those of its instructions, exactly."""
    counts = record.instructions
    if counts.reason is not None:
        assert "could not be counted" not in counts.reason, "a QEMU without plug-ins is a reason, one that breaks is not"
        return
    lanes = {"fmla": 4} if arm else {"vfmadd": 8}
    for name, width in lanes.items():
        assert counts.baseline[name] == (record.artifact.parts["vision"].macs // width + record.artifact.parts["text"].macs // width,) * 3
    assert all(count > 10_000 for count in counts.artifact["all"])
    if record.cell.method == "dynamic_int8":
        assert {"dot", "mmla", "mlal", "mull"} & set(counts.artifact) if arm else {"vpmaddubsw"} <= set(counts.artifact)


@pytest.mark.parametrize("name", EMULATED)
def test_an_emulated_processor_answers_with_its_own_kernels(name, reference, work, tmp_path):
    if skip := REGISTRY.probes[name]():
        assert "SQUEEZEMARK_EMULATED" not in os.environ, skip.reason
        pytest.skip(skip.reason)
    found = _measured(name, work, tmp_path)
    assert set(found) == set(reference)
    for method, (record, columns) in found.items():
        known, hits = reference[method]
        assert record.latency is None, "a clock says nothing under an emulator"
        assert record.accuracy.items == REGISTRY.targets[name].items
        assert record.provenance.artifact_sha256 == known.provenance.artifact_sha256, "the very same files"
        made = environments.versions(REGISTRY.targets[name].environment)
        assert {f"{REGISTRY.targets[name].environment} {part}" for part in made} <= set(record.environment.libraries)
        check_instructions(record, REGISTRY.targets[name].device == "ARM CPU")
        agreement = (columns["recall_at_1"] == hits["recall_at_1"][: record.accuracy.items]).mean()
        assert agreement > (0.99 if method.startswith("baseline") else 0.9)


def test_arm_litert_answers_nearly_as_it_does_here(work, tmp_path):
    """Not part of `make test-arm`: its models are made in the environment litert."""
    if skip := REGISTRY.probes["arm_neoverse_n1_litert_emulated"]():
        pytest.skip(skip.reason)
    methods = "baseline_fp32,litert_dynamic_int8"
    here = _measured("x86_cpu_litert", work, tmp_path / "here", methods)
    there = _measured("arm_neoverse_n1_litert_emulated", work, tmp_path / "there", methods)
    assert set(there) == {"baseline_fp32/fp32", "litert_dynamic_int8/per_channel"}
    for method, (record, columns) in there.items():
        known, hits = here[method]
        assert record.latency is None, "a clock says nothing under an emulator"
        assert record.provenance.artifact_sha256 == known.provenance.artifact_sha256, "the very same files"
        assert (columns["recall_at_1"] == hits["recall_at_1"][: record.accuracy.items]).mean() > 0.9
