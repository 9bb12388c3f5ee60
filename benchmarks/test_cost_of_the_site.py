"""Summarizing and rendering many records: the published ones, repeated under other names."""

from pathlib import Path

import msgspec
import pytest

from suite import registry
from suite.render import render
from suite.store import Store
from suite.summarize import summarize

PUBLISHED = Path(__file__).resolve().parent.parent / "site" / "results"


@pytest.fixture(scope="module", params=[1_000, 10_000], ids="{} records".format)
def store(request, tmp_path_factory: pytest.TempPathFactory) -> Store:
    published = Store(PUBLISHED)
    records = [(record, published.columns(record)) for record in published.records() if record.status == "ok"]
    many = Store(tmp_path_factory.mktemp("many"))
    for index in range(request.param):
        record, columns = records[index % len(records)]
        turn = index // len(records)
        cell = msgspec.structs.replace(record.cell, variant=f"{record.cell.variant}_{turn}" if turn else record.cell.variant)
        many.put(msgspec.structs.replace(record, cell=cell, key=f"{index:064x}"), columns)
    return many


def test_summarize(benchmark, store):
    boards = benchmark.pedantic(lambda: summarize(store.records(), store.columns), rounds=1)
    assert sum(len(board.rows) for board in boards) == sum(record.cell.component is None for record in store.records())


def test_render(benchmark, store, tmp_path):
    found = registry.discover()
    benchmark.pedantic(lambda: render(store, found.models, found.methods, found.targets, tmp_path / "site"), rounds=1)
    assert (tmp_path / "site" / "index.html").is_file()
