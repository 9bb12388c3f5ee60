"""Every published figure of time and memory from the raw columns of a cell. Pure: `squeezemark recompute` does it again."""

from collections.abc import Mapping
from typing import Any

import numpy as np
from msgspec.structs import replace

from suite.arrivals import PERCENTILE
from suite.bounds import order_of_bound
from suite.health import health
from suite.record import BesideReference, Estimate, Footprint, InstructionCounts, Latency, Scenario, Server
from suite.statistics import (
    STRETCH,
    hierarchical_bootstrap,
    median_ms,
    over_launches,
    percentile_bounds_ms,
    percentiles_ms,
    quad_log_ratios,
    speed_up,
)
from suite.tokens import token_times
from suite.undisturbed import undisturbed

Array = np.ndarray[Any, np.dtype[Any]]
Columns = Mapping[str, Array]

NOISY = 0.05
"""A speed-up whose interval is wider than this share of it, on either side, is marked noisy; so is a launch that lacked its core."""
BUSY = 0.9
WAITED = 0.1
"""A scenario whose threads waited for a core for more than this share of their time did not get its cores."""
GOT = 0.6
"""Where a platform does not tell how long they waited: CPU time / wall time that is less than this share of the threads."""


def summarize(columns: Columns, busy: tuple[float, ...] = (), reference: str | None = None, adaptive: bool = False) -> Latency:
    """The latency from `baseline_ns` and `compressed_ns`, shape (launches, quads, calls), and `component:<side>:<name>` and
    `device:<side>:<name>`, shape (launches, calls), all in nanoseconds; of tokens see `suite.tokens`, of the rest the jobs that write it.

    busy: process CPU time / wall time of each launch, where it is not a column (before schema 5). reference: the target beside which it
    was timed too, in `reference_ns` and `beside_reference_ns`, of the same shape. adaptive: whether launches were added until the
    interval was narrow.
    """
    old, new, stretch = columns["baseline_ns"], columns["compressed_ns"], STRETCH if adaptive else 1.0
    quiet_old, quiet_new = undisturbed(columns)
    busy = tuple(columns["host:cpu_wall"][:, 0].tolist()) if "host:cpu_wall" in columns else busy
    logs, ratio = quad_log_ratios(quiet_old, quiet_new), speed_up(quiet_old, quiet_new, stretch)
    return Latency(
        launches=int(np.isfinite(logs).any(axis=-1).sum()),
        samples=new.size,
        speed_up=ratio,
        bootstrap=hierarchical_bootstrap(logs),
        median_ms=median_ms(quiet_new, stretch),
        baseline_median_ms=median_ms(quiet_old, stretch),
        percentiles_ms=percentiles_ms(new),
        baseline_percentiles_ms=percentiles_ms(old),
        percentile_bounds_ms=percentile_bounds_ms(new),
        baseline_percentile_bounds_ms=percentile_bounds_ms(old),
        component_median_ms=_medians_ms(columns, "component:compressed:"),
        baseline_component_median_ms=_medians_ms(columns, "component:baseline:"),
        device_median_ms=_medians_ms(columns, "device:compressed:"),
        baseline_device_median_ms=_medians_ms(columns, "device:baseline:"),
        cpu_wall=busy,
        noisy=bool(width(ratio) > NOISY or min(busy) < BUSY),
        tokens=token_times(columns, stretch),
        reference=_beside(columns, reference, stretch) if reference else None,
        stretch=stretch,
        interrupted=_interrupted(columns),
        checked_answers=int(columns["checked"].sum()) if "checked" in columns else None,
        repeat_ratio=_repeat_ratio(columns.get("repeat_ns")),
        footprint=_footprint(columns, "compressed"),
        baseline_footprint=_footprint(columns, "baseline"),
        health=health(columns),
    )


def width(ratio: Estimate) -> float:
    """The half width of an interval, the larger one, as a share of the value."""
    return max(ratio.value - ratio.low, ratio.high - ratio.value) / ratio.value


def scenario(columns: Columns, batch: int, threads: int) -> Scenario:
    """From `baseline_ns`, `compressed_ns`, (launches, quads, calls), calls of `batch` requests; `deviation` and what `suite.watch` saw."""
    old, new = columns["baseline_ns"], columns["compressed_ns"]
    got, waited = columns["host:cpu_wall"][:, 0], _largest(columns["host:waiting"])
    found = Scenario(batch, threads, None, cpu_wall=tuple(got.tolist()), run_delay=waited, deviation=float(columns["deviation"].max()))
    if waited is not None and waited > WAITED:
        return replace(found, refused=f"its threads waited for a core for {waited:.0%} of their time")
    if threads == 1 and got.min() < BUSY:
        return replace(found, refused="its thread did not get its core")
    if waited is None and got.min() < GOT * threads:
        return replace(found, refused=f"{threads} threads had {got.min():.2f} cores")
    mine, theirs = (over_launches(np.log(batch * 1e9 / np.median(side, axis=-1))) for side in (new, old))
    return replace(found, speed_up=speed_up(old, new), items_per_s=mine, baseline_items_per_s=theirs)


def server(columns: Columns, bound_ms: float) -> Server:
    """From `rate:<side>`, (launches,), and `latency_ns:<side>`, (launches, requests)."""
    new, old = columns["rate:compressed"], columns["rate:baseline"]
    served = np.sort(columns["latency_ns:compressed"], axis=-1)
    requests = served.shape[-1]
    if min(new.min(), old.min()) <= 0:
        side = "the artifact" if new.min() <= 0 else "the uncompressed model"
        return Server(bound_ms, requests, f"{side} kept the bound at no rate that was tried")
    mine, theirs = (np.log(rate)[:, None] for rate in (new, old))
    p99_ms = float(served[:, order_of_bound(requests, PERCENTILE) - 1].max()) / 1e6
    return Server(bound_ms, requests, None, over_launches(mine), over_launches(theirs), over_launches(mine - theirs), p99_ms)


def instructions(columns: Columns, reason: str | None) -> InstructionCounts:
    """From `instructions:<side>`, int64 (launches, requests); without them, why there are none."""
    artifact, baseline = (columns.get(f"instructions:{side}") for side in ("compressed", "baseline"))
    if artifact is None or baseline is None:
        return InstructionCounts(reason=reason or "not every launch could count them")
    return InstructionCounts({"all": tuple(artifact.ravel().tolist())}, {"all": tuple(baseline.ravel().tolist())})


def _beside(columns: Columns, target: str, stretch: float) -> BesideReference:
    old, new = columns["reference_ns"], columns["beside_reference_ns"]
    return BesideReference(target, speed_up(old, new, stretch), median_ms(old, stretch))


def _medians_ms(columns: Columns, prefix: str) -> dict[str, float]:
    return {name.removeprefix(prefix): float(np.median(array)) / 1e6 for name, array in columns.items() if name.startswith(prefix)}


def _interrupted(columns: Columns) -> float | None:
    """The share of the timed calls that were."""
    return float(np.mean([columns["baseline_cut"], columns["compressed_cut"]])) if "baseline_cut" in columns else None


def _repeat_ratio(times: Array | None) -> float | None:
    """From (launches, [new, repeated], requests)."""
    return None if times is None else float(np.median(times[:, 1]) / np.median(times[:, 0]))


def _footprint(columns: Columns, side: str) -> Footprint | None:
    """From `footprint:<side>:<name>`, (launches,) and `warm_up_ns` (launches, requests)."""
    prefix = f"footprint:{side}:"
    if f"{prefix}load_ns" not in columns:
        return None
    load, warm_up = columns[f"{prefix}load_ns"], columns[f"{prefix}warm_up_ns"]
    memory = ("load_bytes", "inference_bytes", "load_device_bytes", "inference_device_bytes")
    return Footprint(
        load_ms=over_launches(np.log(load[:, None] / 1e6)),
        first_ms=over_launches(np.log(warm_up[:, :1] / 1e6)),
        warm_up_ms=tuple((np.median(warm_up, axis=0) / 1e6).tolist()),
        **{name: _bytes(columns.get(f"{prefix}{name}")) for name in memory},
    )


def _bytes(values: Array | None) -> int | None:
    most = _largest(values)
    return None if most is None else int(most)


def _largest(values: Array | None) -> float | None:
    """None for what the platform did not tell."""
    return None if values is None or np.isnan(values).any() else float(values.max())
