"""Statistics follow from the raw samples: of the published records, of old ones, and not of any that were tampered with."""

import re

import msgspec
import pytest
from conftest import ROOT
from msgspec.structs import replace
from site_store import build

from suite import measure
from suite.recompute import discrepancies, figures
from suite.record import Estimate, decode

GOLDEN = ROOT / "tests" / "golden"


@pytest.mark.parametrize("folder", [GOLDEN, ROOT / "site" / "results"], ids=["golden", "published"])
def test_every_statistic_follows_from_its_samples(folder, squeezemark):
    done = squeezemark("recompute", "--results", folder)
    assert done.returncode == 0, done.stderr
    figures_, records, differences = map(int, re.findall(r"\d+", done.stdout.replace(",", "")))
    assert differences == 0
    assert records == len(list(folder.glob("*.json")))
    assert figures_ > 30 * records / 2, "an ok record has dozens of figures"


@pytest.fixture
def stored(tmp_path):
    """A store, and the first record in it that was timed."""
    store = build(tmp_path)
    return store, next(record for record in store.records() if record.latency is not None)


def test_a_figure_that_was_changed_is_named(stored):
    store, record = stored
    accuracy = record.accuracy.metrics[record.accuracy.metric]
    better = Estimate(accuracy.value + 1e-6, accuracy.low, accuracy.high)
    forged = replace(record, accuracy=replace(record.accuracy, metrics={record.accuracy.metric: better}))
    (found,) = discrepancies(forged, store.columns(record))
    assert found.figure == f"accuracy.metrics.{record.accuracy.metric}.value"
    assert (found.published, found.again) == (better.value, accuracy.value)


def test_samples_that_were_changed_are_noticed_in_all_that_rests_on_them(stored):
    store, record = stored
    columns = store.columns(record)
    columns["compressed_ns"] = columns["compressed_ns"] * 2
    names = {found.figure for found in discrepancies(record, columns)}
    assert {"latency.speed_up.value", "latency.median_ms.value", "latency.percentiles_ms.p50"} <= names
    assert not any(name.startswith("accuracy") for name in names)


def test_every_figure_of_accuracy_and_latency_is_worked_out(stored):
    store, record = stored
    known = {name for name in figures(record, store.columns(record)) if name.startswith("latency.")}
    written = msgspec.to_builtins(record.latency)
    assert {name.split(".")[1] for name in known} == {name for name, value in written.items() if value != {}}


def test_a_forged_record_fails_the_command_with_one_sentence(stored, squeezemark, tmp_path):
    store, record = stored
    path = store.folder / f"{record.name}.json"
    speed = record.latency.speed_up
    faster = replace(record, latency=replace(record.latency, speed_up=Estimate(speed.value, speed.low, speed.high * 1.001)))
    path.write_bytes(msgspec.json.encode(faster))
    assert decode(path.read_bytes()).latency.speed_up.high == speed.high * 1.001
    done = squeezemark("recompute", "--results", tmp_path)
    assert done.returncode == 1
    assert f"{record.name}: latency.speed_up.high is" in done.stderr
    assert "1 differences" in done.stdout


def test_missing_columns_are_a_sentence_and_no_traceback(stored, squeezemark, tmp_path):
    store, record = stored
    (store.folder / f"{record.name}.columns.zst").unlink()
    done = squeezemark("recompute", "--results", tmp_path)
    assert (done.returncode, "Traceback" in done.stderr) == (1, False)
    assert record.name in done.stderr


def test_without_a_folder_it_says_what_to_do(squeezemark, tmp_path):
    done = squeezemark("recompute", "--results", tmp_path / "none")
    assert (done.returncode, "There is no results folder" in done.stderr) == (2, True)


def test_records_before_schema_5_need_no_bounds_but_are_held_to_those_they_have(stored, monkeypatch):
    store, record = stored
    columns = store.columns(record)
    made = replace(measure.summarize(columns, record.latency.cpu_wall), percentile_bounds_ms={"p50": 1.0}, baseline_percentile_bounds_ms={})
    monkeypatch.setattr(measure, "summarize", lambda *_: made)
    old = replace(record, schema=4, latency=replace(made, percentile_bounds_ms={}))
    assert not list(discrepancies(old, columns))
    (found,) = discrepancies(replace(old, latency=replace(made, percentile_bounds_ms={"p50": 2.0})), columns)
    assert found.figure == "latency.percentile_bounds_ms.p50"
