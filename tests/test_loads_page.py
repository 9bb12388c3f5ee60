"""A record's page tells what precedes the first answer and what other loads give; one of an older schema has neither."""

from pathlib import Path

import pytest
from conftest import ROOT
from msgspec.structs import replace
from site_pages import publish, record_page

from suite.record import Estimate, Server
from suite.store import Store

GOLDEN = Store(ROOT / "tests" / "golden")
RECORD = next(record for record in GOLDEN.records() if record.schema == 5)


@pytest.fixture(scope="module")
def page(tmp_path_factory: pytest.TempPathFactory) -> str:
    out: Path = tmp_path_factory.mktemp("loads") / "site"
    publish(GOLDEN, out)
    return record_page(out, RECORD).words


def test_loading_the_first_requests_and_memory_stand_beside_the_baseline_s(page: str) -> None:
    mine = RECORD.latency.footprint
    assert f"{mine.load_ms.value:.3g}" in page
    assert ", ".join(f"{spent:.3g}" for spent in mine.warm_up_ms[1:]) in page
    assert f"{mine.load_bytes / 2**20:.1f}" in page


def test_every_load_has_its_rate_or_the_reason_why_not(page: str) -> None:
    for load in RECORD.latency.scenarios.values():
        assert (load.refused if load.refused else f"{load.items_per_s.value:,.0f}") in page
    assert RECORD.latency.server.refused in page
    assert "8 requests together, all cores" in page


def test_a_server_s_rate_is_shown_with_its_bound(tmp_path: Path) -> None:
    store = Store(tmp_path / "results")
    store.prepare()
    rate = Estimate(123.4, 120.0, 127.0)
    served = Server(7.5, 1000, None, rate, Estimate(61.7, 60.0, 63.0), Estimate(2.0, 1.9, 2.1), 7.1)
    record = replace(RECORD, latency=replace(RECORD.latency, server=served))
    store.put(record, GOLDEN.columns(RECORD))
    publish(store, tmp_path / "site")
    words = record_page(tmp_path / "site", record).words
    assert "123" in words
    assert "within 7.5 ms" in words
    assert "2.00×" in words


def test_older_records_have_neither(tmp_path: Path) -> None:
    store = Store(tmp_path / "results")
    store.prepare()
    old = next(record for record in GOLDEN.records() if record.schema == 4)
    store.put(old, GOLDEN.columns(old))
    publish(store, tmp_path / "site")
    words = record_page(tmp_path / "site", old).words
    assert "Other loads" not in words
    assert "Before the first answer" not in words
