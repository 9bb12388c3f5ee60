"""How well a machine could be measured on while it was: the grade of a session, from what the worker's `suite.watch` saw. Pure.

Every rule holds one figure of the session against limits; the grade is that of the worst. Limits are such that what a paired ratio takes
without harm (steps of a clock, work on other cores) costs a grade, and what makes its calls longer (no core, no memory) costs the rank.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from math import inf
from typing import Any

import numpy as np

from suite.figures import GRADES, Health

Array = np.ndarray[Any, np.dtype[Any]]

PREFIX = "host:"
SMALL_WALL_S = 1e-9
"""So that a launch of no length weighs nothing, instead of dividing by it."""


@dataclass(frozen=True, slots=True)
class Rule:
    """A figure of a session and the most that each grade from A to E allows it; beyond the last it is F. lowest: limits are from below.

    words: what the figure says, with a place for it.
    """

    figure: str
    words: str
    limits: tuple[float, float, float, float, float]
    lowest: bool = False

    def grade(self, value: float) -> int:
        """0 for A to 5 for F."""
        return sum(value < limit if self.lowest else value > limit for limit in self.limits)


RULES = (
    Rule("control_spread", "the machine's own speed changed by {:.1%} (control kernel)", (0.05, 0.20, 0.35, 0.70, 1.50)),
    Rule("waiting", "its process waited for a core for {:.1%} of the time", (0.02, 0.05, 0.10, 0.30, 0.70)),
    Rule("cpu_wall", "its process had {:.2f} of a core in one launch", (0.98, 0.95, 0.90, 0.70, 0.30), lowest=True),
    Rule("steal", "the hypervisor took {:.1%} of its cores", (0.01, 0.03, 0.05, 0.15, 0.40)),
    Rule("quota", "the container was held back for {:.1%} of the time by its CPU quota", (0.001, 0.01, 0.03, 0.10, 0.40)),
    Rule("switches", "its process was interrupted {:.0f} times a second", (50, 150, 500, 2000, 10_000)),
    Rule("faults", "it waited for pages from disk {:.0f} times a second", (10, 50, 200, 1000, 5000)),
    Rule("memory_pressure", "tasks waited for memory for {:.1%} of the time", (0.005, 0.02, 0.05, 0.20, 0.50)),
    Rule("io_pressure", "tasks waited for disks for {:.0%} of the time", (0.10, inf, inf, inf, inf)),
    Rule("cpu_pressure", "tasks waited for a core for {:.0%} of the time, others than this one too", (0.10, inf, inf, inf, inf)),
    Rule("run_queue", "{:.1f} other tasks ran beside it", (0.75, inf, inf, inf, inf)),
    Rule("frequency", "the clock fell to {:.0%} of its highest", (0.95, 0.85, 0.75, 0.60, 0.40), lowest=True),
    Rule("throttled", "the processor throttled itself in {:.0%} of the parts", (0.0, 0.0, 0.34, 0.67, 1.0)),
)
GPU_RULES = (
    Rule("gpu_foreign", "{:.1f} other processes had the GPU too", (0.0, 0.0, 0.34, inf, inf)),
    Rule("gpu_frequency", "the GPU's clock fell to {:.0%} of its highest", (0.95, 0.85, 0.75, 0.60, 0.40), lowest=True),
    Rule("gpu_throttled", "heat or power held the GPU's clock back in {:.0%} of the parts", (0.0, 0.0, 0.34, 0.67, 1.0)),
)
"""Of a session on a GPU besides."""
"""What the whole machine does beside the process (pressure on processors and disks, the run queue) costs one grade at most: a process that
had its core and its memory was not harmed by it. See docs/measurement.md for what they were measured on."""


def health(columns: Mapping[str, Array]) -> Health | None:
    """The grade of a session from the columns of its launches: `control_ns` (launches, looks, calls), `host:*` (launches, looks - 1).

    None if nobody watched it, as in older records. What a platform does not count is named, and decides nothing.
    """
    if "control_ns" not in columns:
        return None
    figures = session(columns)
    rules = _rules(columns)
    known = [(rule.grade(value), rule, value) for rule in rules if (value := figures[rule.figure]) is not None]
    worst_first = sorted((found for found in known if found[0]), key=lambda found: -found[0])
    return Health(
        grade=GRADES[max(grade for grade, _, _ in known)],
        reasons=tuple(f"{rule.words.format(value)} ({GRADES[grade]})" for grade, rule, value in worst_first),
        figures=figures,
        missing=tuple(rule.figure for rule in rules if figures[rule.figure] is None),
    )


def _rules(columns: Mapping[str, Array]) -> tuple[Rule, ...]:
    return RULES + (GPU_RULES if f"{PREFIX}gpu_foreign" in columns else ())


def session(columns: Mapping[str, Array]) -> dict[str, float | None]:
    """Every figure that has a rule; None where it was not counted.

    Means over the time of the session, but for cpu_wall: of the launch that had the least. control_spread: (largest - smallest) /
    smallest median of the looks. frequency, gpu_frequency: lowest / highest.
    """
    medians = np.median(columns["control_ns"], axis=-1)
    wall = np.maximum(columns[f"{PREFIX}wall_s"], SMALL_WALL_S)
    found: dict[str, float | None] = {
        "control_spread": float(medians.max() / medians.min() - 1),
        "frequency": _fallen(columns[f"{PREFIX}frequency_khz"]),
        "cpu_wall": _least(columns[f"{PREFIX}cpu_wall"], wall),
    }
    if f"{PREFIX}gpu_khz" in columns:
        found["gpu_frequency"] = _fallen(columns[f"{PREFIX}gpu_khz"])
    return found | {rule.figure: _mean(columns[PREFIX + rule.figure], wall) for rule in _rules(columns) if rule.figure not in found}


def _fallen(khz: Array) -> float | None:
    """The lowest clock, as a share of the highest."""
    seen = khz[np.isfinite(khz)]
    return float(seen.min() / seen.max()) if seen.size else None


def _mean(values: Array, weights: Array) -> float | None:
    known = np.isfinite(values)
    return float(np.average(values[known], weights=weights[known])) if known.any() else None


def _least(values: Array, weights: Array) -> float | None:
    found = [mean for row, weight in zip(values, weights, strict=True) if (mean := _mean(row, weight)) is not None]
    return min(found, default=None)
