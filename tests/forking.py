"""Processes of compression that are forked from one which has already imported what takes seconds: `Forks` starts and asks it.

Each is otherwise as those of a run: it reads one job, it has the job's limits, and it ends with its result.
"""

import contextlib
import io
import json
import os
import random
import subprocess
import sys
from pathlib import Path
from typing import Any

from suite.errors import CellFailed
from suite.executors import local

END = "end"


class Forks:
    """A process that is forked for each job. `seed`: of its hashes, and of the random numbers of libraries that a method forgot to seed."""

    def __init__(self, seed: int) -> None:
        environ = {**os.environ, **local.ONE_THREAD, "PYTHONHASHSEED": str(seed), "PYTHONPATH": str(Path(__file__).parent.parent)}
        command = [sys.executable, __file__, str(seed)]
        self._process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=environ)

    def begin(self, job: dict[str, Any]) -> None:
        """Starts a process for a job of `suite.compress`."""
        assert self._process.stdin is not None
        self._process.stdin.write(json.dumps(job) + "\n")
        self._process.stdin.flush()

    def end(self) -> dict[str, Any]:
        """The last that the process said which was begun; nothing if it said nothing."""
        said: dict[str, Any] = {}
        assert self._process.stdout is not None
        for message in map(json.loads, self._process.stdout):
            if message["event"] == END:
                break
            said = message
        return said

    def close(self) -> None:
        """Ends the process that is forked."""
        with self._process:
            self._process.kill()


def result(said: dict[str, Any]) -> dict[str, Any]:
    """The result that a process ended with. Raises CellFailed as a run does."""
    if said.get("event") == "failed":
        raise local.told(said["status"], said["reason"])
    if said.get("event") != "result":
        raise CellFailed("crashed", "its process ended without a result")
    return said


def main(seed: int) -> None:
    """Reads jobs, a line each; a process for each of them prints the lines of the protocol, and this one then that it has ended."""
    import numpy as np
    import torch

    from suite.compress import checked, compress
    from suite.protocol import serve

    torch.onnx.export(torch.nn.Linear(1, 1), (torch.zeros(1, 1),), dynamo=True, verbose=False)  # reads the exporter's tables
    for line in sys.stdin:
        child = os.fork()
        if not child:
            random.seed(seed)
            np.random.seed(seed)
            torch.manual_seed(seed)
            sys.stdin = io.StringIO(line)
            serve({"compress": compress, "checked": checked}, "compress_failed")
        os.waitpid(child, 0)
        os.write(1, (json.dumps({"event": END}) + "\n").encode())


if __name__ == "__main__":
    with contextlib.suppress(KeyboardInterrupt):
        main(int(sys.argv[1]))
