"""The downloads: every record as one flat row of plain values, and those as a table that a spreadsheet opens and runs nothing of."""

import csv
import io
from typing import Any

from suite.pages import Cards
from suite.paired import Paired
from suite.record import Estimate, TokenTimes
from suite.summarize import Row

Scalar = str | int | float | bool | None


def flat(row: Row, cards: Cards, current: bool) -> dict[str, Scalar]:
    """One record as names and plain values, for downloads. `current` is False for a record that a newer one of its cell replaces."""
    record, cell = row.record, row.record.cell
    facts: dict[str, Scalar] = {
        "record": record.name, "model": cell.model, "method": cell.method, "variant": cell.variant,
        "component": cell.component, "target": cell.target,
        "tier": cell.tier, "test_seed": cell.test_seed, "host": record.environment.host, "family": cards.family(cell.method),
        "division": cards.division(cell.method), "status": record.status, "reason": record.reason, "current": current,
        "provenance": row.provenance,
        "rank": row.rank, "ties": row.ties, "speed_rank": row.speed_rank, "incomparable": row.incomparable and str(row.incomparable),
        "items": record.accuracy.items if record.accuracy else None,
        "metric": record.accuracy.metric if record.accuracy else None,
    }  # fmt: skip
    figures = record.figures()
    facts |= _estimate("accuracy", row.accuracy) | _estimate("difference", row.difference)
    facts |= {"accuracy_verdict": row.accuracy_verdict}
    facts |= {name: getattr(row.flips, name) if row.flips else None for name in ("lost", "gained", "agreement")}
    facts |= _paired(row.paired)
    facts |= {name: figures.get(name) for name in ("bytes", "zstd_bytes", "parameters", "nonzero_parameters", "bits_per_parameter")}
    facts |= {name: figures.get(name) for name in ("macs", "nonzero_macs", "bit_operations")}
    facts |= {"bit_operations_ratio": row.bit_operations_ratio}
    facts |= {name: figures.get(name) for name in ("instructions", "instruction_ratio")}
    facts |= {"size_ratio": row.size_ratio, **_estimate("speed_up", row.speed_up), "speed_verdict": row.speed_verdict}
    facts |= _estimate("latency_ms", record.latency.median_ms if record.latency else None)
    bounds = record.latency.percentile_bounds_ms if record.latency else {}
    facts |= {f"latency_{name}_bound_ms": bounds.get(name) for name in ("p50", "p90", "p99")}
    facts |= _tokens(record.latency.tokens if record.latency else None)
    beside = record.latency.reference if record.latency else None
    facts |= {"reference": beside.target if beside else None, **_estimate("reference_speed_up", beside.speed_up if beside else None)}
    facts |= {"noisy": record.latency.noisy if record.latency else None, "host_grade": row.host_grade}
    spent = record.latency.energy if record.latency else None
    facts |= _estimate("joules", spent.joules if spent else None) | _estimate("joules_ratio", spent.ratio if spent else None)
    return facts | {"compress_s": figures.get("compress_s"), "created": record.created, "key": record.key}


def _paired(found: Paired | None) -> dict[str, Scalar]:
    """Of several columns of scores, the first."""
    test = found.mcnemar if found else None
    name, divergence = next(iter(found.divergence.items()), (None, None)) if found else (None, None)
    return {
        "mcnemar_p": test.exact if test else None, "mcnemar_mid_p": test.mid if test else None,
        "difference_bootstrap_low": found.bootstrap.low if found else None,
        "difference_bootstrap_high": found.bootstrap.high if found else None,
        "score": name, "score_divergence": divergence,
    }  # fmt: skip


def _tokens(found: TokenTimes | None) -> dict[str, Scalar]:
    mine = found.artifact if found else None
    facts: dict[str, Scalar] = {}
    for name in ("prefill_ms", "first_token_ms", "inter_token_ms", "tokens_per_s"):
        facts |= _estimate(name, getattr(mine, name) if mine else None)
    for name in ("first_token_speed_up", "inter_token_speed_up"):
        facts |= _estimate(name, getattr(found, name) if found else None)
    return facts


def _estimate(name: str, estimate: Estimate | None) -> dict[str, Scalar]:
    if estimate is None:
        return {name: None, f"{name}_low": None, f"{name}_high": None}
    return {name: estimate.value, f"{name}_low": estimate.low, f"{name}_high": estimate.high}


def table(rows: list[dict[str, Any]]) -> str:
    """CSV with a head."""
    text = io.StringIO()
    if rows:
        writer = csv.DictWriter(text, list(rows[0]), lineterminator="\n")
        writer.writeheader()
        writer.writerows({name: _inert(value) for name, value in row.items()} for row in rows)
    return text.getvalue()


def _inert(value: object) -> object:
    """Text that a spreadsheet would take for a formula gets a quote in front."""
    return f"'{value}" if isinstance(value, str) and value[:1] in ("=", "+", "-", "@", "\t", "\r") else value
