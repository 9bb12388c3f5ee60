"""Runs a process of the protocol on this machine, within limits, and says in words how it ended."""

import contextlib
import json
import os
import queue
import signal
import subprocess
import sys
import tempfile
import threading
import time
import uuid
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import IO, Any

from suite.errors import CellFailed, NotWritable
from suite.executors.limits import MARK, Most, end_those_left, watched
from suite.protocol import NO_SPACE, Progress
from suite.record import STATUSES
from suite.submission.texts import shown

TAIL = 400
REASON = 2000
"""Characters of a reason that are kept: an exception may quote all the data that it is about."""
LINE = 256 << 20
"""Characters of a line of the protocol. One that goes on is of no worker of ours, and is not waited for: it would fill the memory here."""
SHAPES: Mapping[str, Mapping[str, Any]] = {
    "progress": {"done": int | float, "total": int | float, "text": str},
    "failed": {"status": str, "reason": str},
}
"""What lines of the protocol have to say: a plug-in may have written them."""
ONE_THREAD = dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"), "1")
"""Sums in one order, hence the same artifact every time, and no team of threads that waits for a core which a neighbour has.
A runtime's own threads are a setting of the target, and are not touched by this."""


Lines = queue.Queue[str | None]


@dataclass(frozen=True, slots=True)
class Interpreter:
    """What runs Python: a command, before which there may be an emulator or a sandbox, and what is added to its environment.

    most: what all of its processes may use together (None: nobody looks). relays: it is a sandbox, which ends all processes that are in
    it, and ends itself with 128 + the signal that its own one died of, as a shell does.
    """

    command: tuple[str, ...] = (sys.executable,)
    environ: Mapping[str, str] = field(default_factory=dict)
    most: Most | None = None
    relays: bool = False


HERE = Interpreter()


@dataclass(frozen=True, slots=True)
class Started:
    """A process of the protocol that has no job yet. lines: what it prints. errors: the file of its stderr. mark: see `limits.MARK`."""

    process: "subprocess.Popen[str]"
    lines: Lines
    errors: IO[bytes]
    mark: str


def start(interpreter: Interpreter, module: str, *arguments: str) -> Started:
    """`python -m module`, in a session of its own."""
    mark = uuid.uuid4().hex
    errors = tempfile.TemporaryFile("w+b")  # noqa: SIM115 - open for as long as the process is there
    try:
        process = subprocess.Popen(
            [*interpreter.command, "-m", module, *arguments],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=errors, text=True, encoding="utf-8", start_new_session=True,
            env={**os.environ, **ONE_THREAD, **interpreter.environ, MARK: mark},
        )  # fmt: skip
    except OSError:
        errors.close()
        raise
    return Started(process, pumped(process), errors, mark)


def run(
    module: str,
    job: Mapping[str, Any],
    timeout_s: float,
    progress: Progress,
    interpreter: Interpreter = HERE,
    started: Started | None = None,
) -> dict[str, Any]:
    """The result of `python -m module` for `job`, by a process that was started for it before if there is one. Raises CellFailed: as the
    process says, or for how it died, or `timeout`, or for processes that it left behind."""
    own = started or start(interpreter, module)
    process = own.process
    with own.errors as errors:
        left = 0
        with watched(process, interpreter.most) as watch:
            try:
                _send(process, job)
                result = _listen(own.lines, timeout_s, progress)
                if result is None:  # it is ending: how it does is the reason
                    with contextlib.suppress(subprocess.TimeoutExpired):
                        process.wait(timeout=10)
            finally:
                kill(process)
                left = 0 if interpreter.relays else end_those_left(own.mark, process.pid)  # a sandbox takes all of its processes with it
        if watch.beyond:
            raise CellFailed("out_of_memory", watch.beyond)
        if left:
            raise CellFailed("crashed", f"it left {left} process{'es' if left > 1 else ''} behind, which had to be ended")
        status = process.returncode
        relayed = interpreter.relays and 0 < status - 128 < signal.NSIG
        return result if result is not None else died(128 - status if relayed else status, _tail(errors))


def _send(process: "subprocess.Popen[str]", job: Mapping[str, Any]) -> None:
    assert process.stdin is not None
    try:
        process.stdin.write(json.dumps(job))
        process.stdin.close()
    except BrokenPipeError:
        pass  # it died at once: its exit status says why


def _listen(lines: Lines, timeout_s: float, progress: Progress) -> dict[str, Any] | None:
    """The result line; None if the process ended without one."""
    for message in messages(lines, timeout_s):
        if message.get("event") == "progress":
            progress(message["done"], message["total"], message["text"])
        elif message.get("event") == "failed":
            raise told(message["status"], message["reason"])
        elif message.get("event") == "result":
            return message
    return None


def pumped(process: "subprocess.Popen[str]") -> Lines:
    """What a process prints, line by line; None when it ends."""
    assert process.stdout is not None
    lines: Lines = queue.Queue()
    threading.Thread(target=_pump, args=(process.stdout, lines), daemon=True).start()
    return lines


def messages(lines: Lines, timeout_s: float) -> Iterator[dict[str, Any]]:
    """The lines of the protocol as they come, until the process ends. Raises CellFailed (`timeout`, or `crashed` for another line).

    The calling thread waits on a queue, it does not spin: a busy coordinator would be measured by the worker beside it.
    """
    end = time.monotonic() + timeout_s
    while True:
        try:
            line = lines.get(timeout=max(0.0, end - time.monotonic()))
        except queue.Empty:
            raise CellFailed("timeout", f"it did not end within {timeout_s:g} s") from None
        if line is None:
            return
        yield _parse(line)


def told(status: str, reason: str) -> Exception:
    """What a failure that a process reports is to the run: a full disk says nothing about a method, and ends it.

    A method may raise whatever it likes: what is no status of a failure is not recorded as one, and no reason commands a terminal.
    """
    words = shown(" ".join(reason.split()), REASON)
    if status == NO_SPACE:
        return NotWritable(f"The disk is full ({words}); free some space and run the same command again.")
    if status not in STATUSES or status == "ok":
        return CellFailed("crashed", f"it reports the failure {shown(status, 40)!r}, which there is not: {words}")
    return CellFailed(status, words or "it gives no reason")


def _parse(line: str) -> dict[str, Any]:
    try:
        message = json.loads(line)
        shape = SHAPES.get(message["event"], {})
        fits = all(isinstance(message[name], kind) for name, kind in shape.items())
    except (ValueError, TypeError, KeyError, RecursionError):
        fits = False
    if not fits:
        raise CellFailed("crashed", f"it printed what is not of the protocol: {line[:80]!r}")
    return dict(message)


def _pump(stream: IO[str], lines: Lines) -> None:
    """Reads to the end and closes: only this thread touches the stream, which ends when the process does."""
    with stream:
        while line := stream.readline(LINE):
            lines.put(line)
    lines.put(None)


def kill(process: "subprocess.Popen[str]") -> None:
    """Ends the process and whatever it started."""
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()


def _tail(errors: IO[bytes]) -> str:
    """The end of what it wrote to stderr, which may be gigabytes."""
    size = errors.seek(0, os.SEEK_END)
    errors.seek(max(0, size - 4 * TAIL))
    return errors.read().decode("utf-8", "replace")


def _signal(number: int) -> str:
    """Its name; of one without, as those are that a program may use as it likes, its number."""
    try:
        return signal.Signals(number).name
    except ValueError:
        return f"signal {number}"


def died(status: int, said: str) -> dict[str, Any]:
    """Raises CellFailed for how a process ended that had no result. `said`: the end of what it wrote to stderr."""
    tail = shown(" ".join(said[-TAIL:].split()), TAIL)
    if status == -signal.SIGKILL:
        raise CellFailed("out_of_memory", "it was killed (SIGKILL), as a system does that runs out of memory")
    if status < 0:
        raise CellFailed("crashed", f"it died of {_signal(-status)}{': ' + tail if tail else ''}")
    raise CellFailed("crashed", f"it exited with {status} before it had a result{': ' + tail if tail else ''}")
