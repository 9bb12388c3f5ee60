"""What was released when: what each release added and changed, what moved by more than chance, and its own pages, which stay for ever."""

from collections.abc import Container, Iterable, Iterator
from dataclasses import dataclass
from functools import cache, partial
from itertools import pairwise
from pathlib import Path
from typing import Any

from markupsafe import Markup

from suite.comparable import Place, board_key
from suite.contracts import BASELINE
from suite.errors import UsageError
from suite.evidence import Evidence, collect_some
from suite.hashing import hash_json
from suite.publishing.courses import Course, History, Name, courses, name
from suite.publishing.history import Move, moves, same_question
from suite.publishing.release import Change, Release, change, hold, releases
from suite.publishing.shelves import Built, Outcome, Workbench
from suite.publishing.survey import Group
from suite.store import Store
from suite.summarize import summarize
from suite.website import Listing, Site

NAMED = 60
"""No more of what a release added is named one by one."""


@dataclass(frozen=True, slots=True)
class Chapter:
    """A release beside the one before it. moves: of variants that were measured anew. apart: of those, how many answer another question.

    boards: its own pages, `r/<name>/<anchor>.html`.
    """

    release: Release
    first: bool
    change: Change
    moves: tuple[Move, ...]
    apart: int
    boards: tuple[Listing, ...] = ()

    @property
    def regressions(self) -> tuple[Move, ...]:
        """What surely became worse."""
        return tuple(move for move in self.moves if move.verdict == "regression")


@dataclass(frozen=True, slots=True)
class Task:
    """A board to be built: the group by its number, those of its records that are shown, and the releases that show these, by number."""

    number: int
    stems: tuple[str, ...]
    releases: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Chronicle:
    """The releases of a store, oldest first; none without a folder of them."""

    releases: tuple[Release, ...] = ()

    @classmethod
    def read(cls, folder: Path | None, store: Store, unreleased: bool) -> "Chronicle":
        """Raises BrokenRelease unless all of them hold, and UsageError if a newer one left something out."""
        if folder is None or unreleased:
            return cls()
        found, known = releases(folder), frozenset[Any]()
        for release in reversed(found):
            known = hold(release, folder, store, known)
        for older, newer in pairwise(found):
            if lost := older.stems - newer.stems:
                raise UsageError(f"The release {newer.name} leaves out {min(lost)} of {older.name}; remove its file and make it again.")
        return cls(found)

    @property
    def shown(self) -> frozenset[str] | None:
        """The records of the newest release, by the names of their files; None to show all that there are."""
        return self.releases[-1].stems if self.releases else None

    def tasks(self, bench: Workbench) -> list[Task]:
        """Every board that releases show, and all of them that show it of the same records."""
        found: dict[tuple[int, tuple[str, ...]], list[int]] = {}
        for number, group in enumerate(bench.survey.groups):
            for index, release in enumerate(() if group.store.local else self.releases):
                if stems := tuple(stem for stem in group.stems if stem in release.stems):
                    found.setdefault((number, stems), []).append(index)
        return [Task(number, stems, tuple(of)) for (number, stems), of in found.items()]

    def build(self, bench: Workbench, task: Task) -> list[Outcome]:
        """One board as releases showed it, from the same records: of each of them `r/<name>/<anchor>.html`."""
        group, names = bench.survey.groups[task.number], [self.releases[index].name for index in task.releases]

        @cache
        def shown() -> tuple[Site, dict[str, Markup]]:
            evidence = collect_some(group.store, task.stems, bench.survey.metrics, bench.site.evidence.provenance)
            site = Site(bench.press, evidence, summarize(evidence.records, evidence.columns, evidence.provenance))
            return site, bench.press.parts(f"r/{names[0]}/any.html", "board_section.html", {"view": site.views[0]}) if site.views else {}

        def make(name: str) -> Built:
            site, sections = shown()
            if not site.views:
                return Built([], [], 0, [])
            view = site.views[0]
            given = {"view": view, "release": name, "sections": sections}
            files = [bench.text(*page) for page in bench.press.pages(f"r/{name}/{view.anchor}.html", "one_board.html", given)]
            return Built([], files, len(files), [], site.listing(view))

        parts = (hash_json(["release", name, group.digest, list(task.stems), bench.stamp]) for name in names)
        kept = [bench.shelf / f"{part[:40]}.json" for part in parts]
        return [bench.made(task.number, where, partial(make, name)) for name, where in zip(names, kept, strict=True)]

    def chapters(self, bench: Workbench, built: Iterable[tuple[int, Listing]]) -> tuple[Chapter, ...]:
        """All releases with what they did, newest first. `built`: their boards, by the number of the release."""
        boards = list(built)
        found = []
        for index, release in enumerate(self.releases):
            older = self.releases[index - 1] if index else None
            done = self._change(bench, older, release)
            apart = sum(not same_question(old, new) for old, new in done.changed)
            mine = tuple(listing for number, listing in boards if number == index)
            found.append(Chapter(release, older is None, done, moves(done.changed), apart, mine))
        return tuple(reversed(found))

    def history(self, bench: Workbench, chapters: Iterable[Chapter]) -> History:
        """What was measured more than once, over all releases. Reads the groups in which something was measured anew, and no others."""
        anew: dict[Place, set[Name]] = {}
        for chapter in chapters:
            for _, new in chapter.change.changed:
                if new.cell.component is None:
                    anew.setdefault(board_key(new), set()).add(name(new))
        found: dict[str, list[Course]] = {}
        for group in bench.survey.groups:
            if group.place in anew and not group.store.local:
                wanted = anew[group.place]
                for method, course in courses(_evidence(bench, group, wanted), self.releases, wanted, bench.site.cards):
                    found.setdefault(method, []).append(course)
        ordered = {method: tuple(sorted(of, key=lambda course: -course.regressions)) for method, of in found.items()}
        return History(tuple(release.name for release in self.releases), ordered)

    def _change(self, bench: Workbench, older: Release | None, newer: Release) -> Change:
        """Only groups that were touched are read. Of the first release everything is new, and nothing needs to be."""
        if older is None:
            return Change((), ())
        fresh, parts = newer.stems - older.stems, []
        for group in bench.survey.groups:
            if not group.store.local and fresh.intersection(group.stems):
                sides = (tuple(_records(group.store, group.stems, one)) for one in (older, newer))
                parts.append(change(*sides))
        added = tuple(record for part in parts for record in part.added)
        return Change(added, tuple(pair for part in parts for pair in part.changed))


def _records(store: Store, stems: Iterable[str], release: Release) -> Iterator[Any]:
    return (store.read(store.path(stem)) for stem in stems if stem in release.stems)


def _evidence(bench: Workbench, group: Group, wanted: Container[Name]) -> Evidence:
    """Of the records of the wanted variants and of the baseline, without those of one component."""
    stems = []
    for stem in group.stems:
        record = group.store.read(group.store.path(stem))
        if record.cell.component is None and (record.cell.method == BASELINE or name(record) in wanted):
            stems.append(stem)
    return collect_some(group.store, stems, bench.survey.metrics, bench.site.evidence.provenance)


def pages(chapters: tuple[Chapter, ...]) -> Iterator[tuple[str, str, dict[str, Any]]]:
    """The page of all releases, and of each its own."""
    yield "releases.html", "releases.html", {"chapters": chapters, "named": NAMED}
    for chapter in chapters:
        yield f"r/{chapter.release.name}/index.html", "release.html", {"chapter": chapter, "named": NAMED}
