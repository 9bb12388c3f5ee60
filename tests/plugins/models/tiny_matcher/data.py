"""Patterns of -1 and 1 with noise of their own for each split and seed."""

import numpy as np

from suite.contracts import Split

NAMES, ITEMS = 32, 700
PATTERNS = np.random.default_rng(5).choice(np.float32([-1, 1]), (NAMES, 64))


def _noisy(stream: int, seed: int, items: int) -> tuple[dict[str, np.ndarray], np.ndarray]:
    rng = np.random.default_rng([stream, seed])
    labels = rng.integers(0, NAMES, items)
    noise = rng.integers(-400, 401, (items, 64)).astype(np.float32) / 100
    return {"pixels": PATTERNS[labels] + noise, "ids": np.arange(NAMES)[:, None]}, labels


def test(seed: int) -> Split:
    """Fewer items than a published model needs, enough for a test."""
    inputs, labels = _noisy(0, seed, ITEMS)
    return Split(inputs, {"name": labels})


def calibration(seed: int, items: int) -> dict[str, np.ndarray]:
    """Inputs alone."""
    return _noisy(1, seed, items)[0]
