"""Figures of a model that answers token by token, from the raw times of `suite.worker.token_block`. Pure, numpy only."""

from collections.abc import Mapping
from typing import Any

import numpy as np

from suite.record import Estimate, Streaming, TokenTimes
from suite.statistics import over_launches

Array = np.ndarray[Any, np.dtype[Any]]


def token_times(columns: Mapping[str, Array], stretch: float = 1.0) -> TokenTimes | None:
    """From `<side>_tokens`, shape (launches, quads, calls, 3), and `first_call:<side>:<name>`, (launches, calls), in nanoseconds.

    None for a model that does not answer token by token. `stretch`: as in `suite.statistics.over_launches`.
    """
    if "compressed_tokens" not in columns:
        return None
    old, new = columns["baseline_tokens"], columns["compressed_tokens"]
    return TokenTimes(
        artifact=_streaming(columns, "compressed", stretch),
        baseline=_streaming(columns, "baseline", stretch),
        first_token_speed_up=over_launches(_log(first_ns(old)) - _log(first_ns(new)), stretch),
        inter_token_speed_up=_estimate(_log(inter_ns(old)) - _log(inter_ns(new)), stretch),
    )


def first_ns(tokens: Array) -> Array:
    """Time to the first token of each call."""
    return tokens[..., 0].astype(np.float64)


def inter_ns(tokens: Array) -> Array:
    """Time from token to token of each call, the mean over its tokens; NaN for a call that gave one token only."""
    spent, gaps = (tokens[..., 1] - tokens[..., 0]).astype(np.float64), tokens[..., 2] - 1
    found: Array = np.divide(spent, gaps, out=np.full(spent.shape, np.nan), where=gaps > 0)
    return found


def _streaming(columns: Mapping[str, Array], side: str, stretch: float) -> Streaming:
    tokens = columns[f"{side}_tokens"]
    rate = _log(tokens[..., 2] / (tokens[..., 1] / 1e9))
    return Streaming(
        prefill_ms=_prefill(columns, side, stretch),
        first_token_ms=over_launches(_log(first_ns(tokens) / 1e6), stretch),
        inter_token_ms=_estimate(_log(inter_ns(tokens) / 1e6), stretch),
        tokens_per_s=over_launches(rate, stretch),
        tokens=float(tokens[..., 2].mean()),
    )


def _prefill(columns: Mapping[str, Array], side: str, stretch: float) -> Estimate | None:
    """The first of a component's calls, of the component that is called for every token: the one that reads the prompt."""
    for name, first in columns.items():
        kind, of_side, component = (*name.split(":", 2), "", "")[:3]
        if kind == "first_call" and of_side == side and np.median(columns[f"component:{side}:{component}"]) > 1.5 * np.median(first):
            return over_launches(np.log(first.astype(np.float64) / 1e6), stretch)
    return None


def _log(values: Array) -> Array:
    """log of the median over the calls of each quad, (launches, quads)."""
    with np.errstate(invalid="ignore"):
        return np.log(np.nanmedian(values, axis=-1)) if np.isfinite(values).any(-1).all() else np.full(values.shape[:-1], np.nan)


def _estimate(logs: Array, stretch: float) -> Estimate | None:
    return over_launches(logs, stretch) if np.isfinite(logs).all() else None
