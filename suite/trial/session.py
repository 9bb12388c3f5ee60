"""Runs the conformance suite of methods in a process of pytest, and passes on what it finds."""

import importlib.util
import json
import os
import subprocess
import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path

import msgspec

from suite import own_methods
from suite.errors import UnknownName, UsageError
from suite.findings import State
from suite.registry import Registry

USAGE, NOTHING = 4, 5
"""Exit codes of pytest: what was asked for cannot be done, and no test was collected."""


class Found(msgspec.Struct, frozen=True):
    """One line: the method, the check, how it went, and in words what was found. subject: a variant, or a variant and a target."""

    method: str
    check: str
    subject: str
    state: State
    words: str

    @property
    def bad(self) -> bool:
        """Whether the method does not conform."""
        return self.state in ("wrong", "MISSING")


def folder(registry: Registry, name: str) -> Path:
    """Where the method of a name, or of a path, lies. Raises UnknownName, and UsageError for what is no method's folder."""
    path = Path(name)
    if path.is_dir() and (path / "apply.py").is_file() and (path / "__init__.py").is_file():
        return path.resolve()
    found = own_methods.where(name) if "/" not in name else None
    if found is not None:
        return found
    if name in registry.methods:
        steps = sorted({step.method for variant in registry.methods[name].variants for step in variant.steps})
        raise UsageError(f"{name} is a recipe, which has no code of its own; check the methods of its steps: {', '.join(steps)}.")
    if "/" in name or path.exists():
        words = "a method is a folder with __init__.py and apply.py, which squeezemark new-method writes"
        raise UsageError(f"{name} is no method: {words}.")
    raise UnknownName("method", name, registry.methods)


def check(folders: Sequence[Path], options: Mapping[str, Iterable[str]], every: bool, save: str) -> Iterator[Found]:
    """What each property of each method came to, as it is found. save: the label of a kept benchmark; empty keeps none.

    Raises UsageError where pytest is not installed, and for what it cannot do.
    """
    if importlib.util.find_spec("pytest") is None:
        raise UsageError("The conformance suite is a plug-in of pytest, which is not installed here: pip install 'squeezemark[check]'.")
    read, write = os.pipe()
    command = [
        sys.executable, "-m", "pytest", "-p", "suite.trial.plugin", "-p", "no:cacheprovider", "-c", os.devnull, f"--rootdir={Path.cwd()}",
        f"--squeezemark-findings=/dev/fd/{write}", *(["--squeezemark-every"] if every else []),
        *(f"--squeezemark-{name}={','.join(values)}" for name, values in options.items()),
        *([f"--benchmark-save={save}"] if save else []), *map(str, folders),
    ]  # fmt: skip
    # A pytest that this one may be started from has its own workers, and benchmarks do not run in these.
    own = {name: value for name, value in os.environ.items() if not name.startswith("PYTEST_")}
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, pass_fds=(write,), env=own) as process:
        os.close(write)
        with os.fdopen(read, encoding="utf-8") as lines:
            yield from (msgspec.convert(json.loads(line), Found) for line in lines)
        said = process.communicate()[0]
    if process.returncode not in (0, 1):
        told = [line.removeprefix("ERROR: ") for line in said.splitlines() if line.startswith(("ERROR: ", "E   "))]
        raise UsageError(" ".join((told or said.splitlines())[-1].split()) or "pytest ended without a word.")
