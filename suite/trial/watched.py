"""`suite.compress` in a process that tells which files of the run were opened, and whether the test split was asked for.

It sees what goes through Python's own `open` and through the model's `test()`: enough for what happens by accident. Against intent there
is the sandbox of a re-run with another test seed.
"""

import sys
from collections.abc import Callable
from functools import wraps
from pathlib import Path
from typing import Any

from suite.compress import compress
from suite.contracts import Split
from suite.plugins import model_part
from suite.protocol import Job, Progress, serve

OPENED: set[str] = set()
ASKED: list[int] = []


def watched(job: Job, progress: Progress) -> dict[str, Any]:
    """The result of `compress`; `opened` are files under `job["work"]`, relative to it, and `asked` the seeds of test splits."""
    data = model_part(str(job["model"]), "data")
    data.test = _noticed(data.test)  # type: ignore[attr-defined]
    result = compress(job, progress)
    work = Path(job["work"])
    inside = sorted(str(path.relative_to(work)) for path in map(Path, OPENED) if path.is_relative_to(work))
    return result | {"opened": inside, "asked": ASKED}


def _noticed(test: Callable[[int], Split]) -> Callable[[int], Split]:
    @wraps(test)
    def asked(seed: int) -> Split:
        ASKED.append(seed)
        return test(seed)

    return asked


def _watch(event: str, arguments: tuple[Any, ...]) -> None:
    if event == "open" and isinstance(arguments[0], str | bytes):
        path = arguments[0] if isinstance(arguments[0], str) else arguments[0].decode(errors="replace")
        OPENED.add(path if path.startswith("/") else str(Path(path).absolute()))


if __name__ == "__main__":
    sys.addaudithook(_watch)
    serve({"compress": watched}, "compress_failed")
