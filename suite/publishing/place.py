"""The folder of a site while it is built: the old one stays as it is until the new one is whole, and then they change places at once."""

import ctypes
import os
import shutil
import sys
import tempfile
from collections.abc import Iterable
from hashlib import sha256
from pathlib import Path
from types import TracebackType

from suite.errors import SiteError, UsageError
from suite.store import Store

MARKER = ".squeezemark-site"
"""Says that a folder was rendered here and may be replaced."""

SHELF = "site-boards"
"""Below the working folder: what each board of each site came to."""

AT_FDCWD, EXCHANGE, SWAP = -100, 2, 2


class Replacement:
    """A new folder beside the site. Once `done` was called it takes the site's place; otherwise it goes, whatever happened.

    fresh: to be filled. previous: the site that is there. shelf: where to keep what boards came to; it goes too without a working folder.
    aside: for what the processes of this build leave each other.
    """

    def __init__(self, out: Path, stores: Iterable[Store], work: Path | None) -> None:
        self.out, self.work = out.resolve(), work
        for store in stores:
            _check(self.out, store.folder.resolve())

    def __enter__(self) -> "Replacement":
        try:
            self.out.parent.mkdir(parents=True, exist_ok=True)
            _sweep(self.out)
            self.room = Path(tempfile.mkdtemp(prefix=f".{self.out.name}-{os.getpid()}-", dir=self.out.parent))
        except OSError as error:
            raise UsageError(f"The site cannot be written to {self.out} ({error.strerror}); choose another folder with --out.") from error
        self.fresh, self.shelf = self.room / "site", self.room / "shelf"
        self.fresh.mkdir()
        self.aside = self.room / "aside"
        self.aside.mkdir()
        self.fresh.chmod(0o755)
        (self.fresh / MARKER).write_text("Rendered by squeezemark; replaced as a whole by the next rendering.\n")
        self.previous = self.out if self.work is not None and (self.out / MARKER).is_file() else None
        self.kept: set[str] | None = None
        try:
            if self.work is not None:
                shelf = self.work / SHELF / sha256(os.fsencode(self.out)).hexdigest()[:12]
                shelf.mkdir(parents=True, exist_ok=True)
                self.shelf = shelf
        except OSError:
            self.previous = None  # nothing is kept, so nothing can be used again
        self.shelf.mkdir(exist_ok=True)
        return self

    def done(self, kept: set[str]) -> None:
        """The new site is whole. `kept`: the files on the shelf that are of it."""
        self.kept = kept

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        try:
            if error is None and self.kept is not None:
                _put(self.fresh, self.out)
                for path in self.shelf.iterdir():
                    if path.name not in self.kept:
                        path.unlink(missing_ok=True)
        finally:
            shutil.rmtree(self.room, ignore_errors=True)
        if isinstance(error, OSError) and error.errno is not None:
            reason = error.strerror or str(error)
            raise SiteError(f"The site could not be written to {self.out} ({reason}); one that was there is as it was.") from error


def _check(out: Path, results: Path) -> None:
    """Refuses to replace what was not rendered here, or what the records lie in."""
    if results.is_relative_to(out):
        raise UsageError(f"The results folder {results} lies in {out}, which rendering replaces; choose another folder with --out.")
    if not out.exists():
        return
    if not out.is_dir() or (not (out / MARKER).is_file() and any(out.iterdir())):
        raise UsageError(f"{out} holds something other than a rendered site; empty it, or choose another folder with --out.")


def _sweep(out: Path) -> None:
    """Removes what renderings that were killed have left. One that was killed between two renames had put the old site there."""
    for room in out.parent.glob(f".{out.name}-*-*"):
        pid = room.name.removeprefix(f".{out.name}-").partition("-")[0]
        if pid.isdecimal() and not _runs(int(pid)):
            if (room / "old" / MARKER).is_file() and not out.exists():
                (room / "old").rename(out)
            shutil.rmtree(room, ignore_errors=True)


def _runs(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        pass
    return True


def _put(fresh: Path, out: Path) -> None:
    """Gives `fresh` the name of `out`. Where the system can, in one step: at no moment is there no site."""
    if not out.exists():
        fresh.rename(out)
    elif not _exchanged(fresh, out):
        old = fresh.parent / "old"
        out.rename(old)
        try:
            fresh.rename(out)
        except OSError:
            old.rename(out)
            raise


def _exchanged(one: Path, other: Path) -> bool:
    """Whether two folders have changed names, by renameat2 on Linux and renamex_np on macOS; not every file system can."""
    libc = ctypes.CDLL(None, use_errno=True)
    names = os.fsencode(one), os.fsencode(other)
    if sys.platform == "darwin":
        return hasattr(libc, "renamex_np") and libc.renamex_np(*names, SWAP) == 0
    return hasattr(libc, "renameat2") and libc.renameat2(AT_FDCWD, names[0], AT_FDCWD, names[1], EXCHANGE) == 0
