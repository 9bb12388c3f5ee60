"""The table of metrics: each says what it is, how it is written, which way is better, and which values cannot be true."""

import math

import pytest

from suite.metrics import METRICS, find

SHARES = {"recall_at_1", "recall_at_5", "answer_accuracy", "top_1", "exact_match", "token_accuracy"}
MAY_BE_ZERO = {"nonzero_parameters", "compress_s", "macs", "nonzero_macs", "bit_operations"}
HIGHER_IS_BETTER = SHARES | {"speed_up", "instruction_ratio", "cider"}

EVERY = pytest.mark.parametrize("metric", METRICS.values(), ids=list(METRICS))


def test_each_metric_stands_under_its_name():
    assert {name: metric.name for name, metric in METRICS.items()} == {name: name for name in METRICS}
    assert set(METRICS) >= SHARES | MAY_BE_ZERO | HIGHER_IS_BETTER


@EVERY
def test_each_metric_is_explained(metric):
    assert metric.title
    assert metric.help.endswith(".")
    assert metric.better == ("higher" if metric.name in HIGHER_IS_BETTER else "lower")


@EVERY
def test_nan_infinity_and_negative_values_cannot_be_true(metric):
    assert not any(map(metric.check, (math.nan, math.inf, -math.inf, -1, -1e-9)))


@EVERY
def test_zero_is_only_where_it_can_be(metric):
    assert metric.check(0) == (metric.name in SHARES | MAY_BE_ZERO | {"cider"})


@EVERY
def test_only_shares_end_at_one(metric):
    assert metric.check(1)
    assert metric.check(1.001) == (metric.name not in SHARES)


def test_cider_ends_at_ten():
    assert METRICS["cider"].check(10)
    assert not METRICS["cider"].check(10.001)


def test_a_metric_of_a_models_own_is_a_share():
    own = find("plates_read")
    assert (own.title, own.better, own.show(0.98765)) == ("plates read", "higher", "0.988")
    assert own.check(0)
    assert own.check(1)
    assert not own.check(1.001)
    assert find("bytes") is METRICS["bytes"]


@pytest.mark.parametrize(
    ("name", "value", "text"),
    [
        ("recall_at_1", 0.79849, "0.798"),
        ("answer_accuracy", 1, "1.000"),
        ("bytes", 14_450_000, "14.45 MB"),
        ("zstd_bytes", 4_000, "0.00 MB"),
        ("bits_per_parameter", 8.456, "8.46"),
        ("parameters", 3_612_345, "3,612,345"),
        ("nonzero_parameters", 0, "0"),
        ("macs", 84_851_200, "84.85 M"),
        ("bit_operations", 86_887_628_800, "86.89 G"),
        ("speed_up", 2.146, "2.15x"),
        ("latency_ms", 1.30612, "1.306 ms"),
        ("compress_s", 12.34, "12.3 s"),
        ("compress_peak_bytes", 412_000_000, "412.00 MB"),
    ],
)
def test_values_are_written_with_their_unit(name, value, text):
    assert METRICS[name].show(value) == text


def test_the_unit_that_is_shown_is_the_unit_of_the_table():
    for name, unit in {"latency_ms": "ms", "compress_s": "s", "speed_up": "x", "bytes": "B"}.items():
        assert METRICS[name].unit == unit
        assert METRICS[name].show(1.0).endswith(unit)
