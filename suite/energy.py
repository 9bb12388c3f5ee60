"""Joules of a request, from what the counters of `suite.meters` said in each launch. Pure."""

from collections.abc import Mapping
from typing import Any

import numpy as np

from suite.figures import Energy
from suite.statistics import over_launches

Array = np.ndarray[Any, np.dtype[Any]]


def energy(columns: Mapping[str, Array], source: str | None, reason: str | None = None) -> Energy:
    """From `energy:<side>_uj` and `energy:<side>_calls`, int64 (launches, quads, 2 blocks), as the speed-up is from times.

    source: the counter that was read. Without columns there are no figures, and `reason` says why.
    """
    if "energy:baseline_uj" not in columns:
        return Energy(None, reason or "no counter was read")
    old, new = (_log_joules(columns, side) for side in ("baseline", "compressed"))
    return Energy(source, None, over_launches(new), over_launches(old), over_launches(old - new))


def _log_joules(columns: Mapping[str, Array], side: str) -> Array:
    """Log of the joules of one request, float64 (launches, quads)."""
    spent, calls = (columns[f"energy:{side}_{name}"].sum(axis=-1, dtype=np.float64) for name in ("uj", "calls"))
    found: Array = np.log(spent / calls / 1e6)
    return found
