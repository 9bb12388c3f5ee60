"""What a record says about a compressed model, in figures and in sentences: no more than its intervals bear out."""

from typing import Any

import msgspec

from suite.metrics import find
from suite.record import Estimate, TokenTimes
from suite.summarize import Row

LONGER = 0.05
"""Answers count as longer or shorter from this share on."""
SMALL = 1_000_000
"""Bytes below which a size is told in kB."""


def figures(row: Row, baseline: Row) -> dict[str, Any]:
    """The figures of an ok row beside its baseline's, for a manifest. Intervals are 95 %."""
    record = row.record
    assert record.accuracy is not None
    assert record.artifact is not None
    found: dict[str, Any] = {
        "metric": row.metric,
        "items": record.accuracy.items,
        "accuracy": _estimate(row.accuracy),
        "baseline_accuracy": _estimate(baseline.accuracy),
        "difference": _estimate(row.difference),
        "difference_verdict": row.accuracy_verdict,
        "bytes": row.bytes,
        "baseline_bytes": baseline.bytes,
        "zstd_bytes": record.artifact.total("zstd_bytes"),
    }
    if record.latency is not None:
        found |= {
            "speed_up": _estimate(row.speed_up),
            "speed_up_verdict": row.speed_verdict,
            "noisy": record.latency.noisy,
            "host_grade": row.host_grade,
            "median_ms": _estimate(record.latency.median_ms),
        }
    return found


def sentences(row: Row, baseline: Row) -> tuple[str, ...]:
    """Accuracy, size and latency, a sentence or two each."""
    return _accuracy(row, baseline), _size(row, baseline), _speed(row)


def _estimate(estimate: Estimate | None) -> Any:
    return None if estimate is None else msgspec.to_builtins(estimate)


def _accuracy(row: Row, baseline: Row) -> str:
    assert row.accuracy is not None
    assert row.record.accuracy is not None
    metric = find(row.metric)
    told = f"{metric.title} {metric.show(row.accuracy.value)} on {row.record.accuracy.items} test items, {_range(row.accuracy)}."
    told = told[:1].upper() + told[1:]
    if row.is_baseline:
        return f"{told} This is the uncompressed model itself."
    if row.difference is None:
        return f"{told} It cannot be compared with the uncompressed model: {row.incomparable}."
    gap = row.difference
    difference = f"{gap.value:+.3f}, {gap.low:+.3f} to {gap.high:+.3f}"
    if row.accuracy_verdict == "tie":
        return f"{told} The difference to the uncompressed model cannot be told from none ({difference})."
    assert baseline.accuracy is not None
    side = "below" if row.accuracy_verdict == "worse" else "above"
    return f"{told} That is {side} the {metric.show(baseline.accuracy.value)} of the uncompressed model ({difference})."


def _size(row: Row, baseline: Row) -> str:
    assert row.bytes is not None
    assert baseline.bytes is not None
    told, ratio = f"{_bytes(row.bytes)} on disk", baseline.bytes / row.bytes
    if row.is_baseline or 0.995 < ratio < 1.005:
        return f"{told}, as large as the uncompressed model." if not row.is_baseline else f"{told}."
    before = _bytes(baseline.bytes)
    return f"{told}, {ratio:.1f} times smaller than {before}." if ratio > 1 else f"{told}, {1 / ratio:.2f} times the {before} before."


def _bytes(value: int) -> str:
    return find("bytes").show(value) if value >= SMALL else f"{value / 1e3:.1f} kB"


def _speed(row: Row) -> str:
    latency, gain = row.record.latency, row.speed_up
    if latency is None or gain is None:
        return "Its latency was not measured."
    told = f"{find('latency_ms').show(latency.median_ms.value)} a request on the machine that measured it; speed-up {gain.value:.2f}x, "
    told += f"{_range(gain, 2)}."
    if row.is_baseline:
        told += " This is the uncompressed model timed against itself."
    elif row.speed_verdict == "tie":
        told += " It cannot be told whether it is faster or slower than the uncompressed model."
    elif row.speed_verdict == "worse":
        told += " It is slower than the uncompressed model."
    told += _lengths(latency.tokens)
    if row.not_ranked is not None and latency.health is not None:
        told += f" It is {row.not_ranked}: {latency.health.reasons[0]}."
    if latency.noisy:
        told += " The measurement was noisy: repeat it on a quieter machine before you rely on it."
    return told


def _lengths(tokens: TokenTimes | None) -> str:
    """Where a model that writes gives longer or shorter answers: its speed is then not that of its arithmetic alone."""
    if tokens is None or abs(tokens.artifact.tokens / tokens.baseline.tokens - 1) < LONGER:
        return ""
    told = f" Its answers have {tokens.artifact.tokens:.1f} tokens, those of the uncompressed model {tokens.baseline.tokens:.1f}"
    gain = tokens.inter_token_speed_up
    return f"{told}; from one token to the next it is {gain.value:.2f}x as fast." if gain else f"{told}."


def _range(estimate: Estimate, digits: int = 3) -> str:
    return f"95 % interval {estimate.low:.{digits}f} to {estimate.high:.{digits}f}"
