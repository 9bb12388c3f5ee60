"""What a machine is, read on the machine itself: standard library only, since a board that measures has little else.

A fact that the platform does not give is None, never a guess.
"""

import json
import os
import platform
import subprocess
from collections.abc import Iterable
from importlib import metadata
from pathlib import Path
from typing import Any

LIBRARIES = ("numpy", "onnxruntime", "openvino")
"""What workers need; their versions decide their answers."""


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
    }


def versions(names: Iterable[str]) -> dict[str, str]:
    """Installed versions of distributions, by name, without importing any; those that are not there are left out."""
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


def cgroup(name: str, controller: str = "") -> str | None:
    """What a file of the control group that this process is in holds. controller: one of version 1; none: the unified hierarchy."""
    for line in (text("/proc/self/cgroup") or "").splitlines():
        _, controllers, path = line.split(":", 2)
        if controller in controllers.split(","):
            roots = (f"/sys/fs/cgroup/{controller}",) if controller else ("/sys/fs/cgroup", "/sys/fs/cgroup/unified")
            within = (path.rstrip("/"), "") if path != "/" else ("",)
            return next((found for root in roots for at in within if (found := text(f"{root}{at}/{name}")) is not None), None)
    return None


def sysctl(name: str) -> str | None:
    """A fact of macOS."""
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
