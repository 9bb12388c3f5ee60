"""A build: every group's files, the releases' own pages, downloads, feed and badges, and then the pages that speak of all of them."""

from collections.abc import Callable, Iterable
from pathlib import Path

from suite.publishing.badges import badges
from suite.publishing.chronicle import Chapter, Chronicle, Task, pages
from suite.publishing.courses import History
from suite.publishing.crew import crew
from suite.publishing.data import SHARDS, Downloads, downloads
from suite.publishing.feed import Entry, by_day, feed
from suite.publishing.shelves import Outcome, Workbench
from suite.publishing.survey import Survey
from suite.website import Leaf, Site

FOLDERS = ("data", "badge")

_begun: tuple[Workbench, Chronicle] | None = None
"""What the processes of a crew find when they begin."""


def _group(number: int) -> Outcome:
    assert _begun is not None
    return _begun[0].build(number)


def _board(task: Task) -> list[Outcome]:
    assert _begun is not None
    return _begun[1].build(_begun[0], task)


def build(bench: Workbench, chronicle: Chronicle, processes: int, progress: Callable[[int, int], None]) -> list[Outcome]:
    """Fills the folder of the site. The last outcome is that of the pages that speak of all records."""
    global _begun
    _begun = bench, chronicle
    bench.press.prepare()
    tasks = chronicle.tasks(bench)
    paged = ("record", "board", *(f"r/{release.name}" for release in chronicle.releases))
    for folder in (*FOLDERS, *(language.folder + place for language in bench.press.languages for place in paged)):
        (bench.out / folder).mkdir(parents=True)
    try:
        with crew(processes) as mapped:
            found = []
            for outcome in mapped(_group, turns(bench.survey)):
                found.append(outcome)
                progress(len(found), len(bench.survey.groups))
            outcomes = sorted(found, key=lambda outcome: outcome.number)
            released = list(mapped(_board, tasks))
    finally:
        _begun = None
    files = downloads(bench, outcomes, processes)
    shown = [pair for task, made in zip(tasks, released, strict=True) for pair in zip(task.releases, made, strict=True)]
    shown.sort(key=lambda pair: (pair[0], pair[1].number))
    built = [(index, outcome.listing) for index, outcome in shown if outcome.listing is not None]
    chapters = chronicle.chapters(bench, built)
    written = _whole(bench, files, chapters, chronicle.history(bench, chapters), outcomes)
    return [*outcomes, *(outcome for _, outcome in shown), Outcome(-1, "", 0, written, [], None, False)]


def _whole(bench: Workbench, files: Downloads, chapters: tuple[Chapter, ...], told: History, outcomes: Iterable[Outcome]) -> int:
    """Feed and badges; and the pages that show every board, or name it."""
    badge = dict(badges(bench.site.views))
    for path, text in badge.items():
        _text(bench.out / path, text)
    _text(bench.out / "feed.xml", feed([*map(_entry, chapters), *by_day(part.days for part in files.parts)]))
    listings = tuple(outcome.listing for outcome in outcomes if outcome.listing is not None)
    data: Leaf = ("data.html", "data.html", {"files": files, "badges": sorted(badge), "shards": SHARDS})
    site = Site(bench.press, bench.site.evidence, bench.site.boards, bench.site.names, listings, told)
    return site.write(bench.out, [data, *pages(chapters)])


def _text(path: Path, text: str) -> None:
    path.write_text(text, encoding="utf-8", newline="\n")


def _entry(chapter: Chapter) -> Entry:
    release, done = chapter.release, chapter.change
    told = f"{release.why}\n{len(release.records):,} records"
    if not chapter.first:
        told += f"; {len(done.added):,} added, {len(done.changed):,} measured anew, {len(chapter.regressions):,} regressions"
    return Entry(f"release/{release.name}", f"Release {release.name}", release.name[:10], f"r/{release.name}/index.html", f"{told}.")


def turns(seen: Survey) -> list[int]:
    """Groups in an order in which processes do not begin with the same model: its test set is made once, by the first that needs it."""
    turn: dict[str, int] = {}
    order = []
    for number, group in enumerate(seen.groups):
        turn[group.place[0]] = turn.get(group.place[0], -1) + 1
        order.append((turn[group.place[0]], number))
    return [number for _, number in sorted(order)]
