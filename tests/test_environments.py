"""Environments of their own: made whole or not at all, of the machine's own sources, and named where they are missing."""

import json
import re
import shutil
import subprocess
import sys
from dataclasses import replace

import pytest

from suite import counting, environments, registry
from suite.contracts import Skip, TargetCard
from suite.environments import counter, debian, emulated, litert
from suite.errors import NotWritable, UsageError
from suite.executors.local import HERE

CARD = TargetCard(name="t", title="T", summary="", device="ARM CPU", runtime="onnxruntime", formats=("onnx",))


@pytest.fixture
def home(monkeypatch, tmp_path):
    """An empty folder of environments, on a machine that has no QEMU."""
    monkeypatch.setenv("SQUEEZEMARK_HOME", str(tmp_path))
    monkeypatch.setattr(emulated.shutil, "which", lambda name: None)
    return tmp_path / "environments"


def built(monkeypatch, build, name="arm-emulated"):
    kinds = dict(environments.KINDS) | {name: replace(environments.KINDS[name], build=build)}
    monkeypatch.setattr(environments, "KINDS", kinds)


def test_one_that_is_not_there_says_which_command_makes_it(home):
    assert environments.versions("arm-emulated") == {}
    for name in environments.NAMES:
        assert environments.missing(name).reason == f"its environment is not there: squeezemark env create {name}"


def test_it_is_made_whole_with_what_it_is_made_of(home, monkeypatch):
    said = []

    def build(folder, say):
        say("building")
        (folder / "file").write_text("here")
        return {"qemu": "7.2", **emulated.pins()}

    built(monkeypatch, build)
    assert environments.create("arm-emulated", said.append) == home / "arm-emulated"
    assert (home / "arm-emulated" / "file").read_text() == "here"
    assert said == ["building"]
    assert environments.versions("arm-emulated")["qemu"] == "7.2"
    assert environments.missing("arm-emulated") is None
    with pytest.raises(UsageError, match=r"is there already, in .*; squeezemark env remove arm-emulated removes it"):
        environments.create("arm-emulated", said.append)
    assert environments.remove("arm-emulated") == home / "arm-emulated"
    assert list(home.iterdir()) == []


def test_nothing_is_left_of_one_that_could_not_be_made(home, monkeypatch):
    def build(folder, say):
        (folder / "half").write_text("")
        raise UsageError("There is no such package.")

    built(monkeypatch, build)
    with pytest.raises(UsageError, match="no such package"):
        environments.create("arm-emulated", print)
    assert list(home.iterdir()) == []


def test_one_that_was_made_of_other_versions_is_not_used(home, monkeypatch):
    built(monkeypatch, lambda folder, say: {"qemu": "7.2", "numpy": "1.0", "onnxruntime": emulated.pins()["onnxruntime"]})
    environments.create("arm-emulated", lambda step: None)
    here = emulated.pins()["numpy"]
    wanted = (
        f"its environment has numpy 1.0, and here is {here}: squeezemark env remove arm-emulated, then squeezemark env create arm-emulated"
    )
    assert environments.missing("arm-emulated").reason == wanted


def test_a_name_that_is_not_known_and_one_that_is_not_there(home):
    with pytest.raises(
        UsageError,
        match=r"There is no environment 'moon'\. There are: arm-emulated, x86-emulated, litert, executorch, arm-litert-emulated\.",
    ):
        environments.create("moon", print)
    with pytest.raises(UsageError, match="There is no environment arm-emulated in"):
        environments.remove("arm-emulated")


def test_a_full_disk_is_told_as_one(home, monkeypatch):
    def build(folder, say):
        raise OSError(28, "No space left on device")

    built(monkeypatch, build)
    with pytest.raises(NotWritable, match=r"cannot be written to .* \(No space left on device\); set SQUEEZEMARK_HOME"):
        environments.create("arm-emulated", print)
    assert list(home.iterdir()) == []


def test_a_worker_runs_where_its_target_says(home):
    assert environments.interpreter(CARD) == HERE
    (home / "arm-emulated/sysroot/usr/bin").mkdir(parents=True)
    (home / "arm-emulated/sysroot/usr/bin/python3.11").touch()
    (home / "arm-emulated/qemu/usr/bin").mkdir(parents=True)
    (home / "arm-emulated/qemu/usr/bin/qemu-aarch64-static").touch()
    arm = environments.interpreter(replace(CARD, environment="arm-emulated", settings={"cpu": "cortex-a72"})).command
    assert arm[0] == str(home / "arm-emulated/qemu/usr/bin/qemu-aarch64-static")
    assert arm[-3:] == ("-cpu", "cortex-a72", str(home / "arm-emulated/sysroot/usr/bin/python3.11"))
    assert f"PYTHONPATH={home / 'arm-emulated/site'}:{emulated.ROOT}" in arm
    (home / "x86-emulated/qemu/usr/bin").mkdir(parents=True)
    (home / "x86-emulated/qemu/usr/bin/qemu-x86_64").touch()
    x86 = environments.interpreter(replace(CARD, environment="x86-emulated", settings={"cpu": "Haswell"})).command
    assert x86 == (str(home / "x86-emulated/qemu/usr/bin/qemu-x86_64"), "-cpu", "Haswell", sys.executable)


# The counter of instructions


def put_counter(folder):
    """What a counter is made of, as empty files."""
    for name in ("count.so", "qemu/lib/x86_64-linux-gnu/ld-linux-x86-64.so.2", "qemu/usr/bin/qemu-aarch64"):
        (folder / "counter" / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / "counter" / name).touch()


def test_without_a_compiler_an_environment_is_whole_and_says_why_nothing_is_counted(home):
    folder = home / "arm-emulated"
    folder.mkdir(parents=True)
    counter.build(folder, "aarch64", lambda emulator: emulator, lambda step: None)
    skip = environments.counting_interpreter(replace(CARD, environment="arm-emulated", settings={"cpu": "cortex-a72"}))
    assert skip == Skip("there is no C compiler here to build the counter with: install one, and make the environment anew")


def test_one_that_was_made_before_there_was_a_counter_says_what_to_do(home):
    skip = environments.counting_interpreter(replace(CARD, environment="arm-emulated", settings={"cpu": "cortex-a72"}))
    assert skip == Skip("its environment has no counter of instructions: remove it, and make it anew with squeezemark env create")
    assert isinstance(environments.counting_interpreter(CARD), Skip), "a target of this very Python has no emulator around it"


def test_a_counter_brings_its_own_loader_and_libraries(tmp_path):
    folder = tmp_path / "a,b"
    put_counter(folder)
    command = counter.emulator(folder, "aarch64")
    own = folder / "counter"
    assert command[0] == str(own / "qemu/lib/x86_64-linux-gnu/ld-linux-x86-64.so.2")
    assert command[1:4] == ("--library-path", str(own / "qemu/lib/x86_64-linux-gnu"), str(own / "qemu/usr/bin/qemu-aarch64"))
    assert command[4:] == ("-plugin", str(own / "count.so").replace("a,b", "a,,b")), "a comma would begin an argument"
    (own / "qemu/usr/bin/qemu-aarch64").unlink()
    assert counter.emulator(folder, "aarch64") == Skip("the package qemu-user has no emulator of aarch64 that runs here")


def test_a_qemu_that_takes_no_counter_leaves_the_reason_and_nothing_else(tmp_path, monkeypatch):
    def fetch(packages, architecture, folder):
        put_counter(tmp_path)
        return {}

    monkeypatch.setattr(counter.debian, "fetch", fetch)
    monkeypatch.setattr(counter.debian, "native", lambda: "amd64")
    monkeypatch.setattr(counter.debian, "run", lambda command, failure: "")
    monkeypatch.setattr(counter.shutil, "which", lambda name: f"/usr/bin/{name}")
    broken = [sys.executable, "-c", "raise SystemExit('plugins are not supported')", "--"]
    counter.build(tmp_path, "aarch64", lambda emulator: broken, lambda step: None)
    assert counter.emulator(tmp_path, "aarch64") == Skip("QEMU does not take the counter: plugins are not supported")
    assert [path.name for path in (tmp_path / "counter").iterdir()] == ["reason"]


@pytest.mark.skipif(shutil.which("cc") is None, reason="there is no C compiler on this machine")
@pytest.mark.parametrize("interface", counter.INTERFACES)
def test_the_plug_in_compiles_without_a_warning(interface):
    flags = ("-fsyntax-only", "-std=c11", "-Wall", "-Wextra", "-Werror", f"-DPLUGIN_API={interface}")
    done = subprocess.run(["cc", *flags, str(counter.SOURCE)], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


def test_worker_and_plug_in_mean_the_same_mark():
    assert counting.MARK == counter.MARK
    assert f"{counter.MARK:#X}".replace("0X", "0x") in counter.SOURCE.read_text()


@pytest.mark.parametrize(
    ("given", "wanted"),
    [
        ("deb [arch=amd64] http://here/debian stable main\n", "deb http://here/debian stable main\n"),
        ("deb [arch=amd64,i386 signed-by=/k.gpg] http://here stable main\n", "deb [signed-by=/k.gpg] http://here stable main\n"),
        ("deb [ signed-by=/k.gpg arch=amd64 ] http://here stable main\n", "deb [signed-by=/k.gpg] http://here stable main\n"),
        ("Types: deb\nURIs: http://here\nArchitectures: amd64\nSuites: stable\n", "Types: deb\nURIs: http://here\nSuites: stable\n"),
        ("deb http://arch=here stable main\n# arch\n", "deb http://arch=here stable main\n# arch\n"),
    ],
)
def test_the_sources_are_the_machines_own_without_what_restricts_them(given, wanted, tmp_path):
    (tmp_path / "own.list").write_text(given)
    assert debian._any_architecture(tmp_path / "own.list") == wanted


def test_without_apt_it_says_what_it_needs(monkeypatch):
    monkeypatch.setattr(debian.shutil, "which", lambda name: None)
    with pytest.raises(UsageError, match="needs apt-get and dpkg-deb, which Debian and Ubuntu have"):
        debian.native()


def test_a_command_that_fails_is_told_with_its_last_line():
    with pytest.raises(UsageError, match=r"^It could not be tried: the end$"):
        debian.run(["sh", "-c", "echo first >&2; echo the end >&2; exit 3"], "it could not be tried")
    with pytest.raises(UsageError, match=r"It could not be tried: .*no_such_command"):
        debian.run(["no_such_command"], "it could not be tried")


def test_no_package_host_is_written_down():
    for file in emulated.ROOT.joinpath("suite", "environments").glob("*.py"):
        assert "http" not in file.read_text(), file


def test_doctor_and_env_list_say_what_is_missing(home, squeezemark):
    rows = {row["name"]: row for row in json.loads(squeezemark("doctor", "--json").stdout)}
    emulating = [card for card in registry.discover().targets.values() if card.environment]
    assert emulating
    for card in emulating:
        reason = rows[card.name]["reason"]
        missing = ("squeezemark env create", "not x86-64", "not aarch64", "edgetpu")
        assert reason is None or any(words in reason for words in missing), reason
    listed = {row["name"]: row for row in json.loads(squeezemark("env", "list", "--json").stdout)}
    assert set(listed) == set(environments.NAMES)
    assert listed["arm-emulated"]["reason"] == "its environment is not there: squeezemark env create arm-emulated"
    assert squeezemark("env", "create", "moon").returncode == 2


def test_env_list_keeps_every_name_apart_from_what_is_said_of_it(home, squeezemark):
    lines = squeezemark("env", "list").stdout.splitlines()
    firsts = [re.split(r" {2,}", line, maxsplit=1) for line in lines[::2]]
    assert [name for name, _ in firsts] == list(environments.NAMES)
    assert len({line.index(said) for line, (_, said) in zip(lines[::2], firsts, strict=True)}) == 1, "they begin in one column"


def test_litert_is_made_of_locked_versions_and_of_this_pythons_numpy_and_onnx_runtime(monkeypatch, tmp_path):
    ran = []

    def run(command, failure):
        ran.append(list(map(str, command)))
        return '{"torch": "2.13.0"}'

    monkeypatch.setattr(litert.debian, "run", run)
    assert litert.build(tmp_path, lambda step: None) == {"torch": "2.13.0"}
    (install,) = (command for command in ran if "install" in command)
    assert f"--constraint={litert.LOCK}" in install
    assert {f"{name}=={version}" for name, version in emulated.pins().items()} <= set(install)
    locked = dict(line.split("==") for line in litert.LOCK.read_text().splitlines() if "==" in line)
    assert {"torch", "litert-torch", "ai-edge-litert", "ai-edge-quantizer"} <= set(locked)
    assert not {"numpy", "onnxruntime"} & set(locked)


def test_its_python_sees_the_packages_of_this_installation_and_nothing_beside_them(tmp_path):
    found = litert.interpreter(tmp_path, {})
    assert found.command == (str(tmp_path / "venv/bin/python"),)
    place = tmp_path / "sources"
    assert found.environ["PYTHONPATH"].startswith(str(place))
    (links,) = place.iterdir()
    assert {link.name: link.resolve() for link in links.iterdir()} == {
        name: emulated.ROOT / name for name in ("suite", "methods", "targets")
    }
    assert litert.interpreter(tmp_path, {}) == found, "a second call makes nothing anew"
    assert not (tmp_path / "absent").exists()
    litert.interpreter(tmp_path / "absent", {})
    assert not (tmp_path / "absent").exists(), "an environment that is not there is not begun"
