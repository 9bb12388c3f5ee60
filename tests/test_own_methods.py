"""Methods that lie outside of the package: folders that are named, and those that an installed distribution brings."""

import os
import subprocess
import sys
from pathlib import Path

import bad_methods
import pytest
from conftest import PLUGINS, ROOT

from suite import own_methods
from suite.cli import cli
from suite.errors import ConfigError
from suite.hashing import hash_folder
from suite.store import Store

APPLY = f"{bad_methods.HEAD}    return changed(parts, half)\n"


def method(folder: Path) -> Path:
    """Writes a method of the folder's name that prunes half of each weight."""
    folder.mkdir(parents=True)
    (folder / "__init__.py").write_text(bad_methods.CARD.format(name=folder.name, claims="Claims(sparsity=0.5)"))
    (folder / "apply.py").write_text(APPLY)
    return folder


def distribution(site: Path, name: str, entries: dict[str, str]) -> None:
    """What installing a distribution leaves: its metadata, with the methods that it brings."""
    folder = site / f"{name}-1.2.dist-info"
    folder.mkdir(parents=True)
    (folder / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.2\n")
    lines = "".join(f"{entry} = {module}\n" for entry, module in entries.items())
    (folder / "entry_points.txt").write_text(f"[squeezemark.methods]\n{lines}")


@pytest.fixture
def site(tmp_path):
    """A folder on the path of Python with a package that brings two methods, one of which has a name that is taken."""
    site = tmp_path / "site"
    (site / "brought").mkdir(parents=True)
    (site / "brought" / "__init__.py").write_text("raise RuntimeError('finding a method must not import its package')\n")
    method(site / "brought" / "halved")
    method(site / "brought" / "dynamic_int8")
    entries = {
        "halved": "brought.halved",
        "dynamic_int8": "brought.dynamic_int8",
        "lost": "brought.lost",
        "other": "brought.halved",
        "absent": "no_such_package.method",
    }
    distribution(site, "brought", entries)
    return site


def _squeezemark(site, *arguments, cwd=ROOT):
    command = [sys.executable, "-m", "suite", *map(str, arguments)]
    environ = os.environ | {"PYTHONPATH": f"{ROOT}{os.pathsep}{site}"}
    return subprocess.run(command, cwd=cwd, capture_output=True, text=True, env=environ)


def test_a_folder_of_methods_and_a_folder_that_is_one(tmp_path):
    one, two = method(tmp_path / "one"), method(tmp_path / "two")
    assert own_methods.named([tmp_path], {}) == {"one": str(one / "__init__.py"), "two": str(two / "__init__.py")}
    assert own_methods.named([two], {}) == {"two": str(two / "__init__.py")}
    assert own_methods.named([two, two], {}) == own_methods.named([two], {})


@pytest.mark.parametrize(
    ("names", "named", "sentence"),
    [
        ((), ".", "is no method and holds none: a method is a folder with __init__.py and apply.py"),
        ((), "nowhere", "There is no folder"),
        (("Wrong-Name",), ".", "needs a name of lower-case letters, digits and '_'"),
        (("dynamic_int8",), ".", "Two methods of the name 'dynamic_int8' were found"),
    ],
)
def test_what_cannot_be_had_is_refused_in_one_sentence(names, named, sentence, tmp_path):
    for name in names:
        method(tmp_path / name)
    with pytest.raises(ConfigError, match=sentence):
        own_methods.named([tmp_path / named], {})


def test_two_folders_of_one_name_are_refused(tmp_path, squeezemark):
    one, other = method(tmp_path / "a" / "twice"), method(tmp_path / "b" / "twice")
    with pytest.raises(ConfigError, match=rf"{one} and {other}; rename one"):
        own_methods.named([one, other], {})
    done = squeezemark("plan", "--method-path", one, "--method-path", other)
    assert done.returncode == 2
    assert done.stderr.count("\n") == 1


def test_every_command_that_takes_plug_ins_takes_a_method_path():
    options = {name: {option for each in command.params for option in each.opts} for name, command in cli.commands.items()}
    takes = {name for name, known in options.items() if "--plugins" in known} - {"reproduce"}  # whose method is that of a bundle
    assert len(takes) > 10
    assert takes == {name for name, known in options.items() if "--method-path" in known}


def test_a_method_of_a_path_is_planned_by_its_content(tmp_path, squeezemark):
    one = method(tmp_path / "one")
    done = squeezemark("plan", "--method-path", one, "--methods", "one", "--models", "tiny_matcher", "--plugins", PLUGINS)
    assert done.returncode == 0, done.stderr
    assert "tiny_matcher one/only x86_cpu_ort" in done.stdout
    (tmp_path / "config.toml").write_text(f"methods = ['one']\nmodels = ['scene_vqa']\nmethod_paths = ['{one}']\n")
    done = squeezemark("plan", "--config", tmp_path / "config.toml")
    assert "scene_vqa one/only x86_cpu_ort" in done.stdout


def test_an_installed_method_becomes_a_record_that_names_its_source(site, work, tmp_path):
    options = ("--models", "tiny_matcher", "--plugins", PLUGINS, "--results", tmp_path / "results", "--work", work)
    done = _squeezemark(site, "run", "--methods", "baseline_fp32,halved", *options)
    records = {record.cell.method: record for record in Store(tmp_path / "results").records()}
    assert records["halved"].status == "ok", done.stdout + done.stderr
    (step,) = records["halved"].cell.recipe
    assert step.source_sha256 == hash_folder(site / "brought" / "halved")
    assert done.returncode == 1  # because of what was left out, each in a sentence
    left_out = [line for line in done.stderr.splitlines() if line.startswith("Left out: ")]
    assert len(left_out) == 4
    assert "two of that name were found" in next(line for line in left_out if "'dynamic_int8'" in line)
    assert "names 'brought.lost', and there is no such folder" in next(line for line in left_out if "'lost'" in line)
    assert "the last part of the module has to be the method's name" in next(line for line in left_out if "'other'" in line)


def test_a_name_that_is_taken_is_refused_in_one_sentence_where_it_is_asked_for(site):
    done = _squeezemark(site, "plan", "--methods", "dynamic_int8")
    assert done.returncode == 1
    assert done.stderr.count("\n") == 1
    assert "two of that name were found" in done.stderr
    assert "that of the distribution brought 1.2" in done.stderr


def test_where_a_method_lies():
    assert own_methods.where("dynamic_int8") == ROOT / "methods" / "dynamic_int8"
    assert own_methods.where("dynamic_int9") is None
