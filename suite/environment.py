"""What the machine and its libraries are, as far as a measurement depends on them. A fact that cannot be read is None."""

import os
import platform
import subprocess
from importlib import metadata
from pathlib import Path

import psutil

from suite.record import Environment

DECIDING_FLAGS = (
    "sse4_1", "avx", "avx2", "fma", "f16c", "avx512f", "avx512bw", "avx512vl", "avx512_vnni", "avx_vnni", "avx512_bf16",
    "amx_int8", "amx_bf16",
    "asimd", "asimddp", "asimdhp", "i8mm", "bf16", "sve",
)  # fmt: skip
"""CPU flags that decide which kernel runs."""

LIBRARIES = ("numpy", "onnx", "onnxruntime", "torch", "onnxscript", "pillow", "matplotlib", "zstandard")


def library_versions() -> dict[str, str]:
    """Installed versions of what a result depends on, without importing any of it."""
    found = {}
    for name in LIBRARIES:
        try:
            found[name] = metadata.version(name)
        except metadata.PackageNotFoundError:
            continue
    return found


def read() -> Environment:
    """The environment now; `load_after` is filled in when a cell ends."""
    model, flags = _cpu()
    return Environment(
        system=platform.system(),
        kernel=platform.release(),
        machine=platform.machine(),
        cpu=model,
        cpu_flags=tuple(flag for flag in DECIDING_FLAGS if flag in flags),
        cores=_cores(),
        memory_bytes=psutil.virtual_memory().total,
        governor=_text("/sys/devices/system/cpu/cpu0/cpufreq/scaling_governor"),
        hypervisor=("hypervisor" in flags) if flags else None,
        load_before=load(),
        load_after=None,
        python=platform.python_version(),
        libraries=library_versions(),
    )


def load() -> float | None:
    """The one-minute load average; None where the platform has none."""
    try:
        return round(os.getloadavg()[0], 2)
    except OSError:
        return None


def git_state() -> tuple[str | None, bool | None]:
    """The commit of the source tree and whether tracked files differ from it; (None, None) outside a checkout."""
    here = Path(__file__).resolve().parent.parent
    if not (here / ".git").exists():
        return None, None
    try:
        commit = subprocess.run(
            ["git", "-C", here, "rev-parse", "HEAD"], capture_output=True, text=True, timeout=10, check=True
        ).stdout.strip()
        dirty = subprocess.run(
            ["git", "-C", here, "status", "--porcelain", "--untracked-files=no", "--", "suite", "methods", "targets"],
            capture_output=True, text=True, timeout=10, check=True,
        ).stdout.strip()  # fmt: skip
    except (OSError, subprocess.SubprocessError):
        return None, None
    return commit, bool(dirty)


def _cores() -> int:
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def _cpu() -> tuple[str, frozenset[str]]:
    """Model name and flags: from /proc/cpuinfo on Linux, from sysctl on macOS."""
    text = _text("/proc/cpuinfo")
    if text is None:
        return _sysctl("machdep.cpu.brand_string") or platform.processor() or platform.machine(), frozenset()
    facts = {key.strip(): value.strip() for key, _, value in (line.partition(":") for line in text.splitlines())}
    name = facts.get("model name") or facts.get("Model") or facts.get("CPU part") or platform.machine()
    return name, frozenset((facts.get("flags") or facts.get("Features") or "").split())


def _sysctl(name: str) -> str | None:
    try:
        return subprocess.run(["sysctl", "-n", name], capture_output=True, text=True, timeout=10, check=True).stdout.strip()
    except (OSError, subprocess.SubprocessError):
        return None


def _text(path: str) -> str | None:
    try:
        return Path(path).read_text(encoding="utf-8", errors="replace").strip()
    except OSError:
        return None
