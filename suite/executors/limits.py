"""What all processes of a job may use together, watched from outside, and the processes that outlived their job. Linux."""

import contextlib
import os
import signal
import subprocess
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import psutil

MARK = "SQUEEZEMARK_PROCESS"
"""Names the job in the environment of its processes, which their children inherit."""

EVERY_S = 0.25


@dataclass(frozen=True, slots=True)
class Most:
    """So many processes at once, and so many bytes of resident memory in all of them."""

    processes: int
    bytes: int


@dataclass
class Watch:
    """What was found. beyond: why the processes were ended, in words; None if they kept within their limits."""

    beyond: str | None = None
    done: threading.Event = field(default_factory=threading.Event)


@contextmanager
def watched(process: "subprocess.Popen[str]", most: Most | None) -> Iterator[Watch]:
    """Ends a process with all of its descendants as soon as they use more than they may. Looks four times a second."""
    watch = Watch()
    thread = threading.Thread(target=_look, args=(process, most, watch), daemon=True) if most else None
    if thread:
        thread.start()
    try:
        yield watch
    finally:
        watch.done.set()
        if thread:
            thread.join()


def _look(process: "subprocess.Popen[str]", most: Most, watch: Watch) -> None:
    while not watch.done.wait(EVERY_S):
        with contextlib.suppress(psutil.Error):
            family = psutil.Process(process.pid).children(recursive=True)
            taken = sum(_resident(child) for child in family)
            if len(family) > most.processes:
                watch.beyond = f"it started {len(family)} processes, and may have {most.processes} at once"
            elif taken > most.bytes:
                watch.beyond = f"its processes took {taken / 1e9:.1f} GB together, and may take {most.bytes / 1e9:.1f} GB"
            if watch.beyond:
                with contextlib.suppress(ProcessLookupError, PermissionError):
                    os.killpg(process.pid, signal.SIGKILL)
                return


def _resident(process: psutil.Process) -> int:
    try:
        return int(process.memory_info().rss)
    except psutil.Error:
        return 0


def end_those_left(mark: str, group: int) -> int:
    """Ends the processes of a job that left its process group, of which all others have been killed; how many there were.

    Found by their environment, so that one which starts a program with another environment is not seen: a sandbox ends these as well.
    """
    ended = 0
    wanted = f"{MARK}={mark}".encode()
    for folder in Path("/proc").glob("[0-9]*"):
        pid = int(folder.name)
        with contextlib.suppress(OSError):
            if wanted in (folder / "environ").read_bytes().split(b"\0") and os.getpgid(pid) != group:
                os.kill(pid, signal.SIGKILL)
                ended += 1
    return ended
