"""What a machine is, read on the machine itself: standard library only, since a board that measures has little else.

A fact that the platform does not give is None, never a guess.
"""

import json
import os
import platform
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

LIBRARIES = ("numpy", "onnxruntime", "openvino")
"""What workers need; their versions decide their answers."""

LEVELS: Mapping[str, Mapping[str, str]] = {
    "x86_64": {
        "x86-64-v1": "cmov cx8 fpu fxsr mmx syscall sse sse2",
        "x86-64-v2": "cx16 lahf_lm popcnt pni sse4_1 sse4_2 ssse3",
        "x86-64-v3": "avx avx2 bmi1 bmi2 f16c fma abm movbe xsave",
        "x86-64-v4": "avx512f avx512bw avx512cd avx512dq avx512vl",
    },
    "aarch64": {
        "armv8.0-a": "fp asimd",
        "armv8.1-a": "atomics asimdrdm crc32",
        "armv8.2-a": "dcpop",
        "armv8.3-a": "jscvt fcma lrcpc",
        "armv8.4-a": "asimddp dit uscat ilrcpc flagm",
        "armv8.5-a": "flagm2 frint sb",
        "armv8.6-a": "i8mm bf16",
    },
}
"""Machine -> levels and the flags that each adds: those of the x86-64 psABI, as Linux calls them (pni is SSE3, abm has LZCNT), and what Arm
requires of a version as far as Linux has a flag for it (Documentation/arch/arm64/elf_hwcaps.rst)."""

CACHES = {("1", "Data"): "L1d", ("1", "Unified"): "L1d", ("2", "Unified"): "L2", ("3", "Unified"): "L3"}
CACHES_OF_MACOS = {"L1d": "l1dcachesize", "L2": "l2cachesize", "L3": "l3cachesize"}
UNITS = {"K": 1 << 10, "M": 1 << 20, "G": 1 << 30}


class Unreadable(Exception):
    """There is no such counter, or it cannot be read; says why. What is measured stands without it, and the reason in its place."""


def read() -> dict[str, Any]:
    """The machine now, in the words of `suite.record.Environment`; `flags` are all that its processor has."""
    model, flags = cpu()
    return {
        "system": platform.system(),
        "kernel": platform.release(),
        "machine": platform.machine(),
        "cpu": model,
        "flags": sorted(flags),
        "cores": cores(),
        "memory_bytes": memory_bytes(),
        "governor": text("/sys/devices/system/cpu/cpu0/cpufreq/scaling_governor"),
        "hypervisor": ("hypervisor" in flags) if flags else None,
        "load_before": load(),
        "python": platform.python_version(),
        "libraries": versions(LIBRARIES),
        "level": level(flags),
        "caches": caches(),
        "cpu_quota": cpu_quota(),
        "memory_limit_bytes": memory_limit_bytes(),
        "turbo": turbo(),
        "smt": _switch("/sys/devices/system/cpu/smt/active"),
    }


def versions(names: Iterable[str]) -> dict[str, str]:
    """Installed versions of distributions, by name, without importing any; those that are not there are left out."""
    from importlib import metadata  # here and below: a worker that is launched to be timed imports this module, and asks for neither

    found = {}
    for name in names:
        try:
            found[name] = metadata.version(name)
        except metadata.PackageNotFoundError:
            continue
    return found


def memory_bytes() -> int:
    """All of the machine's memory; 0 where the platform does not tell."""
    try:
        return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    except (ValueError, OSError, AttributeError):
        return 0


def load() -> float | None:
    """The one-minute load average; None where the platform has none."""
    try:
        return round(os.getloadavg()[0], 2)
    except OSError:
        return None


def cores() -> int:
    """How many this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def cpu() -> tuple[str, frozenset[str]]:
    """Model name and flags: from /proc/cpuinfo on Linux, from sysctl on macOS."""
    told = text("/proc/cpuinfo")
    if told is None:
        return sysctl("machdep.cpu.brand_string") or platform.processor() or platform.machine(), frozenset()
    rows = {key.strip(): value.strip() for key, _, value in (line.partition(":") for line in told.splitlines())}
    name = rows.get("model name") or rows.get("Model") or rows.get("CPU part") or platform.machine()
    return name, frozenset((rows.get("flags") or rows.get("Features") or "").split())


def cgroups(name: str, controller: str = "") -> Iterator[str]:
    """What a file of the control group that this process is in holds, then of those that it is within. controller: one of version 1; none:
    the unified hierarchy. A container often sees only its own group, as the root."""
    for line in (text("/proc/self/cgroup") or "").splitlines():
        _, controllers, path = line.split(":", 2)
        if controller not in controllers.split(","):
            continue
        steps = [step for step in path.split("/") if step]
        for root in (f"/sys/fs/cgroup/{controller}",) if controller else ("/sys/fs/cgroup", "/sys/fs/cgroup/unified"):
            for depth in range(len(steps), -1, -1):
                found = text("/".join((root, *steps[:depth], name)))
                if found is not None:
                    yield found


def cgroup(name: str, controller: str = "") -> str | None:
    """The same of the nearest group that has the file; None without one."""
    return next(cgroups(name, controller), None)


def level(flags: frozenset[str]) -> str | None:
    """The highest microarchitecture level of which it has every flag, and those of all levels below; None where flags are not known."""
    found = None
    for name, needed in LEVELS.get(platform.machine(), {}).items():
        if not flags.issuperset(needed.split()):
            break
        found = name
    return found


def caches() -> dict[str, int] | None:
    """Bytes of the caches of the first core, by level; None where the platform does not tell."""
    found: dict[str, int] = {}
    for index in range(8):
        kind, depth, size = (text(f"/sys/devices/system/cpu/cpu0/cache/index{index}/{name}") for name in ("type", "level", "size"))
        if kind and depth and size and (depth, kind) in CACHES and size[:-1].isdigit():
            found[CACHES[depth, kind]] = int(size[:-1]) * UNITS.get(size[-1], 1)
    for name, fact in CACHES_OF_MACOS.items() if platform.system() == "Darwin" else ():
        told = sysctl(f"hw.perflevel0.{fact}") or sysctl(f"hw.{fact}")
        if told and told.isdigit() and int(told):
            found[name] = int(told)
    return found or None


def cpu_quota() -> float | None:
    """Cores' worth of time that the container may use, the least of all groups that it is in; None without a limit."""
    pairs = [row.split() for row in cgroups("cpu.max")]
    pairs += [list(pair) for pair in zip(cgroups("cpu.cfs_quota_us", "cpu"), cgroups("cpu.cfs_period_us", "cpu"), strict=False)]
    found = [int(quota) / int(period) for quota, period in (pair for pair in pairs if len(pair) == 2) if quota.isdigit() and int(period)]
    return min(found, default=None)


def memory_limit_bytes() -> int | None:
    """What the container may use, the least of all groups that it is in; None without a limit below the machine's memory."""
    rows = (*cgroups("memory.max"), *cgroups("memory.limit_in_bytes", "memory"))
    found = min((int(row) for row in rows if row.isdigit()), default=None)
    return found if found is not None and found < (memory_bytes() or found + 1) else None


def turbo() -> bool | None:
    """Whether the clock may rise above its base; None where the platform does not tell (usual in virtual machines)."""
    forbidden = _switch("/sys/devices/system/cpu/intel_pstate/no_turbo")
    return not forbidden if forbidden is not None else _switch("/sys/devices/system/cpu/cpufreq/boost")


def _switch(path: str) -> bool | None:
    return {"0": False, "1": True}.get(text(path) or "")


def sysctl(name: str) -> str | None:
    """A fact of macOS."""
    import subprocess

    try:
        return subprocess.run(["sysctl", "-n", name], capture_output=True, text=True, timeout=10, check=True).stdout.strip()
    except (OSError, subprocess.SubprocessError):
        return None


def text(path: str) -> str | None:
    """What a file of the system holds."""
    try:
        return Path(path).read_text(encoding="utf-8", errors="replace").strip()
    except OSError:
        return None


if __name__ == "__main__":
    print(json.dumps({"event": "result", **read()}))
