"""Counts of instructions: a plug-in of QEMU, compiled where the environment is made, and a QEMU that can load one.

The static QEMU, which everything else runs in, loads no plug-ins; the dynamic one is fetched with all of its libraries, and a plug-in of
our own (`count.c`) with the system's C compiler. Without a compiler the environment is whole, and its counts are null with the reason.
"""

import os
import shutil
import subprocess
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path

from suite.contracts import Skip
from suite.environments import debian
from suite.errors import UsageError

Say = Callable[[str], None]
Guest = Callable[[Sequence[str]], Sequence[str]]
"""What runs Python behind an emulator, given the command of that."""

SOURCE = Path(__file__).with_name("count.c")
FOLDER, PLUGIN, REASON = "counter", "count.so", "reason"
COUNTS, MARK = "SQUEEZEMARK_COUNTS", 0x3FED5EED
"""The variable that names the file of counts, and the descriptor whose use writes a line to it."""
INTERFACES = (1, 2, 3, 4)
"""Versions of QEMU's interface for plug-ins: 1 before QEMU 9. Which one a QEMU takes is tried."""
SECONDS = 120.0


def build(folder: Path, machine: str, guest: Guest, say: Say) -> None:
    """Adds the counter to an environment of a machine (`aarch64`, `x86_64`), or the reason why it has none."""
    own = folder / FOLDER
    own.mkdir()
    try:
        compiler = next((found for name in ("cc", "gcc", "clang") if (found := shutil.which(name))), None)
        if compiler is None:
            raise UsageError("there is no C compiler here to build the counter with: install one, and make the environment anew")
        say("fetching a QEMU that counts instructions")
        debian.fetch(("qemu-user",), debian.native(), own / "qemu")
        for other in (own / "qemu/usr/bin").iterdir():
            if other.name != f"qemu-{machine}":
                other.unlink()
        _compile(compiler, folder, machine, guest)
    except UsageError as error:
        shutil.rmtree(own / "qemu", ignore_errors=True)
        (own / PLUGIN).unlink(missing_ok=True)
        (own / REASON).write_text(str(error).rstrip("."), encoding="utf-8")


def emulator(folder: Path, machine: str) -> tuple[str, ...] | Skip:
    """The command of the emulator that counts; or why an environment has none."""
    own = folder / FOLDER
    if (own / REASON).is_file():
        return Skip((own / REASON).read_text(encoding="utf-8"))
    if not (own / PLUGIN).is_file():
        return Skip("its environment has no counter of instructions: remove it, and make it anew with squeezemark env create")
    try:
        return _command(folder, machine)
    except UsageError as error:
        return Skip(str(error))


def _command(folder: Path, machine: str) -> tuple[str, ...]:
    """Its own loader with its own libraries: this machine may have none of them, or others."""
    own, qemu = folder / FOLDER, folder / FOLDER / "qemu"
    loader = next(qemu.glob("**/*-linux-gnu/ld-linux-*.so.*"), None)
    binary = qemu / f"usr/bin/qemu-{machine}"
    if loader is None or not binary.is_file():
        raise UsageError(f"the package qemu-user has no emulator of {machine} that runs here")
    libraries = ":".join(str(place) for place in sorted(qemu.glob("**/*-linux-gnu")))
    plugin = str(own / PLUGIN).replace(",", ",,")  # a comma begins an argument of the plug-in
    return str(loader), "--library-path", libraries, str(binary), "-plugin", plugin


def _compile(compiler: str, folder: Path, machine: str, guest: Guest) -> None:
    """Raises UsageError unless QEMU loads the plug-in and counts."""
    said = ""
    for interface in INTERFACES:
        flags = ("-shared", "-fPIC", "-O2", "-fvisibility=hidden", f"-DPLUGIN_API={interface}")
        debian.run([compiler, *flags, str(SOURCE), "-o", str(folder / FOLDER / PLUGIN)], "the counter could not be compiled")
        try:
            return _try(guest(_command(folder, machine)))
        except UsageError as error:
            said = said or str(error)
    raise UsageError(f"QEMU does not take the counter: {said}")


def _try(python: Sequence[str]) -> None:
    program = f"import ctypes; ctypes.CDLL(None).lseek({MARK}, 0, 0)"
    with tempfile.TemporaryDirectory() as room:
        counts = Path(room) / "counts"
        try:
            done = subprocess.run(
                [*python, "-c", program], env={**os.environ, COUNTS: str(counts)}, capture_output=True, text=True, timeout=SECONDS
            )
        except (OSError, subprocess.TimeoutExpired) as error:
            raise UsageError(str(error)) from error
        if done.returncode or not counts.is_file():
            lines = done.stderr.strip().splitlines()
            raise UsageError(lines[-1] if lines else f"it exited with {done.returncode} and counted nothing")
