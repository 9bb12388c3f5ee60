"""A picture of what a model is asked: the pictures, and the shapes of the sounds, of items spread over its test split."""

from pathlib import Path
from typing import Any

import numpy as np

from suite.contracts import ModelCard, Picture, Sound
from suite.errors import PlugInError
from suite.glue import Glue
from suite.plugins import model_part

Array = np.ndarray[Any, np.dtype[Any]]

ITEMS, COLUMNS = 12, 6
SIDE, GAP = 128, 8


def draw(card: ModelCard, path: Path) -> Path:
    """Writes a PNG sheet of ITEMS items. Raises PlugInError if the model shows nothing that can be drawn."""
    from PIL import Image

    data = model_part(card.name, "data")
    if not hasattr(data, "exhibit"):
        raise PlugInError("model", card.name, "it has no exhibit(), so there is no sample input to draw")
    split = data.test(0)
    size = Glue(model_part(card.name, "task")).size(split.inputs)
    chosen = np.linspace(0, size - 1, min(ITEMS, size)).astype(int)
    shown = [[tile for thing in data.exhibit(split, int(index)) if (tile := _tile(thing)) is not None] for index in chosen]
    if not any(shown):
        raise PlugInError("model", card.name, "what its exhibit() shows is neither a picture nor a sound")
    Image.fromarray(_sheet([np.concatenate(tiles, 0) for tiles in shown if tiles])).save(path)
    return path


def _tile(thing: object) -> Array | None:
    """A square of SIDE pixels, uint8 (side, side, 3)."""
    if isinstance(thing, Picture):
        return _fit(thing.pixels if thing.pixels.ndim == 3 else np.repeat(thing.pixels[..., None], 3, 2))
    return _wave(thing.samples) if isinstance(thing, Sound) else None


def _fit(pixels: Array) -> Array:
    """Enlarged without smoothing, in the middle of a square."""
    scale = max(1, SIDE // max(pixels.shape[:2]))
    large = pixels.repeat(scale, 0).repeat(scale, 1)[:SIDE, :SIDE]
    tile = np.full((SIDE, SIDE, 3), 255, np.uint8)
    top, left = ((SIDE - length) // 2 for length in large.shape[:2])
    tile[top : top + large.shape[0], left : left + large.shape[1]] = large
    return tile


def _wave(samples: Array) -> Array:
    """The outline of a sound: how loud it is from left to right."""
    tile = np.full((SIDE, SIDE, 3), 255, np.uint8)
    loud = [float(np.abs(part).max()) if part.size else 0.0 for part in np.array_split(samples, SIDE)]
    for column, peak in enumerate(loud):
        half = int(peak / (max(loud) or 1.0) * (SIDE // 2 - 2))
        tile[SIDE // 2 - half : SIDE // 2 + half + 1, column] = (40, 90, 150)
    return tile


def _sheet(tiles: list[Array]) -> Array:
    """Tiles (height, width, 3) of one height, in rows of COLUMNS."""
    height, width = max(tile.shape[0] for tile in tiles), SIDE
    rows = -(-len(tiles) // COLUMNS)
    sheet = np.full((rows * (height + GAP) + GAP, min(COLUMNS, len(tiles)) * (width + GAP) + GAP, 3), 235, np.uint8)
    for place, tile in enumerate(tiles):
        y, x = GAP + place // COLUMNS * (height + GAP), GAP + place % COLUMNS * (width + GAP)
        sheet[y : y + tile.shape[0], x : x + width] = tile
    return sheet
