"""From log-mel features back to sound, by Griffin and Lim (1984): what a person can listen to of what the model hears."""

from functools import cache
from typing import Any, Final

import numpy as np

from suite.models.audio_visual_digits.mel import FRAMES, HOP, WINDOW, filters, power

Array = np.ndarray[Any, np.dtype[Any]]

ROUNDS: Final = 32
PEAK: Final = 0.8
"""Of the loudest sample."""
SEED: Final = 0
"""Of the phases that the rounds start from."""
LENGTH: Final = HOP * (FRAMES - 1) + WINDOW
"""Samples of a sound, 0.69 s."""


@cache
def _window() -> Array:
    return np.hanning(WINDOW)


@cache
def _overlap() -> Array:
    """The sum of the squared windows at each sample, float64 (LENGTH,), kept from zero where hardly one reaches."""
    whole = np.zeros(LENGTH)
    for frame in range(FRAMES):
        whole[frame * HOP : frame * HOP + WINDOW] += _window() ** 2
    return np.maximum(whole, 0.1)


def _spectra(wave: Array) -> Array:
    """Samples (LENGTH,) to complex spectra (48, 513)."""
    frames = np.lib.stride_tricks.sliding_window_view(wave, WINDOW)[::HOP]
    return np.fft.rfft(frames * _window())


def _wave(spectra: Array) -> Array:
    """The samples (LENGTH,) whose spectra come nearest to these, by least squares."""
    whole = np.zeros(LENGTH)
    for frame, samples in enumerate(np.fft.irfft(spectra, WINDOW)):
        whole[frame * HOP : frame * HOP + WINDOW] += samples * _window()
    wave: Array = whole / _overlap()
    return wave


def magnitudes(features: Array) -> Array:
    """What the spectra of features uint8 (40, 48) can have been, float64 (48, 513): the least power that gives each band its own."""
    bins = np.linalg.pinv(filters()) @ power(features)
    found: Array = np.sqrt(np.maximum(bins, 0)).T
    return found


def resynthesise(features: Array) -> Array:
    """Features uint8 (40, 48) as sound: float32 (15124,) in [-1, 1], at mel.RATE samples a second, of one loudness."""
    wanted = magnitudes(features)
    phases = np.random.default_rng(SEED).random(wanted.shape) * 2 * np.pi
    wave = _wave(wanted * np.exp(1j * phases))
    for _ in range(ROUNDS):
        spectra = _spectra(wave)
        wave = _wave(wanted * spectra / np.maximum(np.abs(spectra), 1e-9))
    samples: Array = (wave * (PEAK / max(np.abs(wave).max(), 1e-9))).astype(np.float32)
    return samples
