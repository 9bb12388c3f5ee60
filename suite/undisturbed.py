"""Timed calls without those that were interrupted. Pure, numpy only."""

from collections.abc import Mapping
from typing import Any

import numpy as np

Array = np.ndarray[Any, np.dtype[Any]]

ENOUGH = 3
"""Launches that must be left when those without a core are left out."""

LEFT = 0.75
"""The share of a quad's calls that must not have been interrupted, on either side, for it to count."""


def undisturbed(columns: Mapping[str, Array]) -> tuple[Array, Array]:
    """`baseline_ns` and `compressed_ns`, float64 (launches, quads, calls), with NaN for calls that were interrupted.

    `baseline_cut` and `compressed_cut`, bool of the same shape, say which were: their process did not have its core all the time, so
    that they tell how long another one had it. The longer call of the two is interrupted more often, and the ratio of medians of all
    calls would lean against it. A quad of which more than a quarter is lost on a side is left out, all of it, and so is a launch of which
    no quad is left. Where fewer than ENOUGH launches would be, all calls count: there is nothing better, and the host's grade says so.
    Records before schema 5 do not say which calls were interrupted.
    """
    sides = [columns[f"{side}_ns"].astype(np.float64) for side in ("baseline", "compressed")]
    if "baseline_cut" not in columns:
        return sides[0], sides[1]
    kept = [~columns[f"{side}_cut"] for side in ("baseline", "compressed")]
    enough = np.minimum(kept[0].mean(-1), kept[1].mean(-1)) >= LEFT
    if enough.any(-1).sum() < ENOUGH:
        return sides[0], sides[1]
    old, new = (np.where(keep & enough[..., None], side, np.nan) for side, keep in zip(sides, kept, strict=True))
    return old, new
