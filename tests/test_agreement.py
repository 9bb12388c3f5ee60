"""Two records of one cell say the same, within their intervals and to the byte, or they do not."""

import numpy as np
import pytest
from conftest import ROOT
from msgspec.structs import replace

from suite.statistics import Z
from suite.store import Store
from suite.submission.agreement import agree, checks, independent_difference, quantile

RNG = np.random.default_rng(3)


@pytest.fixture(scope="module")
def published():
    """A published record and its columns; and one of the same cell on another test set, as honest as it."""
    store = Store(ROOT / "site" / "results")
    records = map(store.read, sorted(store.folder.glob("audio_visual_digits--dynamic_int8--*x86_cpu_ort--*.json")))
    record = next(one for one in records if one.latency and one.latency.health and one.latency.health.ranked)
    columns = store.columns(record)
    metric = record.accuracy.metric
    other = replace(record, provenance=replace(record.provenance, test_sha256="f" * 64))
    return record, columns, other, {metric: RNG.permutation(columns[metric])}


def _found(published, **changes):
    record, columns, other, fresh = published
    hits = changes.pop("hits", fresh[record.accuracy.metric])
    return {check.name: check for check in checks(record, columns, replace(other, **changes), {record.accuracy.metric: hits})}


def _parts(record, **changes):
    name, part = next(iter(record.artifact.parts.items()))
    return replace(record.artifact, parts={**record.artifact.parts, name: replace(part, **changes)})


def test_an_honest_one_agrees_in_everything(published):
    found = _found(published)
    assert {name: check.agrees for name, check in found.items()} == dict.fromkeys(
        ("test set", "accuracy", "size", "claims", "artifact", "speed-up"), True
    )
    assert agree(tuple(found.values()))


def test_the_same_test_set_bears_nothing_out(published):
    found = _found(published, provenance=published[0].provenance)
    assert found["test set"].agrees is False
    assert not agree(tuple(found.values()))


def test_an_accuracy_beyond_the_interval_differs(published):
    record, columns, *_ = published
    hits = columns[record.accuracy.metric].copy()
    hits[np.flatnonzero(hits)[: len(hits) // 10]] = False
    found = _found(published, hits=hits)
    assert found["accuracy"].agrees is False
    assert "submitted" in found["accuracy"].words
    assert not agree(tuple(found.values()))


def test_one_byte_more_differs(published):
    bytes = next(iter(published[0].artifact.parts.values())).bytes
    assert _found(published, artifact=_parts(published[0], bytes=bytes + 1))["size"].agrees is False


@pytest.mark.parametrize("figure", ["zstd_bytes", "macs", "nonzero_macs", "bit_operations", "nonzero_parameters"])
def test_no_figure_of_size_can_be_made_up(figure, published):
    part = next(iter(published[0].artifact.parts.values()))
    assert _found(published, artifact=_parts(published[0], **{figure: getattr(part, figure) * 2}))["size"].agrees is False


def test_other_versions_of_zstd_press_a_little_otherwise(published):
    pressed = next(iter(published[0].artifact.parts.values())).zstd_bytes
    assert _found(published, artifact=_parts(published[0], zstd_bytes=pressed + 9))["size"].agrees is True


def test_the_uncompressed_model_has_the_parameters_that_it_has(published):
    larger = replace(published[0].artifact, baseline_parameters=published[0].artifact.baseline_parameters * 2)
    assert "uncompressed" in _found(published, artifact=larger)["size"].words


def test_claims_are_those_of_the_card(published):
    claims = published[0].artifact.claims
    bolder = tuple(replace(claim, claimed="1 bits or fewer") for claim in claims)
    for theirs in (bolder, claims[:-1]):
        found = _found(published, artifact=replace(published[0].artifact, claims=theirs))
        assert found["claims"].agrees is False
        assert not agree(tuple(found.values()))


def test_other_files_differ_only_if_the_same_libraries_made_them_on_the_same_processor(published):
    record = published[0]
    other = replace(record.provenance, test_sha256="f" * 64, artifact_sha256="0" * 64)
    assert _found(published, provenance=other)["artifact"].agrees is False
    newer = replace(record.environment, libraries={**record.environment.libraries, "onnx": "99"})
    found = _found(published, provenance=other, environment=newer)["artifact"]
    assert (found.agrees, found.words) == (None, "other files, made with another version of onnx")
    assert _found(published, provenance=other, environment=replace(record.environment, cpu="another"))["artifact"].agrees is None


def test_a_speed_up_is_compared_on_machines_that_are_alike(published):
    record = published[0]
    known = record.latency.speed_up
    twice = replace(known, value=2 * known.value, low=2 * known.low, high=2 * known.high)
    assert _found(published, latency=replace(record.latency, speed_up=twice))["speed-up"].agrees is False
    found = _found(published, environment=replace(record.environment, cpu="another"))["speed-up"]
    assert found.agrees is None
    assert "another machine" in found.words


def test_newcombes_interval_of_two_independent_shares():
    """Newcombe 1998, table II, method 10, example (a): 56 of 70 and 48 of 80 give 0.2 with 0.0524 to 0.3339."""
    gap = independent_difference(np.arange(70) < 56, np.arange(80) < 48)
    assert (gap.value, gap.low, gap.high) == pytest.approx((0.2, 0.0524, 0.3339), abs=5e-5)


def test_degrees_are_compared_by_welch():
    """Against scipy.stats.ttest_ind(equal_var=False).confidence_interval() of the same numbers."""
    gap = independent_difference(np.array([0.1, 0.5, 0.9, 0.3]), np.array([0.2, 0.4, 0.2]))
    assert (gap.value, gap.low, gap.high) == pytest.approx((0.183333, -0.333607, 0.700274), abs=1e-6)


def test_equal_degrees_have_no_width():
    gap = independent_difference(np.full(9, 0.5), np.full(4, 0.25))
    assert (gap.low, gap.value, gap.high) == (0.25, 0.25, 0.25)


def test_many_cells_have_wider_intervals_so_that_all_honest_ones_agree():
    assert quantile(1) == pytest.approx(Z)
    assert quantile(20) == pytest.approx(3.0233, abs=1e-3)


def test_honest_accuracies_agree_as_often_as_they_should():
    agreed = sum((gap := independent_difference(RNG.random(600) < 0.9, RNG.random(600) < 0.9)).low <= 0 <= gap.high for _ in range(2000))
    assert 0.93 < agreed / 2000 < 0.97
