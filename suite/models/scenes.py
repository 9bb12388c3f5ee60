"""Scenes of shapes on a plain ground, drawn in integers alone, so that a seed gives the same bytes everywhere.

Geometry lives on a canvas of 256 x 256 points, four to a pixel each way; an image is the mean of its 16 points per pixel.
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from typing import Any, Final

import numpy as np

Array = np.ndarray[Any, np.dtype[Any]]

PIXELS: Final = 64
POINTS: Final = 4
CANVAS: Final = PIXELS * POINTS
COLOURS: Final = {
    "red": (214, 52, 48),
    "green": (58, 168, 70),
    "blue": (58, 84, 220),
    "yellow": (222, 200, 56),
    "purple": (152, 62, 190),
    "cyan": (56, 190, 200),
    "orange": (232, 134, 44),
    "grey": (128, 128, 128),
}
SHAPES: Final = ("circle", "square", "triangle", "diamond", "cross")
SIZES: Final = ("small", "large")

GAP: Final = 6
"""Canvas points that stay free between the circumscribed circles of two objects, and to the border."""
GROUND: Final = (180, 230)
BRIGHTNESS: Final = (180, 300)
"""Factor of an object's colour, in 1/256."""
TINT: Final = 24
"""Greatest shift of each channel of an object's colour."""
COSINES: Final = (1024, 1023, 1018, 1011, 1002, 989, 974)
SINES: Final = (0, 54, 107, 160, 213, 265, 316)
"""1024 cos and 1024 sin of 0, 3, ... 18 degrees."""
REACH: Final = 10
"""Pixels from an object's centre to the edge of its stamp."""


@dataclass(frozen=True, slots=True)
class Level:
    """How hard scenes are to see. Radii are in canvas points; a pixel's noise is the sum of four whole numbers in [-noise, noise]."""

    small: tuple[int, int]
    large: tuple[int, int]
    noise: int


CLEAR: Final = Level((16, 20), (24, 29), 10)
"""What training starts with: noise of a standard deviation of 12."""
PUBLISHED: Final = Level((12, 16), (20, 25), 25)
"""What training ends with and every other split has: smaller objects, and noise of a standard deviation of 29."""


@dataclass(frozen=True, slots=True)
class Thing:
    """An object of a scene: centre and radius in canvas points, angle in steps of 3 degrees, the colour as drawn, attributes as words."""

    x: int
    y: int
    radius: int
    angle: int
    paint: tuple[int, int, int]
    colour: str
    shape: str
    size: str


def _cross(u: Array, v: Array, r: int) -> Array:
    inside: Array = (10 * np.minimum(u, v) <= 3 * r) & (np.maximum(u, v) <= r)
    return inside


INSIDE: Final[dict[str, Callable[[Array, Array, int], Array]]] = {
    "circle": lambda u, v, r: 10000 * (u * u + v * v) <= 92 * 92 * r * r,
    "square": lambda u, v, r: 10 * np.maximum(abs(u), abs(v)) <= 8 * r,
    "triangle": lambda u, v, r: (4 * v <= 3 * r) & (175 * abs(u) <= 95 * (v + r)),
    "diamond": lambda u, v, r: 150 * abs(u) + 100 * abs(v) <= 105 * r,
    "cross": lambda u, v, r: _cross(abs(u), abs(v), r),
}
"""Whether a point, in the object's own rotated coordinates, belongs to a shape of radius r in the same unit."""


@cache
def stamp(shape: str, radius: int, angle: int, phase_x: int, phase_y: int) -> Array:
    """How many of the 16 points of each pixel around an object are inside it: int64 (20, 20, 1); phases are the centre modulo 4."""
    points = 2 * np.arange(-REACH * POINTS, REACH * POINTS, dtype=np.int64) + 1
    dx, dy = points[None, :] - 2 * phase_x, points[:, None] - 2 * phase_y
    cosine, sine = COSINES[abs(angle)], SINES[abs(angle)] * (1 if angle >= 0 else -1)
    inside = INSIDE[shape](cosine * dx + sine * dy, cosine * dy - sine * dx, 2048 * radius)
    cover: Array = inside.reshape(2 * REACH, POINTS, 2 * REACH, POINTS, 1).sum((1, 3), dtype=np.int64)
    return cover


def draw(scene: tuple[Thing, ...], rng: np.random.Generator, noise: int) -> Array:
    """The image of a scene with its noise, uint8 (64, 64, 3)."""
    side = PIXELS + 2 * REACH
    image = np.full((side, side, 3), rng.integers(*GROUND), np.int64)
    for thing in scene:
        column, row = thing.x // POINTS, thing.y // POINTS
        cover = stamp(thing.shape, thing.radius, thing.angle, thing.x % POINTS, thing.y % POINTS)
        patch = image[row : row + 2 * REACH, column : column + 2 * REACH]
        patch[:] = (patch * (16 - cover) + np.array(thing.paint) * cover + 8) // 16
    grain = rng.integers(-noise, noise + 1, (4, PIXELS, PIXELS, 3), dtype=np.int16).sum(0)
    noisy: Array = np.clip(image[REACH:-REACH, REACH:-REACH] + grain, 0, 255)
    return noisy.astype(np.uint8)


def _thing(rng: np.random.Generator, level: Level) -> Thing:
    size = SIZES[rng.integers(2)]
    least, greatest = level.small if size == "small" else level.large
    radius = int(rng.integers(least, greatest + 1))
    low, high = radius + GAP, CANVAS - radius - GAP
    x, y, angle = (int(value) for value in rng.integers((low, low, 1 - len(SINES)), (high, high, len(SINES))))
    colour = list(COLOURS)[rng.integers(len(COLOURS))]
    bright, tint = int(rng.integers(*BRIGHTNESS)), rng.integers(-TINT, TINT + 1, 3)
    red, green, blue = (min(255, max(0, value * bright // 256 + int(shift))) for value, shift in zip(COLOURS[colour], tint, strict=True))
    return Thing(x, y, radius, angle, (red, green, blue), colour, SHAPES[rng.integers(len(SHAPES))], size)


def _apart(one: Thing, other: Thing) -> bool:
    return (one.x - other.x) ** 2 + (one.y - other.y) ** 2 > (one.radius + other.radius + GAP) ** 2


def scene(rng: np.random.Generator, level: Level, objects: tuple[int, int] = (3, 6)) -> tuple[Thing, ...]:
    """Objects that do not touch, as many as lie between the two numbers of `objects`, both included."""
    things: list[Thing] = []
    number = rng.integers(objects[0], objects[1] + 1)
    while len(things) < number:
        thing = _thing(rng, level)
        if all(_apart(thing, other) for other in things):
            things.append(thing)
    return tuple(things)
