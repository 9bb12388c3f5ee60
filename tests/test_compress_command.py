"""`squeezemark compress` hands over files that run without this package, and says of them what was measured."""

import json
import os
import shutil
import signal
import subprocess
import sys
import time

import numpy as np
import pytest
from conftest import PLUGINS, ROOT, heed_ctrl_c
from own_models import BROKEN

from suite.hashing import hash_file
from suite.record import decode

TINY = ("--model", "tiny_matcher", "--plugins", PLUGINS)
FILES = {"README.md", "example.py", "example_inputs.npz", "example_outputs.npz", "manifest.json", "record.json", "text.onnx", "vision.onnx"}


@pytest.fixture(scope="module")
def delivered(tmp_path_factory, work):
    """tiny_matcher by dynamic_int8/per_channel in a folder whose name has a space, and what was printed."""
    folder = tmp_path_factory.mktemp("delivered")
    command = [sys.executable, "-m", "suite", "compress", *map(str, TINY), "--recipe", "dynamic_int8/per_channel", "--out", "small model"]
    done = subprocess.run(
        [*command, "--work", str(work)], cwd=folder, capture_output=True, text=True, env=os.environ | {"PYTHONPATH": str(ROOT)}
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return folder / "small model", done.stdout


def test_everything_is_there_and_is_what_the_manifest_says(delivered):
    folder, printed = delivered
    assert {path.name for path in folder.iterdir()} == FILES
    manifest = json.loads((folder / "manifest.json").read_text())
    assert manifest["files"] == {name: hash_file(folder / name) for name in FILES - {"manifest.json"}}
    record = decode((folder / "record.json").read_bytes())
    for name, component in manifest["components"].items():
        part = record.artifact.parts[name]
        assert (component["file"], component["sha256"], component["bytes"]) == (part.file, part.sha256, part.bytes)
        assert manifest["files"][part.file] == part.sha256
    assert manifest["components"]["text"]["inputs"] == [{"name": "ids", "dtype": "int64", "shape": ["batch", 1]}]
    assert manifest["recipe"]["steps"][0]["parameters"] == record.cell.recipe[0].parameters
    assert manifest["model"]["licence"] == "Apache-2.0"
    verdict = manifest["verdict"]
    assert verdict["accuracy"]["value"] == record.accuracy.metrics["recall_at_1"].value
    assert verdict["difference"]["low"] <= verdict["difference"]["value"] <= verdict["difference"]["high"]
    assert verdict["bytes"] == record.artifact.total("bytes") < 0.6 * verdict["baseline_bytes"]
    assert verdict["speed_up"]["value"] == record.latency.speed_up.value
    readme = (folder / "README.md").read_text()
    for line in printed.splitlines()[-4:-1]:
        assert line in readme
    assert str(folder.parent) not in readme + (folder / "manifest.json").read_text() + (folder / "record.json").read_text()


def test_the_example_runs_without_this_package(delivered, tmp_path):
    folder = shutil.copytree(delivered[0], tmp_path / "elsewhere")
    code = (folder / "example.py").read_text()
    body = [line for line in code.splitlines() if line.strip() and not line.startswith(("import", "from", '"""'))]
    assert len(body) <= 10
    guard = (
        "import sys\nclass No:\n    def find_spec(self, name, path=None, target=None):\n"
        "        assert name.partition('.')[0] not in ('suite', 'methods', 'targets', 'torch', 'onnx'), name\n"
        "sys.meta_path.insert(0, No())\nimport runpy; runpy.run_path('elsewhere/example.py')"
    )
    done = subprocess.run(
        [sys.executable, "-P", "-c", guard], cwd=tmp_path, capture_output=True, text=True, env={"PATH": os.environ["PATH"]}
    )
    assert done.returncode == 0, done.stderr
    lines = done.stdout.splitlines()
    assert [line.partition(":")[0] for line in lines] == ["vision", "text"]
    assert "image_embeds (1, 64) float32" in lines[0]
    assert all(float(line.rpartition(", ")[2].split()[0]) < 1e-3 for line in lines)


def test_what_is_shipped_as_expected_is_what_the_files_answer(delivered):
    import onnxruntime

    folder = delivered[0]
    with np.load(folder / "example_inputs.npz") as given, np.load(folder / "example_outputs.npz") as expected:
        assert set(given.files) == {"vision.pixels", "text.ids"}
        session = onnxruntime.InferenceSession(str(folder / "vision.onnx"), providers=["CPUExecutionProvider"])
        (answer,) = session.run(None, {"pixels": given["vision.pixels"]})
        assert np.abs(answer).max() > 0.1
        assert np.allclose(answer, expected["vision.image_embeds"], atol=1e-3)


def test_what_is_recorded_is_not_measured_again(delivered, squeezemark, tmp_path, work):
    folder = delivered[0]
    done = squeezemark(
        "compress", *TINY, "--recipe", "dynamic_int8/per_channel", "--out", tmp_path / "again", "--results", folder.parent / "results",
        "--work", work,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert "2 recorded already, 0 to do" in done.stdout
    for name in FILES:
        assert (tmp_path / "again" / name).read_bytes() == (folder / name).read_bytes(), name


def test_a_folder_that_cannot_be_written_is_one_sentence_before_anything_is_measured(squeezemark, tmp_path):
    (tmp_path / "file").write_text("")
    done = squeezemark("compress", *TINY, "--recipe", "dynamic_int8/per_channel", "--out", tmp_path / "file" / "out", cwd=tmp_path)
    assert done.returncode == 1
    assert "out cannot be written" in done.stderr
    assert done.stderr.count("\n") == 1
    assert [path.name for path in tmp_path.iterdir()] == ["file"]


def test_a_folder_with_something_in_it_is_left_alone(squeezemark, tmp_path):
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "mine").write_text("mine")
    for out, sentence in (("full", "is not empty, and nothing is written over"), ("full/mine", "is a file")):
        done = squeezemark("compress", *TINY, "--recipe", "dynamic_int8/per_channel", "--out", tmp_path / out)
        assert done.returncode == 2
        assert sentence in done.stderr
        assert done.stderr.count("\n") == 1
    assert [path.name for path in tmp_path.rglob("*")] == ["full", "mine"]


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (("--model", "glyph_clip", "--recipe", "mine.toml"), "There is no recipe file mine.toml: a recipe is one file my_recipe.toml"),
        (("--model", "glyph_clip", "--recipe", "int4_rtn"), "take one of int4_rtn/block_32, int4_rtn/block_128"),
        (("--model", "glyph_clip", "--recipe", "int4_rnt/block_32"), "Did you mean 'int4_rtn'?"),
        (("--model", "glyph_clip", "--recipe", "int4_rtn/block_33"), "Did you mean 'block_32'?"),
        (("--model", "glyph_clap", "--recipe", "int4_rtn/block_32"), "Did you mean 'glyph_clip'?"),
        (("--model", "no/such.py", "--recipe", "int4_rtn/block_32"), "There is no model file no/such.py"),
        (("--model", "glyph_clip", "--recipe", "int4_rtn/block_32", "--target", "x86_cpu"), "Did you mean 'x86_cpu_ort'?"),
    ],
)
def test_a_wrong_request_is_one_sentence(arguments, sentence, squeezemark, tmp_path):
    done = squeezemark("compress", *arguments, "--out", tmp_path / "out")
    assert done.returncode == 2
    assert sentence in done.stderr
    assert done.stderr.count("\n") == 1
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("why", ["lacks a tensor", "pickle", "component absent", "NaN", "label out of range", "empty"])
def test_a_model_that_is_wrong_is_one_sentence_and_no_folder(why, own_model, squeezemark, tmp_path):
    shutil.copytree(own_model.parent, tmp_path / "own")
    edit, sentence = BROKEN[why]
    edit(tmp_path / "own" / own_model.name)
    done = squeezemark("compress", "--model", "own/own_model.py", "--recipe", "int4_rtn/block_32", "--out", "out", cwd=tmp_path)
    assert done.returncode == 1
    assert sentence in done.stderr
    assert done.stderr.count("\n") == 1
    assert "Traceback" not in done.stderr
    assert {path.name for path in tmp_path.iterdir()} == {"own", "results", ".squeezemark"}


def test_a_method_that_fails_leaves_no_folder(squeezemark, new_method, tmp_path, work):
    plugins = new_method("lies", "def apply(parts, parameters, context):\n    return parts\n", claims="Claims(weight_bits=4)")
    done = squeezemark(
        "compress", *TINY, "--plugins", plugins, "--recipe", "lies/only", "--out", tmp_path / "out", "--results", tmp_path / "results",
        "--work", work,
    )  # fmt: skip
    assert done.returncode == 1
    assert "Failed: tiny_matcher · lies/only · x86_cpu_ort: claim_not_borne_out" in done.stderr
    assert not list(tmp_path.glob("*out*"))


def test_an_artifact_that_comes_out_otherwise_is_measured_anew(squeezemark, new_method, tmp_path, work):
    drift = (
        "import time\nimport numpy as np\nfrom suite.graph import replace, weights\n\n"
        "def apply(parts, parameters, context):\n    for model in parts.values():\n"
        "        replace(model, {w.name: w.array * np.float32(1 + time.time() % 1e-2) for w in weights(model)})\n    return parts\n"
    )
    plugins = new_method("drifts", drift)
    results = tmp_path / "results"
    for turn in ("one", "two"):
        done = squeezemark(
            "compress",
            *TINY,
            "--plugins",
            plugins,
            "--recipe",
            "drifts/only",
            "--out",
            tmp_path / turn,
            "--results",
            results,
            "--work",
            work,
        )
        assert done.returncode == 0, done.stderr
    manifests = [json.loads((tmp_path / turn / "manifest.json").read_text()) for turn in ("one", "two")]
    assert manifests[0]["components"]["vision"]["sha256"] != manifests[1]["components"]["vision"]["sha256"]
    for turn, manifest in zip(("one", "two"), manifests, strict=True):
        assert hash_file(tmp_path / turn / "vision.onnx") == manifest["components"]["vision"]["sha256"]


def test_ctrl_c_leaves_nothing_half_written(tmp_path, work):
    command = [
        sys.executable,
        "-m",
        "suite",
        "compress",
        *map(str, TINY),
        "--recipe",
        "width_pruning/keep_50",
        "--out",
        str(tmp_path / "out"),
    ]
    process = subprocess.Popen(
        [*command, "--results", str(tmp_path / "results"), "--work", str(work)], cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
        text=True, start_new_session=True, preexec_fn=heed_ctrl_c,
    )  # fmt: skip
    end = time.monotonic() + 60
    while not list(tmp_path.glob("results/*.json")):
        assert time.monotonic() < end
        time.sleep(0.02)
    assert list(tmp_path.glob(".out-*"))
    process.send_signal(signal.SIGINT)
    output = process.communicate(timeout=60)[0]
    assert process.returncode == 130
    assert "Traceback" not in output
    assert [path.name for path in tmp_path.iterdir()] == ["results"]
