"""How far a record is to be believed: grants are to bytes, the best one counts, and what cannot be read grants nothing."""

import json

import msgspec
import pytest
from site_pages import publish
from site_store import build

from suite import provenance
from suite.provenance import OURS, REPRODUCED, SELF, TIERS, grant, read
from suite.record import encode
from suite.summarize import summarize


@pytest.fixture
def store(tmp_path):
    return build(tmp_path / "results")


def _first(store, number=3):
    return list(store.records())[:number]


def test_a_record_that_nobody_vouches_for_is_self_reported(store):
    known = read(store)
    assert known.broken == ()
    assert {known.tier(record) for record in store.records()} == {SELF}
    assert {row.provenance for board in summarize(store.records(), store.columns, known) for row in board.rows} == {SELF}


def test_a_grant_says_who_when_and_by_which_record(store):
    one, two, _ = _first(store)
    path = grant(store, REPRODUCED, "Ada", "on a fresh test set", [(one, ("f" * 64,)), (two, ("e" * 64,))])
    written = json.loads(path.read_text())
    assert (written["tier"], written["by"], written["records"][0]["reproduced_by"]) == (REPRODUCED, "Ada", ["f" * 64])
    assert written["at"].startswith("20")
    known = read(store)
    assert [known.tier(record) for record in _first(store)] == [REPRODUCED, REPRODUCED, SELF]


def test_the_best_tier_counts(store):
    record, *_ = _first(store)
    grant(store, OURS, "us", "measured", [(record, ())])
    grant(store, REPRODUCED, "Ada", "again", [(record, ("f" * 64,))])
    assert read(store).tier(record) == OURS == TIERS[0]


def test_a_record_that_took_the_place_of_a_granted_one_has_no_tier(store):
    record, *_ = _first(store)
    grant(store, OURS, "us", "measured", [(record, ())])
    path = store.folder / f"{record.name}.json"
    path.write_bytes(encode(msgspec.structs.replace(record, created="2020-01-01T00:00:00+00:00")))
    known = read(store)
    assert known.tier(record) == SELF
    assert "is not the file that was granted its tier" in str(known.broken[0])


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"tier": SELF}, "self-reported is what a record is without a grant"),
        ({"tier": "certified"}, "Invalid enum value"),
        ({"extra": 1}, "unknown field"),
        ({"tier": REPRODUCED}, "names no other record that reproduces it"),
        ({"records": [{"record": "../../etc/passwd", "key": "k", "sha256": "0"}]}, "outside of the store"),
    ],
)
def test_what_is_not_a_grant_grants_nothing_and_is_named(store, change, words):
    record, *_ = _first(store)
    path = grant(store, OURS, "us", "measured", [(record, ())])
    path.write_text(json.dumps(json.loads(path.read_text()) | change))
    known = read(store)
    assert known.tier(record) == SELF
    assert words in str(known.broken[0])


def test_nothing_reproduces_itself(store):
    record, *_ = _first(store)
    with pytest.raises(ValueError, match="names no other record"):
        grant(store, REPRODUCED, "Ada", "again", [(record, (record.key,))])


def test_pages_and_downloads_show_the_tier_and_text_stays_text(store, tmp_path):
    record, *_ = _first(store)
    grant(store, OURS, "<script>us</script>", "measured", [(record, ())])
    publish(store, tmp_path / "site")
    rows = json.loads((tmp_path / "site" / "data" / "results.json").read_text())
    assert {row["provenance"] for row in rows if row["record"] == record.name} == {OURS}
    assert {row["provenance"] for row in rows if row["record"] != record.name} == {SELF}
    assert ",provenance," in (tmp_path / "site" / "data" / "results.csv").read_text().splitlines()[0]
    pages = [page.read_text() for page in (tmp_path / "site" / "record").glob("*.html")]
    assert sum(OURS in page and provenance.WORDS[OURS] in page and "&lt;script&gt;us" in page for page in pages) == 1
    assert not any("<script>us" in page for page in pages)
    assert OURS in (tmp_path / "site" / "model" / f"{record.cell.model}.html").read_text()


def test_every_published_record_was_measured_by_those_who_keep_the_board():
    """Which is what site/results/provenance says of each of them, by its bytes."""
    from conftest import ROOT

    from suite.store import Store

    published = Store(ROOT / "site" / "results")
    known = read(published)
    assert known.broken == ()
    assert known.grants
    assert all(grant.records for grant in known.grants.values())
