"""Audio-visual digits: a handwritten digit and the same digit spoken, both in noise, paired and mixed in integers alone.

No floating-point number is involved, so that a seed gives the same bytes on every platform.
"""

from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from suite.contracts import Picture, Sound, Split
from suite.models.audio_visual_digits import hear, mel
from suite.models.audio_visual_digits.task import TEST_VOICES, WORDS

if TYPE_CHECKING:
    from suite.contracts import Arrays

Array = np.ndarray[Any, np.dtype[Any]]

STREAMS: Final = {"calibration": 201, "training": 202, "validation": 203, "test": 204}
"""The spawn key of each random stream; those of the other models are smaller."""
TEST_ITEMS: Final = 2000
ACCENTS: Final = ("American", "Scottish", "Received Pronunciation", "Caribbean")
VOICES: Final = {
    "training": (
        *("f1", "f2", "f3", "f5", "belinda", "Annie", "anika", "grandma", "m1", "m2"),
        *("m3", "m5", "m7", "adam", "david", "edward", "max", "rob", "pablo", "travis"),
    ),
    "validation": ("f4", "Andrea", "boris", "john", "victor"),
    "test": TEST_VOICES,
}
"""espeak-ng's names of the voices of each split."""
IMAGES: Final = {"training": slice(0, 1097), "validation": slice(1097, 1397), "test": slice(1397, 1797)}
"""The handwritten digits of each split, in the order of the collection, in which those of a writer lie together."""
TIMES: Final = 3
"""How much larger a digit is drawn than it was collected, 8 x 8."""
SHIFT: Final = 4
"""Pixels that a digit has to move within its 28 x 28."""
PAPER: Final = (48, 112)
CONTRAST: Final = (55, 140)
"""How much brighter than paper full ink is."""
GRAIN: Final = (45, 125)
"""Noise of an image: about the number of grey levels that its standard deviation has."""
DELAY: Final = 5
"""Frames by which a word comes early or late at most."""
QUIETER: Final = (0, 40)
"""By how much a word is turned down, in steps of its features (3.7 are a decibel)."""
HISS: Final = (85, 158)
"""Level of the noise that a word has to be heard through, in the same steps."""
TILT: Final = 30
"""By how much it rises or falls from the lowest band to the highest, at most."""
RIPPLE: Final = 20
"""Its standard deviation from band to band and frame to frame."""


@cache
def _shipped() -> "dict[str, Array]":
    with np.load(Path(__file__).with_name("data.npz"), allow_pickle=False) as file:
        return dict(file)


@cache
def sounds(part: str) -> Array:
    """Clean features of every voice of a split, accent and digit: uint8 (voices, 4, 10, 40, 48). Not to be written to."""
    return _shipped()[f"{part}_sounds"]


@cache
def images(part: str) -> tuple[Array, ...]:
    """Clean images of a split, those of each digit: uint8 (images, 8, 8) from 0 to 16. Not to be written to."""
    drawn, shown = (_shipped()[name][IMAGES[part]] for name in ("images", "digits"))
    return tuple(drawn[shown == digit] for digit in range(len(WORDS)))


def enlarge(small: Array) -> Array:
    """Images (items, 8, 8) three times as large by linear interpolation, and nine times as bright: int64 (items, 24, 24)."""
    side = small.shape[1]
    place = np.clip(np.arange(TIMES * side) - TIMES // 2, 0, TIMES * (side - 1))
    weights = np.maximum(TIMES - np.abs(place[:, None] - TIMES * np.arange(side)), 0)
    large: Array = weights @ small.astype(np.int64) @ weights.T
    return large


def _noise(rng: np.random.Generator, shape: tuple[int, ...]) -> Array:
    """Sums of four integers, nearly normal with a standard deviation of 256: int32 of that shape."""
    grain: Array = rng.integers(-221, 222, (4, *shape), dtype=np.int16).sum(0, dtype=np.int32)
    return grain


def _between(rng: np.random.Generator, limits: tuple[int, int], items: int) -> Array:
    """Integers within limits, both included: int64 (items, 1, 1)."""
    return rng.integers(limits[0], limits[1] + 1, (items, 1, 1))


def see(small: Array, rng: np.random.Generator) -> Array:
    """Clean images (items, 8, 8) as they are shown, moved, faint and noisy: uint8 (items, 28, 28)."""
    items, side = len(small), TIMES * small.shape[1] + SHIFT
    canvas = np.pad(enlarge(small), ((0, 0), (SHIFT, SHIFT), (SHIFT, SHIFT)))
    down, right = rng.integers(0, SHIFT + 1, (2, items, 1)) + np.arange(side)
    ink = canvas[np.arange(items)[:, None, None], down[:, :, None], right[:, None, :]]
    lit = _between(rng, PAPER, items) + ink * _between(rng, CONTRAST, items) // (16 * TIMES**2)
    noisy: Array = np.clip(lit + (_noise(rng, lit.shape) * _between(rng, GRAIN, items) >> 8), 0, 255)
    return noisy.astype(np.uint8)


def listen(clean: Array, rng: np.random.Generator) -> Array:
    """Clean features (items, 40, 48) as they are heard, moved, quiet and noisy: uint8 of the same shape.

    The power of a sum is nearly the greater of the two powers, and so the logarithm of it.
    """
    items, bands, frames = clean.shape
    padded = np.pad(clean.astype(np.int64), ((0, 0), (0, 0), (DELAY, DELAY)))
    start = rng.integers(0, 2 * DELAY + 1, (items, 1)) + np.arange(frames)
    word = np.take_along_axis(padded, start[:, None, :], 2) - _between(rng, QUIETER, items)
    slope = _between(rng, (-TILT, TILT), items) * (2 * np.arange(bands)[:, None] - bands + 1) // (2 * bands)
    hiss = _between(rng, HISS, items) + slope + (_noise(rng, clean.shape) * RIPPLE >> 8)
    noisy: Array = np.clip(np.maximum(word, hiss), 0, 255)
    return noisy.astype(np.uint8)


def pairs(items: int, stream: str, seed: int) -> Split:
    """Inputs: `images` uint8 (items, 28, 28), `features` uint8 (items, 40, 48). Labels: `digit`, `voice` int64 (items,).

    Every digit comes equally often, in random order; streams and seeds are independent of one another.
    """
    rng = np.random.default_rng(np.random.SeedSequence(seed, spawn_key=(STREAMS[stream],)))
    part = "training" if stream == "calibration" else stream
    digit = rng.integers(0, 2**32, items).argsort(kind="stable") % len(WORDS)
    drawn = [images(part)[shown] for shown in digit]
    small = np.stack([every[rng.integers(len(every))] for every in drawn])
    voice, accent = rng.integers(0, ((len(VOICES[part]),), (len(ACCENTS),)), (2, items))
    inputs = {"images": see(small, rng), "features": listen(sounds(part)[voice, accent, digit], rng)}
    return Split(inputs, {"digit": digit, "voice": voice})


def test(seed: int) -> Split:
    """2,000 pairs of an image and a sound of the same digit, 200 of each."""
    return pairs(TEST_ITEMS, "test", seed)


def calibration(seed: int, items: int) -> "Arrays":
    """Inputs alone, in distribution those of training."""
    return pairs(items, "calibration", seed).inputs


def exhibit(split: Split, index: int) -> tuple[Picture, Sound]:
    """The image of an item, and its sound as far as the features hold it."""
    sound = hear.resynthesise(split.inputs["features"][index])
    return Picture("image", split.inputs["images"][index]), Sound("sound, resynthesised from the features the model hears", sound, mel.RATE)


def truths(labels: "Arrays") -> list[str]:
    """The digit of each item in words."""
    return [WORDS[digit] for digit in labels["digit"]]


def answers(labels: "Arrays", predictions: "Arrays") -> list[str]:
    """The digit that was predicted for each predicted item, in words."""
    return [WORDS[digit] for digit in predictions["digit"]]
