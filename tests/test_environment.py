"""The environment is read from what the platform gives; what it does not give is None, never a guess."""

import os
import platform
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


V1 = "cmov cx8 fpu fxsr mmx syscall sse sse2"
V2 = f"{V1} cx16 lahf_lm popcnt pni sse4_1 sse4_2 ssse3"
V3 = f"{V2} avx avx2 bmi1 bmi2 f16c fma abm movbe xsave"
A76 = "fp asimd evtstrm aes crc32 atomics fphp asimdhp cpuid asimdrdm lrcpc dcpop asimddp"


@pytest.mark.parametrize(
    ("machine", "flags", "level"),
    [
        ("x86_64", "fpu sse", None),
        ("x86_64", V1, "x86-64-v1"),
        ("x86_64", V2, "x86-64-v2"),
        ("x86_64", V3, "x86-64-v3"),
        ("x86_64", f"{V3} avx512f avx512bw avx512cd avx512dq", "x86-64-v3"),
        ("x86_64", f"{V3} avx512f avx512bw avx512cd avx512dq avx512vl", "x86-64-v4"),
        ("x86_64", f"{V1} avx avx2 bmi1 bmi2 f16c fma abm movbe xsave", "x86-64-v1"),
        ("aarch64", "fp asimd evtstrm crc32", "armv8.0-a"),
        ("aarch64", A76, "armv8.2-a"),
        ("aarch64", f"{A76} jscvt fcma dit uscat ilrcpc flagm flagm2 frint sb i8mm bf16", "armv8.6-a"),
        ("riscv64", V1, None),
        ("x86_64", "", None),
    ],
)
def test_the_level_is_the_highest_of_which_every_flag_is_there(machine, flags, level, monkeypatch):
    monkeypatch.setattr(platform, "machine", lambda: machine)
    assert facts.level(frozenset(flags.split())) == level


def test_caches_are_those_of_the_first_core(files):
    folder = "/sys/devices/system/cpu/cpu0/cache/index{}/{}"
    kinds = [("1", "Data", "48K"), ("1", "Instruction", "64K"), ("2", "Unified", "2048K"), ("3", "Unified", "30M"), ("4", "Unified", "1G")]
    files(
        {folder.format(i, name): value for i, row in enumerate(kinds) for name, value in zip(("level", "type", "size"), row, strict=True)}
    )
    assert facts.caches() == {"L1d": 48 << 10, "L2": 2 << 20, "L3": 30 << 20}


def test_caches_of_macos_come_from_sysctl(files, monkeypatch):
    files({})
    monkeypatch.setattr(platform, "system", lambda: "Darwin")
    monkeypatch.setattr(
        facts, "sysctl", {"hw.perflevel0.l1dcachesize": "131072", "hw.l1dcachesize": "65536", "hw.l2cachesize": "4194304"}.get
    )
    assert facts.caches() == {"L1d": 131072, "L2": 4194304}


@pytest.mark.parametrize(
    ("contents", "cores", "memory"),
    [
        ({}, None, None),
        ({"/proc/self/cgroup": "0::/", "/sys/fs/cgroup/cpu.max": "max 100000", "/sys/fs/cgroup/memory.max": "max"}, None, None),
        ({"/proc/self/cgroup": "0::/", "/sys/fs/cgroup/cpu.max": "150000 100000", "/sys/fs/cgroup/memory.max": "1048576"}, 1.5, 1 << 20),
        (
            {
                "/proc/self/cgroup": "0::/a.slice/b",
                "/sys/fs/cgroup/a.slice/b/cpu.max": "200000 100000",
                "/sys/fs/cgroup/a.slice/cpu.max": "50000 100000",
                "/sys/fs/cgroup/a.slice/memory.max": "2097152",
                "/sys/fs/cgroup/a.slice/b/memory.max": "max",
            },
            0.5,
            2 << 20,
        ),
        (
            {
                "/proc/self/cgroup": "4:memory:/box\n3:cpu,cpuacct:/box",
                "/sys/fs/cgroup/cpu/box/cpu.cfs_quota_us": "25000",
                "/sys/fs/cgroup/cpu/box/cpu.cfs_period_us": "100000",
                "/sys/fs/cgroup/memory/memory.limit_in_bytes": "9223372036854771712",
            },
            0.25,
            None,
        ),
        (
            {
                "/proc/self/cgroup": "3:cpu,cpuacct:/",
                "/sys/fs/cgroup/cpu/cpu.cfs_quota_us": "-1",
                "/sys/fs/cgroup/cpu/cpu.cfs_period_us": "100000",
            },
            None,
            None,
        ),
    ],
)
def test_limits_of_a_container_are_the_least_of_its_groups(contents, cores, memory, files):
    files(contents)
    found = environment.read()
    assert (found.cpu_quota, found.memory_limit_bytes) == (cores, memory)


@pytest.mark.parametrize(
    ("path", "text", "turbo", "smt"),
    [
        ("intel_pstate/no_turbo", "0", True, None),
        ("intel_pstate/no_turbo", "1", False, None),
        ("cpufreq/boost", "1", True, None),
        ("cpufreq/boost", "0", False, None),
        ("smt/active", "1", None, True),
        ("smt/active", "0", None, False),
        ("smt/active", "odd", None, None),
    ],
)
def test_turbo_and_smt(path, text, turbo, smt, files):
    files({f"/sys/devices/system/cpu/{path}": text})
    found = environment.read()
    assert (found.turbo, found.smt) == (turbo, smt)


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
