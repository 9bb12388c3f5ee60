"""What the machine and its libraries are, as far as a measurement depends on them. A fact that cannot be read is None."""

import subprocess
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from suite import environments, facts
from suite.contracts import TargetCard
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
    return facts.versions(LIBRARIES)


def target_libraries(card: TargetCard) -> dict[str, str]:
    """Installed versions of what the results of one target depend on besides, and of what its environment is made of."""
    made = environments.versions(card.environment) if card.environment else {}
    return facts.versions(card.libraries) | {f"{card.environment} {name}": version for name, version in made.items()}


def read(target: TargetCard | None = None, machine: Mapping[str, Any] | None = None) -> Environment:
    """The environment now, for cells of a target; `load_after` is filled in when a cell ends.

    machine: the facts of another machine that does the measuring (`suite.facts`); this one's are read otherwise.
    """
    known = dict(machine or facts.read())
    there = {f"{machine['cpu']}: {name}": version for name, version in machine["libraries"].items()} if machine else {}
    flags = known.pop("flags")
    known.pop("libraries")
    return Environment(
        **known,
        cpu_flags=tuple(flag for flag in DECIDING_FLAGS if flag in flags),
        load_after=None,
        libraries=library_versions() | (target_libraries(target) if target else {}) | there,
    )


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
