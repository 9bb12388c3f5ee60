"""The far end of an SSH link: unpacks a job into a folder of its own, runs it, sends what it made, and removes everything.

Its text is handed to `python3 -c` there, so it is one file, standard library only, that runs on Python 3.8 too and says what it
needs. On stdin comes a line of JSON (`module`, `job`, `outs`, `tar`: bytes), then a tar; on stdout go the lines of the protocol, then a
line for each file and one that says how the process ended. Whichever way the link ends, nothing is left behind.
"""

from __future__ import annotations

import base64
import contextlib
import errno
import io
import json
import os
import shutil
import signal
import subprocess
import sys
import tarfile
import tempfile
import threading
from typing import Any

NEEDED = (3, 11)
SAFELY: dict[str, Any] = {"filter": "data"} if hasattr(tarfile, "data_filter") else {}
DONE = threading.Event()
HERE = "@here/"
"""Stands for the folder of the job in the paths of a job."""


def say(**message: object) -> None:
    sys.stdout.write(json.dumps(message) + "\n")
    sys.stdout.flush()


def main() -> None:
    """One job."""
    if sys.version_info < NEEDED:
        version = sys.version_info
        say(event="refused", reason=f"its Python is {version[0]}.{version[1]}, and the worker needs {NEEDED[0]}.{NEEDED[1]} or newer")
        return
    head = json.loads(sys.stdin.buffer.readline())
    room, ended = "", None
    try:
        room = tempfile.mkdtemp(prefix="squeezemark-")
        data = sys.stdin.buffer.read(head["tar"])
        if len(data) == head["tar"]:  # less: the link is gone
            with tarfile.open(fileobj=io.BytesIO(data)) as archive:
                archive.extractall(room, **SAFELY)
            del data
            ended = work(head, room)
    except OSError as error:
        full = error.errno in (errno.ENOSPC, errno.EDQUOT)
        ended = {"event": "refused", "reason": f"its disk is full ({error.strerror})" if full else str(error)}
    finally:
        DONE.set()
        shutil.rmtree(room, ignore_errors=True)
    if ended is not None:
        say(**ended)  # last of all: whoever listens goes when it is said


def work(head: dict[str, Any], room: str) -> dict[str, Any]:
    """Runs the job in the folder `room` and sends what it made; how it ended."""
    text = json.dumps(head["job"]).replace(HERE, room + "/")
    surroundings = dict(os.environ, PYTHONPATH=room, TMPDIR=room, **head["environ"])  # a runtime leaves files where it finds room
    with open(os.path.join(room, ".stderr"), "w+b") as errors:
        worker = subprocess.Popen(
            [sys.executable, "-m", head["module"]], cwd=room, env=surroundings, stdin=subprocess.PIPE, stdout=subprocess.PIPE,
            stderr=errors, start_new_session=True,
        )  # fmt: skip
        watch = threading.Thread(target=end_with_link, args=(worker, room), daemon=True)
        watch.start()
        assert worker.stdin is not None
        assert worker.stdout is not None
        try:
            worker.stdin.write(text.encode())
            worker.stdin.close()
        except BrokenPipeError:
            pass  # it died at once: its exit status says why
        for line in worker.stdout:
            sys.stdout.buffer.write(line)
            sys.stdout.buffer.flush()
        status = worker.wait()
        errors.seek(0)
        tail = errors.read()[-2000:].decode("utf-8", "replace")
    for name in head["outs"]:
        path = os.path.join(room, name)
        if os.path.exists(path):
            with open(path, "rb") as file:
                say(event="file", name=name, data=base64.b64encode(file.read()).decode())
    return {"event": "ended", "status": status, "stderr": tail}


def end_with_link(worker: subprocess.Popen[bytes], room: str) -> None:
    """The other side keeps stdin open for as long as it listens: its end means that nobody does."""
    while os.read(0, 4096):
        pass
    if DONE.is_set():
        return
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(worker.pid, signal.SIGKILL)
    shutil.rmtree(room, ignore_errors=True)
    os._exit(1)


if __name__ == "__main__":
    main()
    sys.stdout.flush()
    os._exit(0)  # the thread that waits for the end of the link still does
