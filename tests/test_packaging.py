"""What is built is what a user gets: wheel and sdist, installed apart from this checkout."""

import re
import subprocess
import sys
import tarfile
import tomllib
import zipfile
from pathlib import Path

import pytest
from conftest import ROOT

from suite import __version__
from suite.submission import surroundings


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the wheel, built from the sdist, and the sdist."""
    out = tmp_path_factory.mktemp("dist")
    command = [sys.executable, "-m", "build", "--no-isolation", "--outdir", str(out), str(ROOT)]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    return out


@pytest.fixture(scope="module")
def wheel(built: Path) -> Path:
    return next(built.glob("*.whl"))


def test_the_wheel_holds_the_three_packages_and_nothing_else(wheel):
    names = zipfile.ZipFile(wheel).namelist()
    assert {name.split("/")[0] for name in names} == {"suite", "methods", "targets", f"squeezemark-{__version__}.dist-info"}
    assert not [name for name in names if "__pycache__" in name or name.endswith((".part", ".pyc"))]
    for needed in (
        "suite/py.typed",
        "methods/py.typed",
        "targets/py.typed",
        "suite/_site/locales/zh_Hans/LC_MESSAGES/squeezemark.po",
        "suite/_site/templates/index.html",
        "suite/_site/templates/report.css",
        "suite/skeleton/my_model.py",
        "suite/skeleton/my_method/runtime/test_my_method.py",
    ):
        assert needed in names
    for model in ("glyph_clip", "scene_vqa"):
        weights = zipfile.ZipFile(wheel).getinfo(f"suite/models/{model}/weights.safetensors")
        assert 1_000_000 < weights.file_size <= 20_000_000


def test_the_metadata_names_licence_command_and_light_dependencies(wheel):
    archive = zipfile.ZipFile(wheel)
    metadata = archive.read(f"squeezemark-{__version__}.dist-info/METADATA").decode()
    assert "License-Expression: Apache-2.0" in metadata
    assert f"squeezemark-{__version__}.dist-info/licenses/LICENSE" in archive.namelist()
    required = [line.split()[1] for line in metadata.splitlines() if line.startswith("Requires-Dist") and "extra ==" not in line]
    assert not {"torch", "onnx", "onnxruntime", "matplotlib"} & set(required)
    assert "squeezemark = suite.cli:main" in archive.read(f"squeezemark-{__version__}.dist-info/entry_points.txt").decode()


def test_the_sdist_can_build_and_test(built):
    with tarfile.open(next(built.glob("*.tar.gz"))) as archive:
        names = {name.partition("/")[2] for name in archive.getnames()}
    assert {
        "pyproject.toml",
        "constraints.txt",
        "Makefile",
        "LICENSE",
        "README.md",
        "tests/test_packaging.py",
        "suite/cli/__init__.py",
    } <= names


def test_the_wheel_works_away_from_the_checkout(wheel, tmp_path):
    """Unpacked somewhere else, with this environment's libraries: commands, cards and the site's templates are all there."""
    zipfile.ZipFile(wheel).extractall(tmp_path / "unpacked")
    code = (
        f"import sys; sys.path.insert(0, {str(tmp_path / 'unpacked')!r})\n"
        "import suite; assert 'unpacked' in suite.__file__, suite.__file__\n"
        "from suite.cli import main; sys.argv = ['squeezemark', 'list', 'methods']; main()"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert "dynamic_int8" in done.stdout
    command = code.replace("'list', 'methods'", f"'render', '--results', {str(ROOT / 'site' / 'results')!r}, '--out', 'site'")
    done = subprocess.run([sys.executable, "-c", command], cwd=tmp_path, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "site" / "index.html").is_file()


def test_building_and_installing_run_no_code_of_ours(wheel, built):
    """Hatchling alone builds it, without hooks; a wheel is unpacked, and what it holds runs only when somebody asks for it."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())
    assert [re.split(r"[<>=~]", line)[0] for line in project["build-system"]["requires"]] == ["hatchling"]
    assert project["build-system"]["build-backend"] == "hatchling.build"
    assert "backend-path" not in project["build-system"]
    hatch = project["tool"]["hatch"]
    assert "hooks" not in hatch.get("build", {})
    assert not [name for name, target in hatch["build"]["targets"].items() if "hooks" in target]
    assert hatch["version"].keys() == {"path"}, "the version is read from the file as text: other sources run code"
    assert "metadata" not in hatch
    with tarfile.open(next(built.glob("*.tar.gz"))) as archive:
        names = {name.partition("/")[2] for name in archive.getnames()}
    assert not names & {"setup.py", "setup.cfg", "hatch_build.py"}
    inside = zipfile.ZipFile(wheel).namelist()
    assert not [name for name in inside if name.endswith(".pth") or ".data/" in name]
    assert not [name for name in inside if name.rpartition("/")[2] in ("sitecustomize.py", "usercustomize.py")]


def test_the_pins_are_all_that_measuring_needs():
    """Everything that is installed because of `.[run]` and the other extras but `test` is pinned, at the version that is installed.

    What a torch for other hardware brings besides is not: its own wheel pins it.
    """
    rows = [line.partition("==") for line in (ROOT / "constraints.txt").read_text().splitlines() if not line.startswith("#")]
    pinned = {re.sub(r"[-_.]+", "-", name).lower(): version for name, _, version in rows}
    locked = dict(line.split("==") for line in surroundings.lock().splitlines())
    assert locked.pop("squeezemark") == __version__
    needed = {name: version.partition("+")[0] for name, version in locked.items() if not name.startswith(("nvidia-", "cuda-", "triton"))}
    assert needed == {name: pinned.get(name) for name in needed}
