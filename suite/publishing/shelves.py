"""A group of records as files of the site: record pages, downloads, and a page of its board if the front pages leave it out.

What was built for a group lies in the site that is there already. As long as no byte of its records, of the plug-ins and of this
program has changed, its files are linked into the new site instead of being made again: they keep their bytes and their times.
"""

import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import msgspec

from suite.comparable import Place, board_key
from suite.downloads import flat
from suite.evidence import Evidence, collect_some
from suite.examples import Gallery
from suite.filters import EXAMPLES
from suite.hashing import hash_json
from suite.leaves import Leaves
from suite.pages import slug
from suite.publishing.press import Press
from suite.publishing.survey import Group, Survey
from suite.record import Record
from suite.store import COLUMNS
from suite.summarize import summarize
from suite.website import Listing, Site


class File(msgspec.Struct, frozen=True, array_like=True):
    """A file of the site as it was written: what a file that is to be linked must still be."""

    path: str
    size: int
    mtime_ns: int


class Built(msgspec.Struct, frozen=True):
    """What a group came to. rows: its records as the downloads show them. listing: of a board that has a page of its own."""

    rows: list[dict[str, Any]]
    files: list[File]
    pages: int
    broken: list[tuple[str, str]]
    listing: Listing | None = None


class Outcome(msgspec.Struct, frozen=True):
    """What the caller needs to know of it; the rows stay in the file."""

    number: int
    kept: str
    records: int
    pages: int
    broken: list[tuple[str, str]]
    listing: Listing | None
    reused: bool


@dataclass(frozen=True)
class Workbench:
    """What every process of a build has in common.

    front: the site of the groups that the front pages show, by their places in the survey. shelf: the folder in which is kept what each
    group came to. stamp: of this program, the plug-ins and their data. previous: the site that is there, if there is one.
    """

    survey: Survey
    front: dict[int, Evidence]
    site: Site
    press: Press
    gallery: Gallery
    out: Path
    shelf: Path
    stamp: str
    previous: Path | None

    def build(self, number: int) -> Outcome:
        """Fills the folder of the site with one group's files."""
        group = self.survey.groups[number]
        given = self.site.evidence.provenance
        grants = [(stem, given.grants[stem], given.reproduced[stem]) for stem in group.stems if stem in given.grants]
        granted = [(stem, grant.tier, grant.by, grant.at, grant.how, *keys) for stem, grant, keys in grants]
        part = hash_json([group.digest, self.stamp, number in self.front, group.place in self._alone, group.store.local, granted])
        kept = self.shelf / f"{part[:40]}.json"
        return self.made(number, kept, lambda: self._built(group, number))

    @cached_property
    def _alone(self) -> frozenset[Place]:
        """Whose boards have pages of their own, to which the pages of their records lead."""
        return frozenset(board_key(view.board.rows[0].record) for view in self.site.views if view.alone)

    def made(self, number: int, kept: Path, make: Callable[[], Built]) -> Outcome:
        """What is kept under that name, if its files are still there; otherwise what is made now."""
        known = self._known(kept)
        if known is not None and self._linked(known):
            return _outcome(number, kept, known, True)
        built = make()
        _write(kept, msgspec.json.encode(built))
        return _outcome(number, kept, built, False)

    def _known(self, kept: Path) -> Built | None:
        try:
            return msgspec.json.decode(kept.read_bytes(), type=Built) if self.previous else None
        except (OSError, msgspec.MsgspecError):
            return None

    def _linked(self, known: Built) -> bool:
        """Links the files of the site that is there; False if one of them is not what was written."""
        assert self.previous is not None
        try:
            for file in known.files:
                old, new = self.previous / file.path, self.out / file.path
                found = os.stat(old)
                if (found.st_size, found.st_mtime_ns) != (file.size, file.mtime_ns):
                    return False
                try:
                    os.link(old, new)
                except FileNotFoundError:
                    new.parent.mkdir(parents=True, exist_ok=True)
                    os.link(old, new)
                except FileExistsError:
                    continue  # two groups show the same example
        except OSError:
            return False
        return True

    def _built(self, group: Group, number: int) -> Built:
        if number in self.front:
            evidence, site = self.front[number], self.site  # its boards are summarized already
        else:
            granted = self.site.evidence.provenance
            evidence = collect_some(group.store, group.stems, self.survey.metrics, granted)
            site = Site(self.press, evidence, summarize(evidence.records, evidence.columns, granted))
        leaves = Leaves(site, self.gallery)
        files, rows, pages = [], [], 0
        for record in evidence.records:
            made = [self.text(*page) for page in leaves.pages(record)]
            files += [*made, *self._data(evidence, record)]
            rows.append(flat(*leaves.flat(record)))
            pages += len(made)
        files += [self._picture(file) for file in sorted(leaves.shown)]
        listing = None
        if number not in self.front and site.views:
            listing = site.listing(site.views[0])
            made = [self.text(*page) for page in site.board_page(site.views[0])]
            files += made
            pages += len(made)
        return Built(rows, files, pages, [(str(error.path), error.reason) for error in evidence.broken], listing)

    def text(self, path: str, text: str) -> File:
        """Writes a page."""
        return self._put(path, text.encode("utf-8"))

    def _put(self, path: str, data: bytes) -> File:
        (self.out / path).write_bytes(data)
        return _file(self.out, path)

    def _picture(self, file: str) -> File:
        place = self.out / "assets" / EXAMPLES / file
        if not place.exists():
            place.parent.mkdir(parents=True, exist_ok=True)
            _write_once(place, self.gallery.files[file])
        return _file(self.out, str(place.relative_to(self.out)))

    def _data(self, evidence: Evidence, record: Record) -> Iterator[File]:
        """The record and its columns, byte for byte."""
        (store, stem), name = evidence.files[record.name], f"data/{slug(record.name)}"
        yield self._put(f"{name}.json", store.path(stem).read_bytes())
        if record.columns_sha256 is not None:
            yield self._put(name + COLUMNS, store.columns_path(store.stem(record)).read_bytes())


def _file(out: Path, path: str) -> File:
    found = os.stat(out / path)
    return File(path, found.st_size, found.st_mtime_ns)


def _outcome(number: int, kept: Path, built: Built, reused: bool) -> Outcome:
    return Outcome(number, kept.name, len(built.rows), built.pages, built.broken, built.listing, reused)


def _write(path: Path, data: bytes) -> None:
    """Whole or not at all: several processes may write the same file."""
    _part(path, data).replace(path)


def _write_once(path: Path, data: bytes) -> None:
    """The same, but a file that another process has written meanwhile stays: its time is what boards know it by at the next build."""
    part = _part(path, data)
    try:
        os.link(part, path)
    except FileExistsError:
        pass
    except OSError:  # a file system without links
        part.replace(path)
    finally:
        part.unlink(missing_ok=True)


def _part(path: Path, data: bytes) -> Path:
    part = path.with_name(f".{path.name}-{os.getpid()}.part")
    part.write_bytes(data)
    return part
