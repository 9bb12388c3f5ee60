"""Log-mel features, 40 bands of 48 frames, as bytes: from sound, and what the bytes mean."""

from functools import cache
from typing import Any, Final

import numpy as np

Array = np.ndarray[Any, np.dtype[Any]]

RATE: Final = 22050
"""Samples a second: what espeak-ng speaks at."""
WINDOW: Final = 1024
HOP: Final = 300
"""Samples between two frames, 13.6 ms; 48 frames are 0.7 s, room for the longest word."""
BANDS: Final = 40
FRAMES: Final = 48
RANGE_HZ: Final = (60.0, 8000.0)
FLOOR: Final = 0.01
"""Power that is added to every band, so that silence has a logarithm."""
NATS: Final = 16.0
"""How far above the logarithm of FLOOR a byte of 255 is."""


def _mel(hertz: float) -> float:
    return float(2595 * np.log10(1 + hertz / 700))


@cache
def filters() -> Array:
    """Triangular filters of height 1, evenly spaced and half overlapping on the mel scale (HTK's formula): float64 (40, 513)."""
    edges = 700 * (10 ** (np.linspace(_mel(RANGE_HZ[0]), _mel(RANGE_HZ[1]), BANDS + 2) / 2595) - 1)
    low, middle, high = edges[:-2, None], edges[1:-1, None], edges[2:, None]
    bins = np.arange(WINDOW // 2 + 1) * RATE / WINDOW
    triangles: Array = np.maximum(0, np.minimum((bins - low) / (middle - low), (high - bins) / (high - middle)))
    return triangles


def log_mel(wave: Array) -> Array:
    """Samples in [-1, 1] at RATE, silence around them or not, to features uint8 (40, 48) from the first sample above 1 % on."""
    length = HOP * (FRAMES - 1) + WINDOW
    heard = wave[np.argmax(np.abs(wave) > 0.01) :][:length]
    padded = np.pad(heard, (0, length - len(heard)))
    frames = np.lib.stride_tricks.sliding_window_view(padded, WINDOW)[::HOP] * np.hanning(WINDOW)
    power = np.abs(np.fft.rfft(frames)) ** 2
    nats = np.log(power @ filters().T + FLOOR) - np.log(FLOOR)
    features: Array = np.clip(np.rint(nats / NATS * 255), 0, 255).astype(np.uint8).T
    return features


def power(features: Array) -> Array:
    """The power of each band and frame that features uint8 (40, 48) stand for, float64 (40, 48)."""
    found: Array = np.maximum(FLOOR * np.exp(features / 255 * NATS) - FLOOR, 0)
    return found
