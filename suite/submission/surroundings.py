"""What a bundle was packed on: the machine, the state of the source tree, and what is installed. Nothing is imported."""

import re
from collections.abc import Iterable, Iterator
from importlib import metadata
from pathlib import Path

import msgspec
from packaging.requirements import Requirement

from suite import __version__, environment
from suite.record import Environment

ROOT = "squeezemark"
LEFT_OUT = ("test", "check")
"""The extras that nothing measured depends on."""

PIN = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*==[A-Za-z0-9][A-Za-z0-9._+!-]*")


class Packing(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """environment.json. git_commit, git_dirty: of the suite's own source; None where it is no checkout."""

    suite_version: str
    git_commit: str | None
    git_dirty: bool | None
    machine: Environment


def packing() -> Packing:
    """Of this machine. Its load is left out: packing again gives the same."""
    commit, dirty = environment.git_state()
    return Packing(__version__, commit, dirty, msgspec.structs.replace(environment.read(), load_before=None))


def encode(found: Packing) -> bytes:
    """Indented JSON, UTF-8."""
    return msgspec.json.format(msgspec.json.encode(found, order="deterministic"), indent=1) + b"\n"


def lock(extra: Iterable[str] = ()) -> str:
    """name==version of everything installed that squeezemark, its extras but LEFT_OUT, and the distributions `extra` need here."""
    waiting = [ROOT, *environment.LIBRARIES, *extra]
    found: dict[str, str] = {}
    while waiting:
        name = re.sub(r"[-_.]+", "-", waiting.pop()).lower()
        if name in found:
            continue
        try:
            distribution = metadata.distribution(name)
        except metadata.PackageNotFoundError:
            continue
        found[name] = distribution.version
        extras = {"", *(distribution.metadata.get_all("Provides-Extra") or ())} - {*LEFT_OUT} if name == ROOT else {""}
        waiting += [needed.name for needed in map(Requirement, distribution.requires or ()) if _counts(needed, extras)]
    return "".join(f"{name}=={version}\n" for name, version in sorted(found.items()))


def _counts(needed: Requirement, extras: Iterable[str]) -> bool:
    """Whether one of the extras needs it on this Python."""
    return needed.marker is None or any(needed.marker.evaluate({"extra": extra}) for extra in extras)


def problems_of_lock(file: Path) -> Iterator[str]:
    """What is wrong with a bundle's lock."""
    if not file.is_file():
        yield "it is missing"
        return
    lines = file.read_text(encoding="utf-8").splitlines()
    for place, line in enumerate(lines, 1):
        if not PIN.fullmatch(line):
            yield f"line {place} is not name==version"
    if not any(line.startswith("numpy==") for line in lines):
        yield "it does not name numpy"


def problems_of_packing(file: Path) -> Iterator[str]:
    """What is wrong with a bundle's environment."""
    try:
        msgspec.json.decode(file.read_bytes(), type=Packing)
    except (OSError, msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
        yield f"it is not what squeezemark writes: {error}"
