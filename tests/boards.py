"""Records and raw answers of a small world for the tests of summaries: variations of the golden record."""

from pathlib import Path

import numpy as np
from msgspec.structs import replace

from suite.record import Accuracy, Estimate, decode
from suite.statistics import wilson
from suite.summarize import summarize

GOLDEN = decode(next((Path(__file__).parent / "golden").glob("tiny_matcher--dynamic_int8--per_channel--x86_cpu_ort*.json")).read_bytes())
ITEMS = 400


class Results:
    """Records and their raw columns, as a store would give them."""

    def __init__(self):
        self.records, self.answers = [], {}

    def add(self, method, hits, *, size=None, speed=None, created="2026-11-22T10:00:00+00:00", **changes):
        """An ok record of `method/only` (or `method/variant`) that got `hits` right."""
        name, _, variant = method.partition("/")
        hits = np.asarray(hits, bool)
        accuracy = Accuracy(len(hits), "recall_at_1", {"recall_at_1": wilson(hits)}, {}, 1.0)
        cell = replace(GOLDEN.cell, method=name, variant=variant or "only", recipe=())
        record = replace(GOLDEN, key=f"{len(self.records):064x}", created=created, cell=cell, accuracy=accuracy)
        self.answers[record.key] = hits
        record = self._changed(record, size, speed, changes)
        self.records.append(record)
        return record

    @staticmethod
    def _changed(record, size, speed, changes):
        if size is not None:
            part = replace(record.artifact.parts["text"], bytes=size)
            record = replace(record, artifact=replace(record.artifact, parts={"text": part}))
        if speed is not None:
            record = replace(record, latency=replace(record.latency, speed_up=Estimate(*speed)))
        for name, values in changes.items():
            record = replace(record, **{name: None if values is None else replace(getattr(record, name), **values)})
        return record

    def fail(self, method, status="timeout", created="2026-11-22T10:00:00+00:00"):
        """A record of `method/only` that came to nothing."""
        nothing = dict.fromkeys(("accuracy", "latency", "columns_sha256"))
        self.records[-1:] = [replace(self.add(method, [True], created=created), status=status, reason="why", **nothing)]
        return self.records[-1]

    def columns(self, record):
        return {"recall_at_1": self.answers[record.key], "baseline_ns": np.ones((1, 1, 1))}

    def boards(self):
        return summarize(self.records, self.columns)

    def board(self):
        (board,) = self.boards()
        return board

    def rows(self):
        return {row.record.cell.method: row for row in self.board().rows}


def right(count, items=ITEMS):
    """The first `count` of `items` are right."""
    return np.arange(items) < count
