"""What is kept of a store's raw columns."""

from pathlib import Path

import numpy as np
import pytest
from site_cards import model_cards
from site_store import PLANS, SHAPE, build, put_alone

from suite.evidence import Evidence, collect
from suite.store import Store


@pytest.fixture(scope="module")
def few(tmp_path_factory: pytest.TempPathFactory) -> tuple[Store, Evidence]:
    store = build(tmp_path_factory.mktemp("few"), shape=SHAPE, plans=PLANS[:3])
    put_alone(store, "glyph_clip", PLANS[8], "text")
    return store, collect(store, model_cards())


def test_what_is_kept_is_what_the_pages_need(few: tuple[Store, Evidence]) -> None:
    store, evidence = few
    assert evidence.broken == ()
    for record in evidence.records:
        kept = evidence.samples[record.name]
        if record.status != "ok":
            assert kept.hits is None
            assert not kept.slices
            assert evidence.predictions(record) == {}
            continue
        columns, metric = store.columns(record), record.accuracy.metric
        assert (kept.hits == columns[metric]).all()
        (name,) = kept.slices
        assert name == f"slice:{next(iter(record.accuracy.slices))}"
        assert (kept.slices[name] == columns[name]).all()
        assert set(evidence.predictions(record)) == {"prediction", "probability"}, "neither times nor metrics"
        assert (kept.strips is None) == (record.cell.component is not None)


def test_equal_groups_are_kept_once(few: tuple[Store, Evidence]) -> None:
    _, evidence = few
    every = [(record.cell.model, array) for record in evidence.records for array in evidence.samples[record.name].slices.values()]
    assert len(every) == 7
    assert len({id(array) for _, array in every}) == 2, "one for each model"
    assert all(array.base is None for _, array in every), "a view would keep all columns of its file"


def test_other_groups_are_kept_apart(tmp_path: Path) -> None:
    store = build(tmp_path, shape=SHAPE, plans=PLANS[:2])
    record = next(record for record in store.records() if record.status == "ok" and record.cell.model == "glyph_clip")
    columns = store.columns(record)
    store.put(record, {**columns, "slice:script": columns["slice:script"][::-1].copy(), "slice:bad": np.zeros(3, np.int16)})
    evidence = collect(store, model_cards())
    kept = evidence.samples[record.name].slices
    assert list(kept) == ["slice:script"], "a column of another length is of no use"
    assert (kept["slice:script"] == columns["slice:script"][::-1]).all()
    assert len({id(array) for samples in evidence.samples.values() for array in samples.slices.values()}) == 3
