"""Runs what a stranger wrote so that it reaches nothing but what its job names: bubblewrap (https://github.com/containers/bubblewrap).

Inside: no network, processes of its own, an empty environment, a file system of the system's programs and libraries, Python's, the suite's
packages and the paths of the job, all to be read; and the folders that the job writes to. No home, no results, no test split, no labels,
and of the machine's devices null, zero and random. What all processes of one job may take together is watched from outside.
Linux alone: elsewhere, and where user namespaces are forbidden, `missing` says so.
"""

import functools
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import methods
import suite
import targets
from suite import environments
from suite.executors.limits import Most
from suite.executors.local import ONE_THREAD, Interpreter

SYSTEM = ("/usr", "/bin", "/sbin", "/lib", "/lib32", "/lib64", "/etc/ld.so.cache", "/etc/alternatives", "/etc/localtime")
MACHINE = ("/sys/devices/system", "/sys/fs/cgroup")
"""What says which processor this is, and whether it was held back."""

READ = ("baseline", "lowered", "compressed", "inputs", "references", "reference", "paths")
"""Fields of a job with paths that are read: files, folders, or mappings of them."""
WRITE = ("out", "scratch", "states", "counts")
"""Fields of a job with paths that are written: a folder, or the folder of a file."""

PROCESSES, SPACE = 64, 1 << 30
"""Processes of a job at once; bytes in /tmp, and in shared memory."""

HOME = "/tmp/home"

Job = Mapping[str, Any]


def missing() -> str | None:
    """Why nothing can be run in a sandbox here, and what to do; None if it can."""
    program = shutil.which("bwrap")
    if sys.platform != "linux":
        return "a sandbox needs Linux: reproduce it on a Linux machine"
    if program is None:
        return "bubblewrap is not installed here: apt-get install bubblewrap"
    tried = subprocess.run([program, *ISOLATED, "--ro-bind", "/", "/", "true"], capture_output=True, text=True, timeout=30)
    if tried.returncode:
        said = " ".join(tried.stderr.split())[:200]
        return f"bubblewrap cannot make a sandbox here ({said}): allow unprivileged user namespaces, or use another machine"
    return None


ISOLATED = (
    "--unshare-user", "--unshare-ipc", "--unshare-pid", "--unshare-net", "--unshare-uts", "--disable-userns", "--die-with-parent",
    "--new-session", "--cap-drop", "ALL", "--hostname", "sandbox",
)  # fmt: skip
"""The control group stays, so that what the machine did meanwhile can be read."""


@dataclass(frozen=True, slots=True)
class Sandbox:
    """A `suite.workspace.Confine`. memory_bytes: of all processes of a job that runs a method, together; None: not watched."""

    memory_bytes: int | None = None

    def __call__(self, interpreter: Interpreter, job: Job) -> Interpreter:
        """The same interpreter in a sandbox that holds what this job needs."""
        read, written = tuple(_read(job)), tuple(_written(job))
        for place in written:
            place.mkdir(parents=True, exist_ok=True)
        command = ["bwrap", *ISOLATED, "--proc", "/proc", "--dev", "/dev"]
        command += [*_empty("/dev/shm"), *_empty("/tmp"), "--dir", HOME, "--dir", "/etc"]
        command += [*_system(), *_bound("--ro-bind", _python()), *_bound("--bind", written), *_bound("--ro-bind", read)]
        command += ["--chdir", HOME, "--clearenv", *_environment(interpreter.environ), "--", *interpreter.command]
        watch = job["do"] == "compress" and self.memory_bytes
        return replace(interpreter, command=tuple(command), relays=True, most=Most(PROCESSES, self.memory_bytes or 0) if watch else None)


def _environment(own: Mapping[str, str]) -> Iterator[str]:
    root = str(Path(suite.__file__).parent.parent)
    known = {
        "PATH": "/usr/local/bin:/usr/bin:/bin", "HOME": HOME, "TMPDIR": "/tmp", "USER": "nobody", "LOGNAME": "nobody", "LANG": "C.UTF-8",
        "SQUEEZEMARK_HOME": str(environments.home().parent), "PYTHONPATH": root, "PYTHONSAFEPATH": "1", "PYTHONNOUSERSITE": "1",
        "PYTHONDONTWRITEBYTECODE": "1",
    }  # fmt: skip
    for name, value in {**known, **ONE_THREAD, **own}.items():
        yield from ("--setenv", name, value)


def _empty(folder: str) -> tuple[str, ...]:
    """A folder in memory, of SPACE bytes at most."""
    return "--size", str(SPACE), "--tmpfs", folder


def _system() -> Iterator[str]:
    for name in (*SYSTEM, *MACHINE):
        path = Path(name)
        if path.is_symlink() and path.parent == Path("/"):
            yield from ("--symlink", os.readlink(path), name)
        elif path.exists():
            yield from ("--ro-bind", name, name)


@functools.cache
def _python() -> tuple[Path, ...]:
    """Python, its libraries, the environments of targets, and the packages of the suite: not the checkout that they may lie in."""
    packages = [Path(package.__path__[0]) for package in (suite, methods, targets)]
    found = [Path(sys.prefix), Path(sys.base_prefix), Path(sys.executable).resolve().parent.parent, environments.home(), *packages]
    there = [path.resolve() for path in found if path.exists()]
    return tuple(path for path in dict.fromkeys(there) if not path.is_relative_to("/usr") and path != Path("/"))


def _read(job: Job) -> Iterator[Path]:
    for name in READ:
        yield from (path for path in _paths(job.get(name)) if path.exists())
    if job["do"] in ("checked", "card"):
        yield from (path for path in _paths(job.get("out")) if path.exists())


def _paths(value: object) -> Iterator[Path]:
    """Every absolute path in a value of JSON."""
    if isinstance(value, str):
        if value.startswith("/"):
            yield Path(value)
    elif isinstance(value, Mapping):
        for inner in value.values():
            yield from _paths(inner)
    elif isinstance(value, list | tuple):
        for inner in value:
            yield from _paths(inner)


def _written(job: Job) -> Iterator[Path]:
    for name in WRITE if job["do"] not in ("checked", "card") else ():
        for path in _paths(job.get(name)):
            yield path.parent if path.suffix or name == "counts" else path


def _bound(how: str, places: tuple[Path, ...]) -> Iterator[str]:
    for place in dict.fromkeys(places):
        yield from (how, str(place), str(place))
