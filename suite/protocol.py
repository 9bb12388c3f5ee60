"""How the suite talks to its processes: one JSON job on stdin, JSON lines on stdout. Standard library only.

Lines that a process prints: `{"event": "progress", "done": 3, "total": 9, "text": "..."}` any number of times, then one of
`{"event": "result", ...}` and `{"event": "failed", "status": "...", "reason": "..."}`. One that is started before there is a job for it
prints `{"event": "ready"}` when it waits.
"""

import ctypes
import errno
import json
import os
import signal
import sys
import time
import traceback
from collections.abc import Callable, Mapping
from contextlib import suppress
from typing import Any, NoReturn, TextIO

from suite import plugins
from suite.contracts import NotApplicable
from suite.errors import CellFailed

Job = Mapping[str, Any]
Progress = Callable[[int, int, str], None]
Handler = Callable[[Job, Progress], dict[str, Any]]

NO_SPACE = "no_space"
"""Not a status of a cell: a full disk says nothing about a method, and ends the run."""

EVERY_S = 0.1
"""A step that is told of more often than this is told of in part: nobody reads faster, and each line wakes the process that waits."""

PLUG_INS = tuple(f"{package}." for package in plugins.PACKAGES.values())
"""How the names of their modules begin."""

OUT_OF_MEMORY = ("bad allocation", "bad_alloc", "cannot allocate memory", "can't allocate memory", "failed to allocate memory")
"""How C++ libraries say that memory ran out, through an exception of their own."""


def serve(handlers: Mapping[str, Handler], failure: str, early: Callable[[], object] | None = None) -> NoReturn:
    """Reads a job, runs `handlers[job["do"]]`, prints its result, exits. `failure` is the status of an exception in it.

    early: what can be done before there is a job; what fails in it will fail again in the job, which tells of it.
    """
    out = _take_stdout()

    def say(event: str, **facts: Any) -> None:
        out.write(json.dumps({"event": event, **facts}) + "\n")
        out.flush()

    if early is not None:
        with suppress(Exception):
            early()
        say("ready")
    job = json.load(sys.stdin)
    try:
        _limit(job)
        plugins.add(job.get("paths", {}))
        result = handlers[job["do"]](job, _seldom(lambda done, total, text: say("progress", done=done, total=total, text=text)))
        say("result", **result)
    except BaseException as error:
        traceback.print_exc()
        status, reason = _explain(error, failure)
        say("failed", status=status, reason=reason)
    out.flush()
    sys.stderr.flush()
    os._exit(0)  # what a plug-in left running (a thread, an exit hook) does not outlive its result


def _seldom(progress: Progress) -> Progress:
    """The same, told of each step's beginning and end, and of what lies between every EVERY_S."""
    told, when = "", 0.0

    def tell(done: int, total: int, text: str) -> None:
        nonlocal told, when
        now = time.monotonic()
        if text != told or done >= total or now - when >= EVERY_S:
            told, when = text, now
            progress(done, total, text)

    return tell


def _take_stdout() -> TextIO:
    """The real stdout for the protocol alone; whatever else prints, prints to stderr."""
    out = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)
    return out


def _limit(job: Job) -> None:
    """Ends with the coordinator, and fails instead of taking the machine's memory. Both as far as the platform can."""
    if sys.platform == "linux":
        import resource

        ctypes.CDLL(None).prctl(1, signal.SIGKILL)  # PR_SET_PDEATHSIG
        for name, limit in (("memory_bytes", resource.RLIMIT_AS), ("file_bytes", resource.RLIMIT_FSIZE)):
            if job.get(name):
                resource.setrlimit(limit, (int(job[name]),) * 2)


def _explain(error: BaseException, failure: str) -> tuple[str, str]:
    if isinstance(error, CellFailed):
        return error.status, error.reason
    text = _said(error)
    if isinstance(error, NotApplicable):
        return "unsupported", text
    if isinstance(error, OSError) and error.errno in (errno.ENOSPC, errno.EDQUOT):
        return NO_SPACE, text
    if isinstance(error, OSError) and error.errno == errno.EFBIG:
        return failure, f"it wrote a file that is larger than the limit or than the disk has room for ({text}; file_gib in docs/methods.md)"
    if isinstance(error, MemoryError) or any(words in text.lower() for words in OUT_OF_MEMORY):
        return "out_of_memory", f"it asked for more memory than it may use ({text or 'MemoryError'})"
    return failure, f"{type(error).__name__}{': ' if text else ''}{text}{_where(error)}"


def _said(error: BaseException) -> str:
    """One line; nothing of an exception that cannot even be printed."""
    try:
        return " ".join(str(error).split())
    except Exception:
        return ""


def _where(error: BaseException) -> str:
    """The last line of a plug-in that an exception came through, which is what its author has to look at; nothing where it is none's."""
    steps = [step for step in traceback.walk_tb(error.__traceback__) if step[0].f_globals.get("__name__", "").startswith(PLUG_INS)]
    if not steps:
        return ""
    frame, line = steps[-1]
    return f" ({os.path.basename(frame.f_code.co_filename)}, line {line}, in {frame.f_code.co_name})"


def peak_bytes() -> int:
    """Peak resident set of this process in bytes; 0 where the platform does not tell."""
    try:
        import resource
    except ImportError:
        return 0
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak if sys.platform == "darwin" else peak * 1024
