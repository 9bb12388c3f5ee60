"""What this machine can run, and what would disturb a measurement on it. Looks only; changes nothing."""

import shutil
from pathlib import Path
from typing import Any

from suite import disturbances, environment
from suite.record import Environment
from suite.registry import Registry

NEEDED = ("torch", "onnx", "onnxscript", "onnxruntime", "numpy")
"""Without these nothing can be compressed or measured here; results can still be rendered."""
ROOM_BYTES = 2 << 30


def rows(registry: Registry) -> list[dict[str, Any]]:
    """One object per target and per check: `state` is ok, no or warning, `reason` says why and what to do."""
    found = [_target(registry, name) for name in registry.targets]
    now = environment.read()
    disturbing = [_row("host", finding.name, finding.fine, finding.words) for finding in disturbances.findings(now)]
    return found + _packages() + _host(now) + disturbing


def _target(registry: Registry, name: str) -> dict[str, Any]:
    skip = registry.probes[name]()
    return {
        "kind": "target",
        "name": name,
        "state": "no" if skip else "ok",
        "runs_here": skip is None,
        "reason": skip.reason if skip else None,
    }


def _packages() -> list[dict[str, Any]]:
    versions = environment.library_versions()
    return [
        _row("package", name, name in versions, versions.get(name, f"not installed: pip install 'squeezemark[run]' brings {name}"))
        for name in NEEDED
    ]


def _host(now: Environment) -> list[dict[str, Any]]:
    free = shutil.disk_usage(Path.cwd()).free
    load = now.load_before
    return [
        _row("host", "cpu", True, f"{now.host}; kernels: {', '.join(now.cpu_flags) or 'flags unknown on this platform'}"),
        _row("host", "memory", True, f"{now.memory_bytes / 2**30:.1f} GiB"),
        _row(
            "host",
            "disk",
            free > ROOM_BYTES,
            f"{free / 2**30:.1f} GiB free here" + ("" if free > ROOM_BYTES else "; a run needs about 2 GiB"),
        ),
        _row("host", "load", load is not None and load < 0.5, _load_reason(load)),
        _row("host", "governor", now.governor in ("performance", None), _governor_reason(now.governor)),
        _row(
            "host", "hypervisor", not now.hypervisor, "a virtual machine: neighbours may disturb timing" if now.hypervisor else "none seen"
        ),
    ]


def _row(kind: str, name: str, fine: bool, reason: str) -> dict[str, Any]:
    return {"kind": kind, "name": name, "state": "ok" if fine else "warning", "reason": reason}


def _load_reason(load: float | None) -> str:
    if load is None:
        return "this platform gives no load average"
    return f"{load:.2f}" + ("" if load < 0.5 else "; other work is running, stop it before you measure")


def _governor_reason(governor: str | None) -> str:
    if governor is None:
        return "not to be read here (usual in virtual machines)"
    return governor if governor == "performance" else f"{governor}; `cpupower frequency-set -g performance` steadies timing"
