"""The splits of glyph_clip: glyphs under random distortion, as uint8 images, in integer arithmetic from end to end.

No floating-point number is involved, so that neither a compiler nor a maths library can change a byte from one platform to another.
"""

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from suite.contracts import Picture, Split
from suite.models.glyph_clip import SIDE
from suite.models.glyph_clip.glyphs import (
    CANVAS,
    TEST,
    TRAINING,
    VALIDATION,
    Array,
    Glyphs,
    classes,
    glyphs,
    groups,
    names,
    script,
    title,
    unseen,
)

if TYPE_CHECKING:
    from suite.contracts import Arrays

ITEMS = 2000


class Draws:
    """Uniform integers from the raw stream of PCG64, which numpy promises never to change (its distributions may)."""

    def __init__(self, *seed: int) -> None:
        self._bits = np.random.PCG64(seed)

    def integers(self, low: int, high: int, items: int) -> Array:
        """Integers in [low, high], `(items,)` int32."""
        span = np.uint64(high - low + 1)
        drawn: Array = (self._bits.random_raw(items) % span).astype(np.int32)
        return drawn + np.int32(low)

    def sample(self, population: int, items: int) -> Array:
        """Different integers in [0, population), `(items,)` int64."""
        return np.argsort(self._bits.random_raw(population), kind="stable")[:items]

    def noise(self, items: int) -> Array:
        """Sums of four bytes less their mean, nearly normal with standard deviation 148, `(items,)` int32."""
        four = self._bits.random_raw(-(-items // 2)).astype("<u8").view(np.uint8).reshape(-1, 4)
        sums: Array = four.sum(1, dtype=np.int32)[:items]
        return sums - np.int32(510)


@dataclass(frozen=True, slots=True, kw_only=True)
class Distortion:
    """How far a glyph may be distorted: pixels are in 1/256 for `shift`; the others are shares in 1/256."""

    shift: int
    scale: int
    slant: int
    turn: int
    weight: int
    noise: int


MILD = Distortion(shift=640, scale=16, slant=12, turn=12, weight=0, noise=32)
"""What the test, the validation and the calibration images go through."""
STRONG = Distortion(shift=704, scale=36, slant=40, turn=16, weight=200, noise=36)
"""What the training images go through."""


def _sampled(bitmaps: Array, matrix: Array, centre: Array) -> Array:
    """Bilinear samples `(n, SIDE, SIDE)` int32 of bitmaps under affine maps `(n, 2, 2)` about centres `(n, 2)`, in 1/256."""
    grid = np.arange(SIDE, dtype=np.int32) * 2 - (SIDE - 1)
    places: list[Array] = []
    for axis in range(2):
        doubled: Array = matrix[:, axis, 0, None, None] * grid[:, None] + matrix[:, axis, 1, None, None] * grid
        places.append(np.clip((doubled >> 1) + centre[:, axis, None, None], 0, (CANVAS - 1) * 256 - 1))
    (row, down), (column, right) = ((place >> 8, place & 255) for place in places)
    flat, corner = bitmaps.reshape(-1), (np.arange(len(bitmaps), dtype=np.int32)[:, None, None] * CANVAS + row) * CANVAS + column
    above = flat[corner] * (256 - right) + flat[corner + 1] * right
    below = flat[corner + CANVAS] * (256 - right) + flat[corner + CANVAS + 1] * right
    sampled: Array = (above * (256 - down) + below * down) >> 16
    return sampled


def _weighted(images: Array, weight: Array) -> Array:
    """Images whose strokes are bolder (positive weights, `(n,)`, in 1/256 of a pixel) or lighter (negative), int32."""
    padded = np.pad(images, ((0, 0), (0, 1), (0, 1)))
    around = [padded[:, y : y + SIDE, x : x + SIDE] for y in (0, 1) for x in (0, 1)]
    bold, light = np.maximum.reduce(around), np.minimum.reduce(around)
    aim = np.where(weight[:, None, None] > 0, bold, light)
    weighted: Array = images + ((aim - images) * np.abs(weight)[:, None, None] >> 8)
    return weighted


def distort(bitmaps: Array, draws: Draws, limits: Distortion) -> Array:
    """Bitmaps `(n, CANVAS, CANVAS)` uint8 to images `(n, SIDE, SIDE)` uint8: moved, slanted, lit and noisy at random."""
    n = len(bitmaps)
    matrix = np.empty((n, 2, 2), np.int32)
    matrix[:, 0, 0] = 256 + draws.integers(-limits.scale, limits.scale, n)
    matrix[:, 1, 1] = 256 + draws.integers(-limits.scale, limits.scale, n)
    turn = draws.integers(-limits.turn, limits.turn, n)
    matrix[:, 0, 1], matrix[:, 1, 0] = turn, draws.integers(-limits.slant, limits.slant, n) - turn
    centre = (CANVAS - 1) * 128 + draws.integers(-limits.shift, limits.shift, 2 * n).reshape(n, 2)
    images = _sampled(bitmaps, matrix, centre)
    if limits.weight:
        images = _weighted(images, draws.integers(-limits.weight // 2, limits.weight, n))
    ink, paper = draws.integers(150, 255, n)[:, None, None], draws.integers(0, 80, n)[:, None, None]
    amplitude = draws.integers(2, limits.noise, n)[:, None, None]
    noise = draws.noise(images.size).reshape(images.shape) * amplitude >> 8
    lit: Array = paper + (ink - paper) * images // 255 + noise
    return np.clip(lit, 0, 255).astype(np.uint8)


def _split(pool: Glyphs, fonts: tuple[str, ...], draws: Draws, items: int) -> Split:
    chosen = draws.sample(len(pool.classes), items)
    right = pool.classes[chosen]
    labels = {
        "class": right,
        "group": groups(),
        "script": np.array([script(classes()[index]) for index in right]),
        "style": np.array([_style(fonts[font]) for font in pool.fonts[chosen]]),
    }
    return Split({"images": distort(pool.bitmaps[chosen], draws, MILD), "names": names()}, labels)


def _style(font: str) -> str:
    return {"": "Regular", "BoldItalic": "Bold Italic"}.get(style := font.partition("-")[2], style)


def test(seed: int) -> Split:
    """2,000 glyphs of DejaVu Serif, distorted. Inputs: `images` `(2000, 40, 40)` uint8, `names` `(classes, words)` int64.

    Labels: `class` `(2000,)` int64, `group` `(classes,)` int64, `script` and `style` `(2000,)` strings.
    """
    return _split(unseen(TEST), TEST, Draws(seed, 0), ITEMS)


def validation(seed: int) -> Split:
    """As `test`, but every unseen glyph of the validation fonts: what training is tuned to."""
    pool = unseen(VALIDATION)
    return _split(pool, VALIDATION, Draws(seed, 1), len(pool.classes))


def calibration(seed: int, items: int) -> "Arrays":
    """Inputs as `test` has them, `items` images of glyphs of the training fonts."""
    draws = Draws(seed, 2)
    pool = glyphs(TRAINING)
    return {"images": distort(pool.bitmaps[draws.sample(len(pool.classes), items)], draws, MILD), "names": names()}


def exhibit(split: Split, index: int) -> tuple[Picture, ...]:
    """The image of an item."""
    return (Picture("image", split.inputs["images"][index]),)


def truths(labels: "Arrays") -> list[str]:
    """The character of each item and its name. Here, because it takes the typefaces to know which class is which."""
    return _titles(labels["class"])


def answers(labels: "Arrays", predictions: "Arrays") -> list[str]:
    """The character and the name that each predicted item was taken for."""
    return _titles(predictions["best"][:, 0])


def _titles(chosen: Array) -> list[str]:
    every = [title(code) for code in classes()]
    return [every[index] for index in chosen]
