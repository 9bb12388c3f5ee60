"""The environment is read from what the platform gives; what it does not give is None, never a guess."""

import os
import shutil
import subprocess
from importlib import metadata

import numpy as np
import psutil
import pytest

from suite import environment, facts
from suite.record import Environment

X86 = """processor\t: 0
vendor_id\t: GenuineIntel
model name\t: Some CPU @ 2.00GHz
flags\t\t: fpu sse4_1 avx2 avx512_vnni hypervisor amx_int8

processor\t: 1
model name\t: Some CPU @ 2.00GHz
flags\t\t: fpu sse4_1 avx2 avx512_vnni hypervisor amx_int8
"""
ARM = """processor\t: 0
BogoMIPS\t: 108.00
Features\t: fp asimd evtstrm asimddp
CPU implementer\t: 0x41
CPU part\t: 0xd0b

Revision\t: d04170
Model\t\t: Raspberry Pi 5 Model B Rev 1.0
"""


@pytest.fixture
def files(monkeypatch):
    """Replaces what `/proc` and `/sys` hold."""

    def replace(contents):
        monkeypatch.setattr(facts, "text", contents.get)

    return replace


def test_this_machine_is_described():
    found = environment.read()
    assert isinstance(found, Environment)
    assert found.cores == len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else found.cores >= 1
    assert found.memory_bytes == psutil.virtual_memory().total
    assert (found.system, found.machine, found.kernel) == (os.uname().sysname, os.uname().machine, os.uname().release)
    assert found.cpu
    assert set(found.cpu_flags) <= set(environment.DECIDING_FLAGS)
    assert found.load_after is None
    assert found.libraries["numpy"] == np.__version__


def test_the_host_of_two_reads_is_the_same():
    assert environment.read().host == environment.read().host


def test_an_x86_cpu_is_read(files):
    files({"/proc/cpuinfo": X86, "/sys/devices/system/cpu/cpu0/cpufreq/scaling_governor": "performance"})
    found = environment.read()
    assert (found.cpu, found.governor, found.hypervisor) == ("Some CPU @ 2.00GHz", "performance", True)
    assert found.cpu_flags == ("sse4_1", "avx2", "avx512_vnni", "amx_int8")


def test_an_arm_cpu_is_read(files):
    files({"/proc/cpuinfo": ARM})
    found = environment.read()
    assert (found.cpu, found.governor, found.hypervisor) == ("Raspberry Pi 5 Model B Rev 1.0", None, False)
    assert found.cpu_flags == ("asimd", "asimddp")


def test_an_arm_cpu_without_a_model_has_the_number_of_its_part(files):
    files({"/proc/cpuinfo": ARM.partition("\n\n")[0]})
    assert environment.read().cpu == "0xd0b"


def test_without_cpuinfo_the_name_comes_from_sysctl_and_flags_are_unknown(files, monkeypatch):
    files({})
    monkeypatch.setattr(facts, "sysctl", {"machdep.cpu.brand_string": "Apple M9"}.get)
    found = environment.read()
    assert (found.cpu, found.cpu_flags, found.hypervisor, found.governor) == ("Apple M9", (), None, None)


def test_without_sysctl_there_is_still_a_name(files, monkeypatch, tmp_path):
    files({})
    monkeypatch.setenv("PATH", str(tmp_path))
    assert environment.read().cpu


def test_a_file_that_cannot_be_read_is_none(tmp_path):
    assert facts.text(str(tmp_path / "nothing")) is None
    assert facts.text(str(tmp_path)) is None
    (tmp_path / "governor").write_bytes(b" power\xffsave\n")
    assert facts.text(str(tmp_path / "governor")) == "power\ufffdsave"


def test_the_load_is_that_of_one_minute(monkeypatch):
    monkeypatch.setattr(os, "getloadavg", lambda: (1.23456, 7.0, 9.0))
    assert facts.load() == 1.23


def test_a_platform_without_a_load_has_none(monkeypatch):
    def fail():
        raise OSError

    monkeypatch.setattr(os, "getloadavg", fail)
    assert facts.load() is None
    assert environment.read().load_before is None


def test_cores_are_those_that_this_process_may_use(monkeypatch):
    monkeypatch.setattr(os, "sched_getaffinity", lambda process: {3, 5, 7}, raising=False)
    assert environment.read().cores == 3
    monkeypatch.delattr(os, "sched_getaffinity")
    monkeypatch.setattr(os, "cpu_count", lambda: None)
    assert environment.read().cores == 1


def test_libraries_that_are_not_installed_are_left_out(monkeypatch):
    def version(name):
        if name == "torch":
            raise metadata.PackageNotFoundError(name)
        return f"{name} 1"

    monkeypatch.setattr(metadata, "version", version)
    found = environment.library_versions()
    assert "torch" not in found
    assert found["onnxruntime"] == "onnxruntime 1"
    assert set(found) == set(environment.LIBRARIES) - {"torch"}


@pytest.fixture
def checkout(tmp_path, monkeypatch):
    """A git repository with one commit, which `environment` takes for the source tree; a function that runs git in it."""
    if shutil.which("git") is None:
        pytest.skip("git is not installed")

    def git(*arguments):
        identity = ["-c", "user.name=Test", "-c", "user.email=test@example.org", "-c", "commit.gpgsign=false"]
        done = subprocess.run(["git", *identity, "-C", tmp_path, *arguments], capture_output=True, text=True, timeout=60, check=True)
        return done.stdout.strip()

    (tmp_path / "suite").mkdir()
    (tmp_path / "suite" / "environment.py").write_text("one\n")
    (tmp_path / "README.md").write_text("one\n")
    git("init", "--quiet")
    monkeypatch.setattr(environment, "__file__", str(tmp_path / "suite" / "environment.py"))
    return git


def test_a_clean_checkout(checkout, tmp_path):
    checkout("add", "-A")
    checkout("commit", "--quiet", "-m", "one")
    assert environment.git_state() == (checkout("rev-parse", "HEAD"), False)
    (tmp_path / "suite" / "untracked.py").write_text("mine\n")
    (tmp_path / "README.md").write_text("two\n")
    assert environment.git_state()[1] is False


def test_a_changed_source_is_dirty(checkout, tmp_path):
    checkout("add", "-A")
    checkout("commit", "--quiet", "-m", "one")
    (tmp_path / "suite" / "environment.py").write_text("two\n")
    assert environment.git_state() == (checkout("rev-parse", "HEAD"), True)


def test_a_repository_without_a_commit_has_no_state(checkout):
    assert environment.git_state() == (None, None)


def test_without_git_there_is_no_state(checkout, monkeypatch, tmp_path):
    checkout("add", "-A")
    checkout("commit", "--quiet", "-m", "one")
    monkeypatch.setenv("PATH", str(tmp_path))
    assert environment.git_state() == (None, None)


def test_outside_a_checkout_there_is_no_state(monkeypatch, tmp_path):
    monkeypatch.setattr(environment, "__file__", str(tmp_path / "site-packages" / "suite" / "environment.py"))
    assert environment.git_state() == (None, None)
