"""The Edge TPU without one: what is missing in words, what it refuses, and files in floating point, which its host runs."""

import importlib
import stat
import subprocess

import pytest
from conftest import ROOT

from suite import environments, registry
from suite.config import Config
from suite.plan import plan

REGISTRY = registry.discover()
TARGET = importlib.import_module("targets.edge_tpu_litert")
MISSING = environments.missing("litert")

SCRIPT = """
import os, sys
from pathlib import Path
import numpy as np, torch, litert_torch
from ai_edge_quantizer import quantizer, recipe
from targets.edge_tpu_litert.runner import Runner
folder = Path(sys.argv[1])
plain, narrow = folder / "plain.tflite", folder / "narrow.tflite"
class Net(torch.nn.Module):
    def __init__(self):
        super().__init__()
        self.linear = torch.nn.Linear(8, 4)
    def forward(self, x):
        return {"y": self.linear(x)}
net = Net().eval()
litert_torch.convert(net, sample_kwargs={"x": torch.zeros(1, 8)}).export(str(plain))
x = np.linspace(-1, 1, 8, dtype=np.float32)[None]
found = Runner({"vision": plain}, {"threads": 1}).run("vision", {"x": x})["y"]
print("host", np.allclose(found, net(torch.from_numpy(x))["y"].detach(), atol=1e-5))
work = quantizer.Quantizer(plain.read_bytes(), recipe.static_wi8_ai8())
narrow.write_bytes(bytes(work.quantize(work.calibrate({"serving_default": [{"x": x}]})).quantized_model))
for tools in sys.argv[2:]:
    os.environ["PATH"] = tools + ":/usr/bin:/bin"
    try:
        Runner({"vision": narrow}, {"threads": 1})
    except Exception as error:
        print(type(error).__name__, error)
"""


def test_doctor_says_what_one_step_would_make_it_run(monkeypatch):
    monkeypatch.setattr(TARGET.sys, "platform", "linux")
    monkeypatch.setattr(TARGET.shutil, "which", lambda name: None)
    assert "apt-get install edgetpu-compiler" in TARGET.probe().reason
    monkeypatch.setattr(TARGET.shutil, "which", lambda name: f"/usr/bin/{name}")
    monkeypatch.setattr(TARGET, "DELEGATE", "libno_such_delegate.so.1")
    assert "apt-get install libedgetpu1-std" in TARGET.probe().reason
    monkeypatch.setattr(TARGET.sys, "platform", "darwin")
    assert "this is darwin" in TARGET.probe().reason


def test_its_cells_are_planned_and_unsupported_with_the_reason(monkeypatch):
    monkeypatch.setattr(TARGET.shutil, "which", lambda name: None)
    config = Config(tier="full", models=("glyph_clip",), methods=("baseline_fp32", "litert_full_int8"), targets=("edge_tpu_litert",))
    cells = plan(config, REGISTRY, "", {}).cells
    assert [cell.cell.method for cell in cells] == ["baseline_fp32", "litert_full_int8"]
    assert all("edgetpu_compiler is not here" in cell.skip.reason for cell in cells)


SAYS_NO = {
    "refuses": 'echo "first" >&2; echo "Model not quantized" >&2; exit 1',
    "leaves": 'cp "$3" "$2/narrow_edgetpu.tflite"',
}
"""Coral's compiler cannot be had here: scripts stand in for the two ways in which it says no."""


@pytest.mark.skipif(MISSING is not None, reason=MISSING.reason if MISSING else "")
def test_what_is_not_wholly_on_the_device_is_refused_and_floats_run_on_its_host(tmp_path):
    for name, script in SAYS_NO.items():
        tool = tmp_path / name / TARGET.COMPILER
        tool.parent.mkdir()
        tool.write_text(f"#!/bin/sh\n{script}\n")
        tool.chmod(tool.stat().st_mode | stat.S_IXUSR)
    there = environments.python("litert")
    command = [*there.command, "-c", SCRIPT, tmp_path, *(tmp_path / name for name in SAYS_NO)]
    environ = {**there.environ, "PATH": "/usr/bin:/bin", "HOME": str(tmp_path)}
    done = subprocess.run(list(map(str, command)), cwd=ROOT, capture_output=True, text=True, env=environ)
    assert [line for line in done.stdout.splitlines() if line.startswith(("host", "NotApplicable"))] == [
        "host True",
        "NotApplicable the Edge TPU's compiler does not take narrow.tflite: Model not quantized",
        "NotApplicable the Edge TPU's compiler leaves 1 kinds of operators of narrow.tflite to the host's processor",
    ], done.stderr
