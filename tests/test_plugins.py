"""Plug-ins in folders and models in one file are imported by name, wherever they lie."""

import subprocess
import sys

import pytest
from conftest import ROOT

from suite import plugins


@pytest.fixture
def single(tmp_path, monkeypatch):
    """Writes a model in one file and lets it be imported; forgotten afterwards."""
    monkeypatch.setattr(plugins._files, "paths", {})

    def write(name: str, text: str = "WORD = 'here'\n"):
        file = tmp_path / f"{name}.py"
        file.write_text(text)
        plugins.add({"suite.models": [str(file)]})
        return file

    yield write
    for name in [name for name in sys.modules if name.startswith("suite.models.single_")]:
        del sys.modules[name]


def test_one_file_is_every_part_of_a_model(single):
    file = single("single_a")
    parts = {plugins.model_part("single_a", part) for part in ("card", "network", "task", "data")}
    assert {module.WORD for module in parts} == {"here"}
    assert len(parts) == 1
    assert plugins.model_folder("single_a") == file.parent
    assert plugins.single_files("suite.models") == {"single_a": file}
    assert plugins.single_files("methods") == {}


def test_a_folder_has_a_module_for_each_part():
    assert plugins.model_part("scene_vqa", "card").CARD.name == "scene_vqa"
    assert plugins.model_part("scene_vqa", "task").__name__ == "suite.models.scene_vqa.task"
    assert (plugins.model_folder("scene_vqa") / "weights.safetensors").is_file()


def test_adding_twice_is_adding_once(single):
    file = single("single_b")
    before = list(sys.meta_path)
    plugins.add({"suite.models": [str(file)]})
    assert sys.meta_path == before
    assert plugins.model_part("single_b", "task") is plugins.model_part("single_b", "task")


def test_what_importing_raises_is_raised(single):
    single("single_c", "raise RuntimeError('no such luck')\n")
    with pytest.raises(RuntimeError, match="no such luck"):
        plugins.model_part("single_c", "task")
    with pytest.raises(ModuleNotFoundError):
        plugins.model_part("single_nowhere", "task")


def test_a_process_that_is_told_the_paths_finds_the_same(single):
    file = single("single_d")
    code = (
        f"from suite import plugins; plugins.add({{'suite.models': [{str(file)!r}]}}); print(plugins.model_part('single_d', 'data').WORD)"
    )
    assert subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True).stdout == "here\n"
