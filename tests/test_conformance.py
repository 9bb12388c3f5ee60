"""`squeezemark check-model` says what is missing, and nothing else is: every breakage has its own line."""

import json
import shutil
import subprocess
import sys

import numpy as np
import pytest
from conftest import PLUGINS
from own_models import BROKEN, with_text
from safetensors.numpy import save_file

REMOVED = {
    "load": ("def load(", "def loaded("),
    "test": ("def test(", "def tested("),
    "calibration": ("def calibration(", "def calibrated("),
    "request": ("def request(", "def requested("),
    "score": ("def score(", "def scored("),
}

WRONG = {
    "heavy": ("import numpy as np\n", "import numpy as np\nimport onnxruntime\n", "light import", "importing it loads onnxruntime"),
    "no licence": ('licence="Apache-2.0"', 'licence=""', "card", "it has no licence"),
    "chance": ("chance=0.5", "chance=50.0", "card", "its chance is 50.0, not from 0 to 1"),
    "modality": (
        '            "vision",\n            (',
        '            "visual",\n            (',
        "card",
        "vision has the modality 'visual'",
    ),
    "dtype": ('Tensor("pixels", "float32"', 'Tensor("pixels", "float16"', "card", "pixels of vision has the dtype 'float16'"),
    "training mode": ('"text": text}).eval()', '"text": text})', "load", None),
    "other bytes": (
        "np.random.default_rng([stream, seed])",
        "np.random.default_rng()",
        "test split",
        "test(0) gives other bytes each time",
    ),
    "seed ignored": (
        "np.random.default_rng([stream, seed])",
        "np.random.default_rng(stream)",
        "test split",
        "test(1) gives the same items",
    ),
    "leak": (
        "draw(1, seed, items)[0]",
        "{name: array[:items] for name, array in draw(0, seed, 2000)[0].items()}",
        "calibration split",
        "128 of 128 calibration items are in the test split",
    ),
    "answer among inputs": (
        'return Split(inputs, {"fits"',
        'return Split({**inputs, "fits": words}, {"fits"',
        "test split",
        "fits: among the inputs and the labels",
    ),
    "no labels": (
        'return Split(inputs, {"fits": (inputs["captions"] == words).all(1)})',
        "return Split(inputs, {})",
        "test split",
        "no labels",
    ),
    "undecided": (
        "image @ text / np.float32(WIDTH)",
        "image @ text + np.random.default_rng().random()",
        "glue",
        "request() answers item 0 differently each time",
    ),
    "too few texts": (
        'for fits in labels["fits"]]',
        'for fits in labels["fits"][:3]]',
        "score",
        "truths() and answers() give 3 and 40 texts",
    ),
    "exhibit": (
        'Picture("the picture", split.inputs["pictures"]',
        'Picture("the picture", split.inputs["photos"]',
        "score",
        "KeyError: 'photos'",
    ),
    "unlisted": (
        "read(folder / CARD.files[0]), CARD.files[0])",
        "read(folder / CARD.files[0]), (folder / 'notes.txt').read_text())",
        "files",
        "it reads notes.txt, which its card does not list in `files`",
    ),
    "unlisted, further below": (
        "read(folder / CARD.files[0]), CARD.files[0])",
        "read(folder / CARD.files[0]), (folder / 'more' / 'notes.txt').read_text())",
        "files",
        "it reads more/notes.txt, which its card does not list in `files`",
    ),
    "unlisted, read past Python": (
        "    return dict(network.items())",
        "    from safetensors import safe_open\n\n    safe_open(str(folder / 'more.safetensors'), 'np')\n    return dict(network.items())",
        "files",
        "No such file or directory: more.safetensors; `files` lacks what it reads",
    ),
    "dies": ("    network = fill(", "    import os\n    os.abort()\n    network = fill(", "load", "crashed: it died of SIGABRT"),
}


@pytest.fixture
def model(own_model, tmp_path):
    shutil.copytree(own_model.parent, tmp_path / "own")
    (tmp_path / "own" / "more").mkdir()
    for notes in ("notes.txt", "more/notes.txt"):
        (tmp_path / "own" / notes).write_text("own_model.npz")
    save_file({"more": np.zeros(3)}, tmp_path / "own" / "more.safetensors")
    return tmp_path / "own" / own_model.name


def _check(squeezemark, model, *options):
    done = squeezemark("check-model", model, "--json", *options)
    assert "Traceback" not in done.stdout + done.stderr
    return done, json.loads(done.stdout) if done.stdout else []


def test_the_template_passes(model, squeezemark, tmp_path):
    done, rows = _check(squeezemark, model)
    assert done.returncode == 0, done.stdout
    assert {row["state"] for row in rows} == {"ok", "hint"}
    assert {row["name"] for row in rows} >= {"card", "light import", "load", "calibration split", "export", "light worker", "above chance"}
    words = squeezemark("check-model", "own/own_model.py", cwd=tmp_path)
    assert words.returncode == 0
    assert "own_model can be run: no check of" in words.stdout
    assert not list((tmp_path / "own").glob("__pycache__"))


def test_random_numbers_at_the_top_of_its_file_need_no_other_library(model):
    """numpy.random is loaded when it is first used, and brings modules that are no libraries."""
    with_text("SIDE, WIDTH = 16, 32\n", "SIDE, WIDTH = 16, 32\nCODES = np.random.default_rng(0).integers(0, 9, 3)\n")(model)
    script = f"""
from suite import plugins, worker
plugins.add({{"suite.models": [{str(model)!r}]}})
print(worker.imports({{"model": "own_model"}}, print))
"""
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "{'libraries': []}"


@pytest.mark.parametrize("name", ["tiny_matcher", "tiny_writer"])
def test_a_model_in_a_folder_passes_by_its_name(name, squeezemark):
    done, rows = _check(squeezemark, name, "--plugins", PLUGINS)
    assert done.returncode == 0, done.stdout
    assert {row["state"] for row in rows} <= {"ok", "hint", "warning"}


@pytest.mark.parametrize("function", REMOVED)
def test_a_function_that_is_missing(function, model, squeezemark):
    with_text(*REMOVED[function])(model)
    done, rows = _check(squeezemark, model)
    assert done.returncode == 1
    (missing,) = [row for row in rows if row["state"] == "MISSING"]
    assert missing["words"].startswith(f"{function}(): {function}(")
    assert not [row for row in rows if row["state"] == "wrong"]


@pytest.mark.parametrize("why", WRONG)
def test_what_is_wrong_is_said_where_it_is(why, model, squeezemark):
    old, new, check, sentence = WRONG[why]
    with_text(old, new)(model)
    done, rows = _check(squeezemark, model)
    bad = [row for row in rows if row["state"] in ("wrong", "MISSING")]
    if sentence is None:  # mended by what loads it
        assert not bad
        return
    assert done.returncode == 1
    assert [row for row in bad if row["name"] == check and sentence in row["words"]], rows
    assert bad[0]["name"] == check
    assert len(bad) == 1 or check == "card", "one cause, one complaint"


@pytest.mark.parametrize("why", BROKEN)
def test_whatever_fails_a_run_fails_the_check_with_the_same_words(why, model, squeezemark):
    edit, sentence = BROKEN[why]
    edit(model)
    done, rows = _check(squeezemark, model)
    assert done.returncode == 1
    assert [row for row in rows if row["state"] == "wrong" and sentence in row["words"]], rows
    assert all("\n" not in row["words"] for row in rows)


def test_what_is_merely_poor_is_a_warning(model, squeezemark):
    with_text("THRESHOLD = 80, 0.33", "THRESHOLD = 80, 9.0")(model)
    with_text("inputs, words = draw(0, seed, 2000)", "inputs, words = draw(0, seed, 150)")(model)
    done, rows = _check(squeezemark, model)
    assert done.returncode == 0
    warnings = {row["name"]: row["words"] for row in rows if row["state"] == "warning"}
    assert warnings["test split"] == "only 150 test items: the interval of an accuracy is up to ±8 points wide"
    assert "by chance 0.500: nothing can be lost" in warnings["above chance"]


def test_what_may_be_left_out_is_a_hint(model, squeezemark):
    for function in ("slices", "truths", "answers", "exhibit"):
        with_text(f"def {function}(", f"def no_{function}(")(model)
    done, rows = _check(squeezemark, model)
    assert done.returncode == 0
    hints = [row["words"] for row in rows if row["state"] == "hint"]
    assert sum(words.startswith("without ") for words in hints) == 4
    assert [words for words in hints if words.startswith("matching_accuracy: a metric of its own")]


def test_a_name_that_is_none(squeezemark):
    done = squeezemark("check-model", "glyph_clap")
    assert done.returncode == 2
    assert done.stderr.count("\n") == 1
    assert "Did you mean 'glyph_clip'?" in done.stderr


def test_a_name_that_is_a_file_here(model, squeezemark):
    done = squeezemark("check-model", "own_model", cwd=model.parent)
    assert done.returncode == 2
    assert "for the file here write own_model.py" in done.stderr
