"""A model of the user's own, in one file: written, run, edited, and refused in one sentence."""

import shutil

import pytest
from cards import registry
from conftest import PLUGINS
from own_models import BROKEN, UNREADABLE, with_text

from suite.config import Config
from suite.plan import plan
from suite.store import Store


@pytest.fixture
def model(own_model, tmp_path):
    """A copy of the template's model in a folder whose name has a space."""
    folder = tmp_path / "my models"
    shutil.copytree(own_model.parent, folder)
    return folder / own_model.name


def _run(model, folder):
    return ("run", "--model", model, "--methods", "baseline_fp32", "--results", folder / "results", "--work", folder / "work")


def _one_sentence(done, sentence: str) -> None:
    assert sentence in done.stderr, done.stdout + done.stderr
    assert "Traceback" not in done.stdout + done.stderr
    assert done.stderr.count("\n") == 1, done.stderr


@pytest.mark.parametrize("why", UNREADABLE)
def test_a_file_that_cannot_be_read_is_one_sentence_whoever_asks(why, model, squeezemark, tmp_path):
    edit, sentence = UNREADABLE[why]
    edit(model)
    done = squeezemark(*_run(model, tmp_path))
    assert done.returncode == 1
    _one_sentence(done, sentence)
    assert not list(tmp_path.glob("results/*"))


@pytest.mark.parametrize("command", ["check-model", "compress", "plan", "describe", "with another"])
def test_and_so_it_is_for_every_command(command, model, squeezemark, tmp_path):
    edit, sentence = UNREADABLE["raises on import"]
    edit(model)
    out = tmp_path / "out"
    arguments = {
        "check-model": (command, model),
        "compress": (command, "--model", model, "--recipe", "dynamic_int8/per_channel", "--out", out),
        "plan": (command, "--model", model),
        "describe": (command, "own_model", "--model", model),
        "with another": ("plan", "--models", "glyph_clip", "--model", model),
    }[command]
    done = squeezemark(*arguments)
    assert done.returncode == 1
    _one_sentence(done, sentence)
    assert not out.exists()


@pytest.mark.parametrize("why", BROKEN)
def test_what_is_wrong_with_a_model_is_one_typed_record(why, model, squeezemark, tmp_path):
    edit, sentence = BROKEN[why]
    edit(model)
    done = squeezemark(*_run(model, tmp_path))
    assert done.returncode == 1
    _one_sentence(done, sentence)
    (record,) = Store(tmp_path / "results").records()
    assert record.status in ("export_failed", "invalid_output")
    assert sentence in record.reason


def _copy(model, folder, name):
    folder.mkdir(exist_ok=True)
    target = folder / name
    shutil.copyfile(model, target)
    return target


def test_two_models_of_one_name_are_refused(model, squeezemark, tmp_path):
    other = _copy(model, tmp_path / "others", "own_model.py")
    done = squeezemark("run", "--model", model, "--model", other)
    assert done.returncode == 2
    _one_sentence(done, "Two models of the name 'own_model' were given")
    twice = squeezemark("plan", "--model", model, "--model", model, "--methods", "baseline_fp32", "--results", tmp_path / "results")
    assert twice.returncode == 0, twice.stderr


@pytest.mark.parametrize("name", ["glyph_clip", "layers", "scenes"])
def test_a_name_of_the_package_is_taken(name, model, squeezemark, tmp_path):
    taken = _copy(model, tmp_path, f"{name}.py")
    for arguments in (("run", "--model", taken), ("check-model", taken), ("run", "--model", taken, "--models", "scene_vqa")):
        done = squeezemark(*arguments)
        assert done.returncode == 2
        _one_sentence(done, f"A model file cannot be called {name}.py: {name!r} is taken already")


def test_a_name_of_a_plug_in_folder_is_taken_too(model, squeezemark, tmp_path):
    taken = _copy(model, tmp_path, "tiny_matcher.py")
    done = squeezemark("plan", "--model", taken, "--plugins", PLUGINS)
    assert done.returncode == 2
    _one_sentence(done, "'tiny_matcher' is taken already")


@pytest.mark.parametrize(
    ("file", "sentence"),
    [
        ("missing.py", "There is no model file missing.py"),
        ("tests", "tests is a folder: a model is one file"),
        ("README.md", "There is no model file README.md"),
        ("tests/golden/../My_Model.py", "There is no model file"),
    ],
)
def test_what_is_no_model_file(file, sentence, squeezemark):
    done = squeezemark("run", "--model", file)
    assert done.returncode == 2
    _one_sentence(done, sentence)


def test_a_name_with_capitals(model, squeezemark, tmp_path):
    done = squeezemark("run", "--model", _copy(model, tmp_path, "MyModel.py"))
    assert done.returncode == 2
    _one_sentence(done, "needs a name of lower-case letters, digits and '_'")


def test_new_model_writes_over_nothing_and_needs_a_name(squeezemark, tmp_path):
    (tmp_path / "taken.npz").write_bytes(b"mine")
    done = squeezemark("new-model", "taken", cwd=tmp_path)
    assert done.returncode == 2
    _one_sentence(done, "taken.npz exists already and is not written over")
    for name, sentence in (("Mine", "cannot be called 'Mine'"), ("../up", "cannot be called"), ("scene_vqa", "is taken already")):
        done = squeezemark("new-model", name, cwd=tmp_path)
        assert done.returncode == 2
        _one_sentence(done, sentence)
    assert [path.name for path in tmp_path.iterdir()] == ["taken.npz"]
    assert (tmp_path / "taken.npz").read_bytes() == b"mine"


def test_new_model_gives_the_same_bytes_each_time(own_model, squeezemark, tmp_path):
    done = squeezemark("new-model", "own_model", "--out", "a folder", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    for path in (own_model, own_model.with_suffix(".npz")):
        assert (tmp_path / "a folder" / path.name).read_bytes() == path.read_bytes()
    assert "my_model" not in own_model.read_text()
    assert "type: ignore" not in own_model.read_text()


def test_every_method_runs_on_it_from_anywhere_and_an_edit_is_measured_anew(model, squeezemark, tmp_path):
    methods = ["baseline_fp32", "dynamic_int8/all_ops", "int4_rtn", "magnitude_pruning/global_70", "static_int8/all_ops", "svd_llm/keep_50"]
    command = ("run", "--model", "my models/own_model.py", "--results", "results", "--work", "work", "--methods")
    done = squeezemark(*command, ",".join([*methods, "width_pruning", "per_component_int8"]), cwd=tmp_path)
    assert done.returncode == 0, done.stdout + done.stderr
    records = {f"{record.cell.method}/{record.cell.variant}": record for record in Store(tmp_path / "results").records()}
    assert len(records) == 10
    assert {record.status for record in records.values()} == {"ok"}
    baseline = records["baseline_fp32/fp32"]
    assert baseline.accuracy.metrics["matching_accuracy"].low > 0.8
    assert records["int4_rtn/block_32"].artifact.total("bytes") < 0.25 * baseline.artifact.total("bytes")
    assert records["magnitude_pruning/global_70"].accuracy.metrics["matching_accuracy"].high < 0.75
    assert baseline.provenance.command.startswith("squeezemark run --model own_model.py --methods baseline_fp32,baseline_fp32/fp32 ")
    assert str(tmp_path) not in "".join(path.read_text() for path in (tmp_path / "results").glob("*.json"))

    again = squeezemark(*command, "baseline_fp32", cwd=tmp_path)
    assert "1 recorded already, 0 to do" in again.stdout
    with_text("THRESHOLD = 80, 0.33", "THRESHOLD = 80, 0.99")(model)  # as long as before, and within the same second
    anew = squeezemark(*command, "baseline_fp32", cwd=tmp_path)
    assert "0 recorded already, 1 to do" in anew.stdout, anew.stderr
    found = [record for record in Store(tmp_path / "results").records() if record.cell.method == "baseline_fp32"]
    assert len(found) == 2
    assert min(record.accuracy.metrics["matching_accuracy"].value for record in found) < 0.7
    assert not (tmp_path / "my models" / "__pycache__").exists()
    site = squeezemark("render", "--results", "results", "--out", "site", "--model", "my models/own_model.py", cwd=tmp_path)
    assert site.returncode == 0, site.stderr
    assert "does the caption fit the picture?" in (tmp_path / "site" / "index.html").read_text()


def test_train_fits_it_again(model, squeezemark):
    before = model.with_suffix(".npz").read_bytes()
    model.with_suffix(".npz").write_bytes(b"")
    done = squeezemark("train", "own_model", "--model", model)
    assert done.returncode == 0, done.stderr
    assert "own_model.npz: squared_error 0.3" in done.stdout
    assert model.with_suffix(".npz").read_bytes() == before


def test_the_command_of_a_record_names_the_file_and_no_folder():
    found = registry(files={"clip": "clip.py"})
    whole = plan(Config(models=("clip", "vqa"), methods=("int8/per_tensor",), targets=("x86",)), found, "here", {}).cells
    assert [planned.command.split(" --methods")[0] for planned in whole] == [
        "squeezemark run --model clip.py",
        "squeezemark run --models vqa",
    ]
    parts = plan(Config(models=("clip",), methods=("int8/per_tensor",), targets=("x86",), one_component=True), found, "here", {}).cells
    assert {planned.command.split(" --methods")[0] for planned in parts if planned.cell.component} == {"squeezemark sensitivity clip.py"}
