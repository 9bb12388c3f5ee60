"""Makes `data.npz`: `python -m suite.models.audio_visual_digits.make_data`. The suite never imports this; it ships what this makes.

Needs espeak-ng (the shipped file comes from 1.51, on Linux x86-64) and scikit-learn (any version: its digits never change). The same
espeak-ng gives the same arrays. Nothing random is left to it: the speed and pitch of each word come from a seed.
"""

import shutil
import subprocess
from importlib import import_module
from pathlib import Path
from typing import Final

import numpy as np

from suite.models.audio_visual_digits.data import ACCENTS, VOICES
from suite.models.audio_visual_digits.mel import RATE, Array, log_mel
from suite.models.audio_visual_digits.task import WORDS

ACCENT_CODES: Final = {"American": "en-us", "Scottish": "en-gb-scotland", "Received Pronunciation": "en-gb-x-rp", "Caribbean": "en-029"}
SPEED: Final = (140, 200)
"""Words a minute."""
PITCH: Final = (25, 75)
"""On espeak-ng's scale from 0 to 99."""
STEP: Final = 4
"""Features are multiples of it, a decibel: finer steps would double the file and drown in the noise."""
SEED: Final = 0
HEADER: Final = 44
"""Bytes of a WAV header."""


def speak(word: str, accent: str, voice: str, speed: int, pitch: int) -> Array:
    """A word as espeak-ng says it, samples float64 in [-1, 1) at RATE. Raises CalledProcessError if it does not know the voice."""
    command = ["espeak-ng", "-v", f"{ACCENT_CODES[accent]}+{voice}", "-s", str(speed), "-p", str(pitch), "--stdout", word]
    wav = subprocess.run(command, capture_output=True, check=True).stdout
    if int.from_bytes(wav[24:28], "little") != RATE:
        raise ValueError(f"espeak-ng speaks at {int.from_bytes(wav[24:28], 'little')} samples a second, not {RATE}")
    return np.frombuffer(wav[HEADER:], "<i2") / 32768


def sounds(voices: tuple[str, ...], rng: np.random.Generator) -> Array:
    """Features of every voice, accent and digit: uint8 (voices, 4, 10, 40, 48)."""
    spoken = [
        log_mel(speak(word, accent, voice, int(rng.integers(*SPEED)), int(rng.integers(*PITCH))))
        for voice in voices
        for accent in ACCENTS
        for word in WORDS
    ]
    return (np.stack(spoken) // STEP * STEP).reshape(len(voices), len(ACCENTS), len(WORDS), *spoken[0].shape)


def digits() -> tuple[Array, Array]:
    """The images of load_digits in their order, uint8 (1797, 8, 8) from 0 to 16, and what they show, uint8 (1797,)."""
    found = import_module("sklearn.datasets").load_digits()
    return found.images.astype(np.uint8), found.target.astype(np.uint8)


def main(path: Path) -> None:
    """Writes the file. Raises SystemExit if a tool is missing."""
    if shutil.which("espeak-ng") is None:
        raise SystemExit("espeak-ng, which speaks the digits, is not installed: apt-get install espeak-ng")
    try:
        images, shown = digits()
    except ModuleNotFoundError:
        raise SystemExit("scikit-learn, which has the handwritten digits, is not installed: pip install scikit-learn") from None
    rng = np.random.default_rng(SEED)
    spoken = {f"{split}_sounds": sounds(voices, rng) for split, voices in VOICES.items()}
    np.savez_compressed(path, allow_pickle=False, images=images, digits=shown, **spoken)


if __name__ == "__main__":
    main(Path(__file__).with_name("data.npz"))
