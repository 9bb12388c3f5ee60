"""Other processors on this one, by QEMU's user mode: real kernels, hence real answers and sizes; their times mean nothing.

On ARM, Python, numpy and ONNX Runtime are those of an ARM system that lies in a folder; they run as they are, without root and without
binfmt. On x86 this machine's own Python runs, and finds a processor that lacks what the target says it lacks.
"""

import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from suite import facts
from suite.contracts import Skip
from suite.environments import counter, debian
from suite.errors import UsageError
from suite.executors.local import Interpreter

Say = Callable[[str], None]

ROOT = Path(__file__).resolve().parents[2]
LIBRARIES = ("numpy", "onnxruntime")
"""What the worker needs, in the very versions that this Python has: other versions have other kernels."""
LITERT = "ai-edge-litert"
PACKAGES = ("libstdc++6", "libgomp1", "zlib1g", "libffi8", "libbz2-1.0", "liblzma5", "libexpat1", "libssl3", "libsqlite3-0")
"""What Python's standard library and the wheels are linked to."""
CPU_INFO = """processor\t: 0
BogoMIPS\t: 100.00
Features\t: fp asimd evtstrm crc32 atomics fphp asimdhp cpuid
CPU implementer\t: 0x41
CPU architecture: 8
CPU variant\t: 0x0
CPU part\t: 0xd08
CPU revision\t: 3
"""
"""QEMU before version 10 shows the host's /proc/cpuinfo, at which an ARM runtime stumbles. Kernels are chosen by HWCAP, not by this."""


def pins() -> dict[str, str]:
    """The versions of the libraries that this Python has."""
    return facts.versions(LIBRARIES)


def qemu(folder: Path, machine: str) -> str | None:
    """The emulator of a machine (`aarch64`, `x86_64`): that of an environment's folder, or the one that is installed."""
    own = (folder / "qemu/usr/bin" / name for name in (f"qemu-{machine}-static", f"qemu-{machine}"))
    found = next((str(path) for path in own if path.exists()), None)
    return found or shutil.which(f"qemu-{machine}") or shutil.which(f"qemu-{machine}-static")


def installed() -> dict[str, str] | None:
    """The version of an installed QEMU for x86; None if there is none."""
    found = qemu(Path(), "x86_64")
    return {"qemu": _version(found)} if found else None


def build_x86(folder: Path, say: Say) -> dict[str, str]:
    """Fetches QEMU. Raises UsageError."""
    say("fetching QEMU")
    _fetch_qemu(folder, "x86_64")
    counter.build(folder, "x86_64", lambda emulator: [*emulator, sys.executable], say)
    return {"qemu": _version(str(qemu(folder, "x86_64")))}


def build_arm(folder: Path, say: Say) -> dict[str, str]:
    """Fetches QEMU, an ARM system with Python, and the ARM wheels of what the worker needs. Raises UsageError."""
    wanted = pins()
    if absent := [name for name in LIBRARIES if name not in wanted]:
        raise UsageError(
            f"{absent[0]} is not installed here, and its version decides which one the environment gets: pip install {absent[0]}"
        )
    say("fetching QEMU")
    if qemu(Path(), "aarch64") is None:
        _fetch_qemu(folder, "aarch64")
    sysroot = folder / "sysroot"
    (sysroot / "proc").mkdir(parents=True)
    (sysroot / "proc/cpuinfo").write_text(CPU_INFO)
    say("fetching an ARM system with Python")
    with tempfile.TemporaryDirectory() as room:
        apt = debian.Apt(Path(room), "arm64")
        apt.update()
        python = _python(apt)
        apt.unpack([f"{python}-minimal", f"lib{python}-stdlib", *PACKAGES], sysroot)
    say(f"fetching {' and '.join(f'{name} {version}' for name, version in wanted.items())} for ARM")
    _wheels(wanted, python.removeprefix("python"), folder / "site")
    say("trying it")
    emulator = str(qemu(folder, "aarch64"))
    command = [*_arm(folder, [emulator], "neoverse-n1"), "-c", "import platform, numpy, onnxruntime; print(platform.python_version())"]
    ran = debian.run(command, "the ARM system does not run here").split()
    counter.build(folder, "aarch64", lambda counting: _arm(folder, counting, "neoverse-n1"), say)
    return {"qemu": _version(emulator), "python": ran[-1], **wanted}


def build_arm_litert(folder: Path, say: Say) -> dict[str, str]:
    """The same, and LiteRT in the version that its models are made with. Raises UsageError."""
    told = build_arm(folder, say)
    name, version = LITERT, _locked(LITERT)
    say(f"fetching {name} {version} for ARM")
    python = next((folder / "sysroot/usr/bin").glob("python3.*")).name
    _wheels({name: version}, python.removeprefix("python"), folder / "site")
    say("trying it")
    command = [*_arm(folder, [str(qemu(folder, "aarch64"))], "neoverse-n1"), "-c", "import ai_edge_litert.interpreter"]
    debian.run(command, "LiteRT does not run on the ARM system")
    return told | {name: version}


def _locked(name: str) -> str:
    """The version of a library in the lock of the environment `litert`."""
    lines = Path(__file__).with_name("litert.txt").read_text().splitlines()
    return next(line.partition("==")[2] for line in lines if line.startswith(f"{name}=="))


def arm_interpreter(folder: Path, settings: Mapping[str, object]) -> Interpreter:
    """Python of the ARM system, on the processor that the settings name."""
    return Interpreter(tuple(_arm(folder, [str(qemu(folder, "aarch64"))], str(settings["cpu"]))))


def arm_counter(folder: Path, settings: Mapping[str, object]) -> Interpreter | Skip:
    """The same in an emulator that counts instructions, or why there is none."""
    found = counter.emulator(folder, "aarch64")
    return found if isinstance(found, Skip) else Interpreter(tuple(_arm(folder, found, str(settings["cpu"]))))


def x86_interpreter(folder: Path, settings: Mapping[str, object]) -> Interpreter:
    """This very Python, on the processor that the settings name."""
    return Interpreter((str(qemu(folder, "x86_64")), "-cpu", str(settings["cpu"]), sys.executable))


def x86_counter(folder: Path, settings: Mapping[str, object]) -> Interpreter | Skip:
    """The same in an emulator that counts instructions, or why there is none."""
    found = counter.emulator(folder, "x86_64")
    return found if isinstance(found, Skip) else Interpreter((*found, "-cpu", str(settings["cpu"]), sys.executable))


def _arm(folder: Path, emulator: Sequence[str], cpu: str) -> list[str]:
    sysroot = folder / "sysroot"
    python = next((sysroot / "usr/bin").glob("python3.*"), sysroot / "usr/bin/python3")
    given = {"PYTHONHOME": sysroot / "usr", "PYTHONPATH": f"{folder / 'site'}:{ROOT}"}
    named = [word for name, value in given.items() for word in ("-E", f"{name}={value}")]
    return [*emulator, "-L", str(sysroot), *named, "-cpu", cpu, str(python)]


def _fetch_qemu(folder: Path, machine: str) -> None:
    debian.fetch(("qemu-user-static",), debian.native(), folder / "qemu")
    if qemu(folder, machine) is None:
        raise UsageError(f"The package qemu-user-static has no emulator of {machine}; install QEMU's user mode, so that it is on the PATH.")


def _python(apt: debian.Apt) -> str:
    """Which Python the ARM system has: `python3.11`."""
    named = re.search(r"\bpython3\.\d+", apt.depends("python3-minimal"))
    if named is None:
        raise UsageError(f"The package python3-minimal for {apt.architecture} does not say which Python it brings.")
    return named.group()


def _wheels(wanted: Mapping[str, str], python: str, site: Path) -> None:
    platforms = [f"--platform=manylinux_2_{glibc}_aarch64" for glibc in (28, 27, 17)]
    debian.run(
        [
            sys.executable, "-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--no-deps", "--only-binary=:all:",
            *platforms, f"--python-version={python}", "--implementation=cp", f"--target={site}",
            *(f"{name}=={version}" for name, version in wanted.items()),
        ],
        "pip could not fetch the ARM wheels",
    )  # fmt: skip


def _version(emulator: str) -> str:
    """The version of QEMU that its first line tells."""
    try:
        told = subprocess.run([emulator, "--version"], capture_output=True, text=True, timeout=30).stdout
    except (OSError, subprocess.TimeoutExpired):
        told = ""
    found = re.search(r"version (\S+)", told)
    return found.group(1) if found else "unknown"
