"""Whether a process changed what it only had to read: the suite's own source, the plug-ins, the uncompressed model, the test splits.

Files are known by the time at which they last changed (st_ctime, which no program can set), their size and their inode: reading them all
would take longer than many a method.
"""

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path

import methods
import suite
import targets
from suite.errors import CellFailed

State = dict[str, tuple[int, int, int]]


class Tampered(CellFailed):
    """Files were changed, by name in `changed`."""

    def __init__(self, changed: list[str]) -> None:
        self.changed = changed
        more = f" and {len(changed) - 1} more" if len(changed) > 1 else ""
        super().__init__(
            "compress_failed",
            f"{changed[0]}{more} changed while it ran: a method writes to its scratch folder alone "
            "(or somebody edited it meanwhile, and the cell has to be run again with --retry-failed)",
        )


SOURCES = tuple(Path(place) for package in (suite, methods, targets) for place in package.__path__)


def state(places: Iterable[Path]) -> State:
    """File -> what it is now, for all files in these folders, and these files; bytecode and hidden files left out."""
    found: State = {}
    for place in places:
        for path in [place] if place.is_file() else place.rglob("*"):
            if path.is_file() and not any(part == "__pycache__" or part.startswith(".") for part in path.relative_to(place).parts):
                known = path.stat()
                found[str(path)] = (known.st_ctime_ns, known.st_size, known.st_ino)
    return found


@contextmanager
def untouched(places: Iterable[Path]) -> Iterator[None]:
    """Raises Tampered if one of these files is another one at the end, also where the process failed otherwise."""
    before = state(folders := tuple(places))
    try:
        yield
    except CellFailed as failure:
        _compare(before, folders, failure)
        raise
    _compare(before, folders, None)


def _compare(before: State, folders: tuple[Path, ...], failure: CellFailed | None) -> None:
    after = state(folders)
    changed = sorted(name for name in before.keys() | after.keys() if before.get(name) != after.get(name))
    if changed:
        raise Tampered(changed) from failure
