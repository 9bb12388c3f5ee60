"""The page of a record, and its line in the downloads."""

from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any

from suite.comparable import identity
from suite.evidence import Samples
from suite.examples import Gallery
from suite.pages import BoardView, Cards, bars_from, slug
from suite.record import Record
from suite.slices import Group, groups, slice_tables, worst
from suite.summarize import Row
from suite.website import Site


@dataclass(frozen=True)
class Leaves:
    """Records with what stands around them. shown: the files of the gallery that their pages refer to."""

    site: Site
    gallery: Gallery
    shown: set[str] = field(default_factory=set)

    def pages(self, record: Record) -> Iterator[tuple[str, str]]:
        """Path and text of a record's page, in every language."""
        return self.site.press.pages(f"record/{slug(record.name)}.html", "record.html", self._values(record))

    def flat(self, record: Record) -> tuple[Row, Cards, bool]:
        """What `suite.downloads.flat` makes a line of: the row, the cards, and whether no newer record has taken its place."""
        place = self.site.places.get(record.name)
        row = place[0] if place else _replaced(record)
        return replace(row, provenance=self.site.evidence.provenance.tier(record)), self.site.press.cards, place is not None

    @cached_property
    def _current(self) -> dict[tuple[object, ...], Record]:
        return {identity(row.record): row.record for row, _ in self.site.places.values()}

    def _values(self, record: Record) -> dict[str, Any]:
        none: tuple[Row, BoardView | None] = (_replaced(record), None)
        row, view = self.site.places.get(record.name, none)
        baseline, evidence = view.board.baseline if view else None, self.site.evidence
        pair = self._pair(row, baseline)
        found = _groups(record, *pair) if pair else ()
        examples = self.gallery.of(record, baseline.record, evidence) if pair and baseline else None
        for example in (*examples.forgotten, *examples.gained) if examples else ():
            self.shown.update(thing.file for thing in example.things if thing.file is not None)
        return {
            "record": record,
            "row": row,
            "tier": evidence.provenance.tier(record),
            "grant": evidence.provenance.grants.get(record.name),
            "reproduced_by": evidence.provenance.reproduced.get(record.name, ()),
            "view": view,
            "baseline": baseline,
            "successor": None if view else self._current.get(identity(record)),
            "samples": evidence.samples[record.name],
            "slices": slice_tables(found),
            "bars_from": bars_from(record.accuracy, baseline.record.accuracy if baseline else None),
            "worst": worst(found),
            "examples": examples,
            "ranks_latency": self.site.press.cards.ranks_latency(record.cell.target),
            "file": slug(record.name),
        }

    def _pair(self, row: Row, baseline: Row | None) -> tuple[Samples, Samples] | None:
        """What is kept of a record and of its baseline, if the one can be compared with the other and is not the same."""
        if baseline is None or row.difference is None or row.is_baseline:
            return None
        samples = self.site.evidence.samples
        return samples[row.record.name], samples[baseline.record.name]


def _replaced(record: Record) -> Row:
    """Of a record that stands on no board: a newer one has taken its place, or there is no board for it."""
    return Row(record=record, metric=record.accuracy.metric if record.accuracy else "")


def _groups(record: Record, mine: Samples, baseline: Samples) -> tuple[Group, ...]:
    if mine.hits is None or baseline.hits is None:
        return ()
    return groups(record, mine.slices, mine.hits, baseline.hits)
