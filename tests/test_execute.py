"""Runs of the whole flow in miniature: a tiny model, real processes, real artifacts, and methods that misbehave."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from types import SimpleNamespace

import pytest
from conftest import PLUGINS, ROOT, heed_ctrl_c

from suite.config import Config
from suite.errors import InUse, NotWritable
from suite.record import Record
from suite.store import Store
from suite.workspace import Workspace

MODEL = ("--models", "tiny_matcher", "--plugins", PLUGINS)


def _records(folder: Path) -> dict[str, Record]:
    return {f"{record.cell.method}/{record.cell.variant}": record for record in Store(folder).records()}


def test_the_main_job_in_miniature(squeezemark, tmp_path, work):
    methods = (
        "baseline_fp32,dynamic_int8/per_channel,magnitude_pruning/local_70,svd_low_rank/keep_25,width_pruning/keep_50,per_component_int8"
    )
    command = ("run", *MODEL, "--methods", methods, "--results", tmp_path / "results", "--work", work)
    done = squeezemark(*command)
    assert done.returncode == 0, done.stdout + done.stderr
    records = _records(tmp_path / "results")
    assert len(records) == 6
    assert {record.status for record in records.values()} == {"ok"}

    baseline = records["baseline_fp32/fp32"]
    assert baseline.accuracy.items == 600
    assert 0.5 < baseline.accuracy.metrics["recall_at_1"].value < 1
    assert baseline.artifact.total("parameters") == baseline.artifact.baseline_parameters
    assert records["dynamic_int8/per_channel"].artifact.total("bytes") < 0.6 * baseline.artifact.total("bytes")
    assert records["width_pruning/keep_50"].artifact.total("parameters") < 0.8 * baseline.artifact.total("parameters")
    assert records["magnitude_pruning/local_70"].accuracy.metrics["recall_at_1"].value < baseline.accuracy.metrics["recall_at_1"].value
    assert {step.method for step in records["per_component_int8/static_vision_dynamic_text"].cell.recipe} == {"static_int8", "dynamic_int8"}

    assert {name: part.macs for name, part in baseline.artifact.parts.items()} == {"vision": 2 * 64 * 256, "text": 2 * 64 * 160}
    assert baseline.artifact.operations("bit_operations") == 32 * 32 * baseline.artifact.operations("macs")
    assert records["dynamic_int8/per_channel"].artifact.operations("bit_operations") == 8 * 8 * baseline.artifact.operations("macs")
    pruned = records["magnitude_pruning/local_70"].artifact
    assert pruned.operations("macs") == baseline.artifact.operations("macs"), "a dense runtime multiplies by zeros too"
    assert pruned.operations("nonzero_macs") < 0.5 * pruned.operations("macs")
    assert records["width_pruning/keep_50"].artifact.operations("macs") < baseline.artifact.operations("macs")
    for record in records.values():  # a virtual machine often has no counter, and then there is a reason
        assert record.instructions.reason or record.instructions.per_request("artifact") > 1000

    columns = Store(tmp_path / "results").columns(baseline)
    assert columns["recall_at_1"].mean() == pytest.approx(baseline.accuracy.metrics["recall_at_1"].value)
    assert columns["baseline_ns"].shape == columns["compressed_ns"].shape
    assert columns["baseline_ns"].shape[0] == baseline.latency.launches == 3
    assert {columns[f"footprint:{side}:warm_up_ns"].shape for side in ("baseline", "compressed")} == {(2, 10)}

    before = {path: path.stat().st_mtime_ns for path in (tmp_path / "results").iterdir()}
    again = squeezemark(*command)
    assert again.returncode == 0
    assert "6 recorded already, 0 to do" in again.stdout
    assert before == {path: path.stat().st_mtime_ns for path in (tmp_path / "results").iterdir()}
    assert not list(work.glob("cell-*")), "a cell left its room behind"


MISBEHAVING = {
    "raises": (
        "compress_failed",
        "RuntimeError: no such luck",
        "def apply(parts, parameters, context):\n    raise RuntimeError('no such luck')\n",
    ),
    "gives_nan": (
        "invalid_output",
        "",
        "import numpy as np\nfrom onnx import numpy_helper\n"
        "def apply(parts, parameters, context):\n"
        "    for part in parts.values():\n"
        "        for tensor in part.graph.initializer:\n"
        "            array = numpy_helper.to_array(tensor)\n"
        "            if array.dtype == np.float32:\n"
        "                tensor.CopyFrom(numpy_helper.from_array(array * np.float32('nan'), tensor.name))\n"
        "    return parts\n",
    ),
    "hangs": ("timeout", "within 6 s", "import time\ndef apply(parts, parameters, context):\n    time.sleep(600)\n"),
    "eats_memory": (
        "out_of_memory",
        "more memory than it may use",
        "def apply(parts, parameters, context):\n    hoard = []\n    while True:\n        hoard.append(bytearray(1 << 28))\n",
    ),
    "dies": (
        "crashed",
        "SIGSEGV",
        "import os, signal\ndef apply(parts, parameters, context):\n    os.kill(os.getpid(), signal.SIGSEGV)\n",
    ),
    "tells_where": (
        "compress_failed",
        "KeyError: 'bits' (apply.py, line 2, in width)",
        "def width(parameters):\n    return parameters['bits']\n\ndef apply(parts, parameters, context):\n    return width(parameters)\n",
    ),
    "cannot_be_printed": (
        "compress_failed",
        "Mute (apply.py, line 4, in apply)",
        "class Mute(Exception):\n    def __str__(self): raise KeyError\ndef apply(parts, parameters, context):\n    raise Mute\n",
    ),
    "leaves": ("crashed", "exited with 3", "import os\ndef apply(parts, parameters, context):\n    os._exit(3)\n"),
    "corrupt": (
        "invalid_output",
        "",
        "def apply(parts, parameters, context):\n"
        "    for part in parts.values():\n        part.graph.node[0].input[0] = 'nowhere'\n    return parts\n",
    ),
    "not_onnx": (
        "compress_failed",
        "not an ONNX model",
        "def apply(parts, parameters, context):\n    return {name: b'' for name in parts}\n",
    ),
    "forgets": (
        "compress_failed",
        "was given the components vision, text and has to return these; it returned none",
        "def apply(parts, parameters, context):\n    return {}\n",
    ),
    "peeks": (
        "compress_failed",
        "data-free",
        "def apply(parts, parameters, context):\n    next(iter(context.feeds('vision')))\n    return parts\n",
    ),
    "finds_nothing": (
        "unsupported",
        "nothing to do here",
        "from suite.contracts import NotApplicable\ndef apply(parts, parameters, context):\n"
        "    raise NotApplicable('nothing to do here')\n",
    ),
    "prints": ("ok", None, "def apply(parts, parameters, context):\n    print('hello', flush=True)\n    return parts\n"),
}


def test_a_full_disk_ends_the_run_and_names_the_cell(squeezemark, new_method, tmp_path, work):
    source = "import errno\ndef apply(parts, parameters, context):\n    raise OSError(errno.ENOSPC, 'No space left on device')\n"
    plugins = new_method("fills", source)
    done = squeezemark("run", *MODEL, "--plugins", plugins, "--methods", "fills", "--results", tmp_path / "results", "--work", work)
    assert "The disk is full" in done.stderr
    assert done.stderr.endswith("It was at tiny_matcher · fills/only · x86_cpu_ort.\n")
    assert not _records(tmp_path / "results")


def test_a_method_that_writes_without_end_is_one_failed_cell_and_the_run_goes_on(squeezemark, new_method, tmp_path, work):
    source = """
def apply(parts, parameters, context):
    with open(context.scratch / "endless", "wb") as file:
        for _ in range(4096):
            file.write(bytes(1 << 20))
"""
    (tmp_path / "config.toml").write_text("[limits]\nfile_gib = 0.02\n")
    plugins, results = new_method("endless", source), tmp_path / "results"
    chosen = ("--plugins", plugins, "--methods", "endless,fp16", "--config", tmp_path / "config.toml")
    squeezemark("run", *MODEL, *chosen, "--results", results, "--work", work)
    found = {record.cell.method: record for record in _records(results).values()}
    assert found["endless"].status == "compress_failed"
    assert "it wrote a file that is larger than the limit" in found["endless"].reason
    assert found["fp16"].status == "ok"


@pytest.mark.parametrize(("free", "most"), [(64 << 30, 16 << 30), (2 << 30, (2 << 30) - (256 << 20)), (1 << 30, 0), (0, 0)])
def test_a_disk_that_is_nearly_full_is_no_method_s_failure(free, most, tmp_path, monkeypatch):
    monkeypatch.setattr("suite.workspace.shutil.disk_usage", lambda path: SimpleNamespace(free=free))
    assert Workspace(tmp_path, Config(), {}).job("compress")["file_bytes"] == most


def test_what_fails_before_a_method_is_asked_is_not_called_its_failure(squeezemark, tmp_path):
    (tmp_path / "config.toml").write_text("[limits]\ncompress_s = 0.1\n")
    results = tmp_path / "results"
    squeezemark(
        "run", *MODEL, "--methods", "baseline_fp32", "--config", tmp_path / "config.toml", "--results", results, "--work", tmp_path / "work"
    )
    (record,) = _records(results).values()
    assert (record.status, record.reason) == ("timeout", "exporting the uncompressed model: it did not end within 0.1 s")


@pytest.mark.parametrize("name", MISBEHAVING)
def test_a_method_that_misbehaves_is_one_typed_record(name, squeezemark, new_method, tmp_path, work):
    status, reason, source = MISBEHAVING[name]
    plugins = new_method(name, source)
    limits = tmp_path / "config.toml"
    limits.write_text(f"[limits]\ncompress_s = {6 if name == 'hangs' else 60}\nmemory_gib = 6\n")
    done = squeezemark(
        "run", *MODEL, "--plugins", plugins, "--methods", name, "--config", limits, "--results", tmp_path / "results", "--work", work
    )
    record = _records(tmp_path / "results")[f"{name}/only"]
    assert record.status == status, done.stdout + done.stderr
    assert "Traceback" not in done.stdout + done.stderr
    if status in ("ok", "unsupported"):
        assert done.returncode == 0
    else:
        assert done.returncode == 1
        assert reason in record.reason
        assert "\n" not in record.reason
        assert f"Failed: tiny_matcher · {name}/only · x86_cpu_ort: {status}: " in done.stderr


def test_a_method_that_claims_what_it_does_not_do_is_a_failed_cell(squeezemark, new_method, tmp_path, work):
    plugins = new_method("lies", "def apply(parts, parameters, context):\n    return parts\n", claims="Claims(weight_bits=4)")
    done = squeezemark("run", *MODEL, "--plugins", plugins, "--methods", "lies", "--results", tmp_path / "results", "--work", work)
    record = _records(tmp_path / "results")["lies/only"]
    assert done.returncode == 1
    assert record.status == "claim_not_borne_out"
    assert record.artifact is not None
    assert record.latency is None


def test_a_method_that_cannot_be_imported_does_not_stop_the_others(squeezemark, new_method, tmp_path, work):
    plugins = new_method("broken", "", card="raise ImportError('no module named magic')\n")
    options = ("--plugins", plugins, "--results", tmp_path / "results", "--work", work)
    named = squeezemark("run", *MODEL, "--methods", "broken", *options)
    assert named.returncode == 1
    assert named.stderr.count("\n") == 1
    assert "The method 'broken' cannot be used: importing it raised ImportError: no module named magic." in named.stderr
    others = squeezemark("run", *MODEL, "--methods", "baseline_fp32", *options)
    assert others.returncode == 1
    assert "Left out: The method 'broken'" in others.stderr
    assert _records(tmp_path / "results")["baseline_fp32/fp32"].status == "ok"


def _start(results: Path, work: Path) -> "subprocess.Popen[str]":
    methods = "baseline_fp32,magnitude_pruning,svd_low_rank"
    command = [sys.executable, "-m", "suite", "run", *map(str, MODEL), "--methods", methods, "--results", str(results), "--work", str(work)]
    return subprocess.Popen(
        command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, start_new_session=True, preexec_fn=heed_ctrl_c
    )


def _wait_for(condition, seconds=120):
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "it did not happen in time"
        time.sleep(0.02)


def _children_of(pid: int) -> list[int]:
    return [int(child) for path in Path(f"/proc/{pid}/task").glob("*/children") for child in path.read_text().split()]


LINUX = pytest.mark.skipif(sys.platform != "linux", reason="processes are looked up in /proc")


@LINUX
def test_a_killed_run_goes_on_where_it_was(squeezemark, tmp_path, work):
    results = tmp_path / "results"
    for done in (1, 3):
        process = _start(results, work)
        _wait_for(lambda done=done, pid=process.pid: len(list(results.glob("*.json"))) >= done and _children_of(pid))
        children = _children_of(process.pid)
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()
        process.stdout.close()
        _wait_for(lambda children=children: not any(Path(f"/proc/{child}/cmdline").exists() and _alive(child) for child in children))
    kept = {path.name: path.read_bytes() for path in results.glob("*.json")}
    assert len(kept) >= 3
    done = squeezemark("run", *MODEL, "--methods", "baseline_fp32,magnitude_pruning,svd_low_rank", "--results", results, "--work", work)
    assert done.returncode == 0, done.stdout + done.stderr
    assert kept.items() <= {path.name: path.read_bytes() for path in results.glob("*.json")}.items(), "a finished record was lost"
    records = list(Store(results).records())
    assert len(records) == len({(r.cell.method, r.cell.variant) for r in records}) == 10
    assert Store(results).broken() == ()
    assert all(Store(results).columns(record) for record in records)


def _alive(pid: int) -> bool:
    return Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0] != "Z"


def test_ctrl_c_keeps_what_is_finished(tmp_path, work):
    process = _start(tmp_path / "results", work)
    _wait_for(lambda: list((tmp_path / "results").glob("*.json")))
    process.send_signal(signal.SIGINT)
    output = process.communicate(timeout=60)[0]
    assert process.returncode == 130
    assert "Every finished cell is recorded" in output
    assert "Traceback" not in output
    assert Store(tmp_path / "results").broken() == ()


@LINUX
def test_a_second_run_in_the_same_working_folder_is_refused_and_harms_nothing(squeezemark, tmp_path, work):
    results = tmp_path / "results"
    first = _start(results, work)
    _wait_for(lambda: _children_of(first.pid))
    second = squeezemark("run", *MODEL, "--methods", "baseline_fp32", "--results", results, "--work", work)
    assert (second.returncode, second.stderr.count("\n")) == (1, 1)
    assert f"Another run works in {work}" in second.stderr
    output = first.communicate(timeout=300)[0]
    assert first.returncode == 0, output
    assert len(list(Store(results).records())) == 10


def test_results_that_cannot_be_written_are_said_at_once(squeezemark, tmp_path, work):
    (tmp_path / "file").write_text("")
    done = squeezemark("run", *MODEL, "--methods", "baseline_fp32", "--results", tmp_path / "file" / "results", "--work", work)
    assert done.returncode == 1
    assert "cannot be written" in done.stderr
    assert done.stderr.count("\n") == 1


def test_a_working_folder_that_cannot_be_written_is_said_with_its_name(tmp_path):
    (tmp_path / "lock").mkdir()  # whoever tests as root may write everywhere else
    told = r"The working folder .* cannot be written \(Is a directory\); choose another with --work"
    with pytest.raises(NotWritable, match=told), Workspace(tmp_path, Config(), {}).held():
        pass


def test_one_run_after_another_holds_the_working_folder(tmp_path):
    room = Workspace(tmp_path, Config(), {})
    with room.held(), pytest.raises(InUse, match="Another run works in"), room.held():
        pass
    with room.held():
        pass


def test_the_artifact_that_runs_is_the_one_that_was_hashed(tmp_path):
    from suite.errors import CellFailed
    from suite.evaluate import Bundle
    from suite.record import Artifact, Part

    (tmp_path / "vision.onnx").write_bytes(b"other bytes")
    part = Part("vision.onnx", "0" * 64, 11, 11, 1, 1, {}, {})
    with pytest.raises(CellFailed, match="bytes changed"):
        Bundle(tmp_path, Artifact({"vision": part}, 1, ())).files()


def test_json_for_scripts(squeezemark, tmp_path):
    for command in (("list", "models"), ("list", "targets"), ("plan", *MODEL, "--results", tmp_path), ("doctor",)):
        rows = json.loads(squeezemark(*command, "--json").stdout)
        assert rows
        assert all(isinstance(row, dict) and row["name"] for row in rows), command
    assert all("tier" in row for row in json.loads(squeezemark("list", "models", "--json").stdout))
    assert all(isinstance(row["runs_here"], bool) for row in json.loads(squeezemark("list", "targets", "--json").stdout))
