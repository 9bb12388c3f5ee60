"""Builds the static leaderboard from stores and the plug-ins' cards alone: the same records give the same bytes."""

import re
import sys
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from hashlib import sha256
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np

from suite.contracts import MethodCard, ModelCard, TargetCard
from suite.errors import BrokenGrant, BrokenRecord
from suite.evidence import Evidence, collect_some, joined
from suite.examples import Gallery
from suite.hashing import hash_file
from suite.pages import Cards
from suite.plugins import PACKAGES
from suite.provenance import Provenance
from suite.provenance import read as provenance
from suite.publishing.building import build
from suite.publishing.chronicle import Chronicle
from suite.publishing.crew import crew, hands
from suite.publishing.languages import catalogues
from suite.publishing.overlay import notes
from suite.publishing.place import Replacement
from suite.publishing.press import Press, sources
from suite.publishing.shelves import Workbench
from suite.publishing.survey import Group, Survey, survey
from suite.store import Store
from suite.summarize import summarize
from suite.website import Site

DRAWN = ("PIL", "fontTools", "matplotlib")
"""What the reference models' data need to be drawn: where one is missing a page says so, and is another page."""

WHOLE = 2000
"""Up to so many records every board is on the front pages; of more, the largest of each model on each target, and the others are listed."""


@dataclass(frozen=True, slots=True)
class Rendered:
    """What was made: HTML pages, records shown, and files of the store that had to be left out. reused: pages that had not changed."""

    pages: int
    records: int
    broken: tuple[BrokenRecord | BrokenGrant, ...]
    reused: int = 0


@dataclass(frozen=True, slots=True)
class Show:
    """What else a site shows. overlay: one's own results, marked as such beside the published ones. releases: the folder of releases, whose
    newest decides which records are shown, unless `unreleased` asks for all that there are. progress: is told how many boards are done, of
    how many."""

    overlay: Store | None = None
    releases: Path | None = None
    unreleased: bool = False
    progress: Callable[[int, int], None] = lambda done, total: None


def render(
    store: Store,
    models: Mapping[str, ModelCard],
    methods: Mapping[str, MethodCard],
    targets: Mapping[str, TargetCard],
    out: Path,
    work: Path | None = None,
    show: Show = Show(),
) -> Rendered:
    """Writes the site to `out`, replacing a site that is there only once the new one is whole. Raises UsageError, StoreError and SiteError.

    `work`: the working folder of a run. Test sets in it save making them again for the examples, and what each board came to is kept
    there, so that the next rendering makes only what has changed.
    """
    cards, stores = Cards(models, methods, targets), [store]
    if show.overlay is not None:
        stores.append(Store(show.overlay.folder, local=True))
    with Replacement(out, stores, work) as place:
        chronicle = Chronicle.read(show.releases, store, show.unreleased)
        processes = hands(sum(len(each.stems()) for each in stores))
        with crew(processes) as mapped:
            seen = survey(stores, {name: card.metric for name, card in models.items()}, mapped, chronicle.shown)
        granted = provenance(store)
        front = {number: _evidence(seen, seen.groups[number], granted) for number in _front(seen)}
        evidence = joined(front.values(), granted)
        boards = summarize(evidence.records, evidence.columns, granted)
        press = Press(cards, {"notes": notes(boards)})
        site = Site(press, evidence, boards, seen.names)
        gallery = Gallery(models, work, place.aside)
        bench = Workbench(seen, front, site, press, gallery, place.fresh, place.shelf, _stamp(cards), place.previous)
        outcomes = build(bench, chronicle, processes, show.progress)
        place.done({outcome.kept for outcome in outcomes})
    broken: list[BrokenRecord | BrokenGrant] = [*seen.broken, *granted.broken]
    broken += [BrokenRecord(Path(path), reason) for outcome in outcomes for path, reason in outcome.broken]
    return Rendered(
        sum(outcome.pages for outcome in outcomes),
        sum(outcome.records for outcome in outcomes),
        tuple(sorted(broken, key=lambda error: str(error.path))),
        sum(outcome.pages for outcome in outcomes if outcome.reused),
    )


def _evidence(seen: Survey, group: Group, granted: Provenance) -> Evidence:
    return collect_some(group.store, group.stems, seen.metrics, granted)


def _front(seen: Survey) -> list[int]:
    """The groups that the front pages show, by number: all, or of many the largest board of each model on each target."""
    if seen.files <= WHOLE:
        return list(range(len(seen.groups)))
    best: dict[tuple[str, ...], tuple[int, int]] = {}
    for number, group in enumerate(seen.groups):
        kind = group.place[:2] if not group.store.local else (*group.place[:3], group.place[4])
        best[kind] = min(best.get(kind, (1, 0)), (-group.rows, number))
    return sorted(number for _, number in best.values())


def _stamp(cards: Cards) -> str:
    """Of everything but the records that a page depends on: this program, its templates, the plug-ins, and what draws examples."""
    here = Path(__file__).parent
    files = [*here.rglob("*.py"), *(sources() / "templates").glob("*.html"), *catalogues(sources()), *_own(cards)]
    drawn = [find_spec(name) is not None for name in DRAWN]
    said: list[Any] = [[hash_file(path) for path in sorted(files)], re.sub(r" at 0x[0-9a-f]+", "", repr(cards)), drawn, np.__version__]
    return sha256(repr(said).encode(errors="surrogatepass")).hexdigest()


def _own(cards: Cards) -> Iterator[Path]:
    """The files of models, which may lie anywhere: their data draw the examples."""
    for name in cards.models:
        card = getattr(sys.modules.get(f"{PACKAGES['model']}.{name}"), "__file__", None)
        if card is not None:
            yield from Path(card).parent.glob("*.py") if Path(card).name == "__init__.py" else [Path(card)]
