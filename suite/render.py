"""Builds the static leaderboard from a store and the plug-ins' cards alone: the same records give the same bytes."""

import shutil
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from suite.contracts import MethodCard, ModelCard, TargetCard
from suite.errors import BrokenGrant, BrokenRecord, UsageError
from suite.evidence import collect
from suite.examples import Gallery
from suite.pages import Cards
from suite.store import Store
from suite.summarize import summarize
from suite.website import Site

MARKER = ".squeezemark-site"
"""Says that a folder was rendered here and may be replaced."""


@dataclass(frozen=True, slots=True)
class Rendered:
    """What was made: HTML pages, records shown, and files of the store that had to be left out."""

    pages: int
    records: int
    broken: tuple[BrokenRecord | BrokenGrant, ...]


def render(
    store: Store,
    models: Mapping[str, ModelCard],
    methods: Mapping[str, MethodCard],
    targets: Mapping[str, TargetCard],
    out: Path,
    work: Path | None = None,
) -> Rendered:
    """Writes the site to `out`, replacing a site that is there only once the new one is whole. Raises UsageError.

    `work`: the working folder of a run, whose test sets save making them again for the examples.
    """
    out = out.resolve()
    _check(out, store.folder.resolve())
    evidence = collect(store, models)
    boards = summarize(evidence.records, evidence.columns, evidence.provenance)
    site = Site(Cards(models, methods, targets), evidence, boards, store.folder, Gallery(models, work))
    try:
        out.parent.mkdir(parents=True, exist_ok=True)
        fresh = Path(tempfile.mkdtemp(prefix=f".{out.name}-", dir=out.parent))
    except OSError as error:
        raise UsageError(f"The site cannot be written to {out} ({error.strerror}); choose another folder with --out.") from error
    try:
        (fresh / MARKER).write_text("Rendered by squeezemark; replaced as a whole by the next rendering.\n")
        pages = site.write(fresh)
        fresh.chmod(0o755)
        _swap(fresh, out)
    finally:
        shutil.rmtree(fresh, ignore_errors=True)
    return Rendered(pages, len(evidence.records), evidence.broken)


def _check(out: Path, results: Path) -> None:
    """Refuses to replace what was not rendered here, or what the records lie in."""
    if results.is_relative_to(out):
        raise UsageError(f"The results folder {results} lies in {out}, which rendering replaces; choose another folder with --out.")
    if not out.exists():
        return
    if not out.is_dir() or (not (out / MARKER).is_file() and any(out.iterdir())):
        raise UsageError(f"{out} holds something other than a rendered site; empty it, or choose another folder with --out.")


def _swap(fresh: Path, out: Path) -> None:
    """Puts `fresh` in the place of `out`; what was there stays until the new one has its name."""
    if not out.exists():
        fresh.rename(out)
        return
    old = Path(tempfile.mkdtemp(prefix=f".{out.name}-old-", dir=out.parent))
    out.rename(old / "site")
    try:
        fresh.rename(out)
    except OSError:
        (old / "site").rename(out)
        raise
    finally:
        shutil.rmtree(old, ignore_errors=True)
