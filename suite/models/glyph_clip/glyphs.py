"""The glyphs: which typefaces draw which code points, the bitmaps, their Unicode names and which names count as one answer.

The typefaces are those that matplotlib bundles; DejaVu Serif is for testing alone. Names and categories are those of Unicode 3.2,
which every Python carries, so that the classes never change.
"""

import re
from collections import Counter
from dataclasses import dataclass
from functools import cache
from importlib.util import find_spec
from pathlib import Path
from typing import Any
from unicodedata import ucd_3_2_0 as unicode

import numpy as np
from fontTools.ttLib import TTFont
from PIL import Image, ImageDraw, ImageFont

from suite.models import PADDING

Array = np.ndarray[Any, np.dtype[Any]]

TRAINING = (
    "DejaVuSans",
    "DejaVuSans-Bold",
    "DejaVuSans-Oblique",
    "DejaVuSans-BoldOblique",
    "DejaVuSansMono",
    "DejaVuSansMono-Bold",
    "DejaVuSansMono-Oblique",
    "STIXGeneral",
    "STIXGeneralBol",
    "STIXGeneralItalic",
)
VALIDATION = ("DejaVuSansMono-BoldOblique", "STIXGeneralBolIta")
TEST = ("DejaVuSerif", "DejaVuSerif-Bold", "DejaVuSerif-Italic", "DejaVuSerif-BoldItalic")

CANVAS = 56
"""Side of a bitmap in pixels: no glyph reaches its edge."""
EM = 26
"""Type size in pixels."""
BASELINE = 37
"""Row of the baseline, which every glyph stands on."""
START = 1
"""The token id that a name starts with; words follow from 2 on in alphabetical order."""


@dataclass(frozen=True, slots=True)
class Glyphs:
    """Bitmaps `(n, CANVAS, CANVAS)` uint8, and the class and the font (its position in the fonts asked for) of each, `(n,)` int64."""

    bitmaps: Array
    classes: Array
    fonts: Array

    def where(self, keep: Array) -> "Glyphs":
        """Those glyphs that the boolean mask `keep`, `(n,)`, lets through."""
        return Glyphs(self.bitmaps[keep], self.classes[keep], self.fonts[keep])


def _path(font: str) -> Path:
    spec = find_spec("matplotlib")
    if spec is None or spec.origin is None:
        raise ModuleNotFoundError("matplotlib, whose bundled typefaces are the data of glyph_clip, is not installed", name="matplotlib")
    return Path(spec.origin).parent / "mpl-data" / "fonts" / "ttf" / f"{font}.ttf"


@cache
def _coverage(font: str) -> frozenset[int]:
    with TTFont(_path(font), lazy=True) as file:
        return frozenset(file.getBestCmap())


@cache
def classes() -> tuple[int, ...]:
    """The code points, ascending: letters, numbers, punctuation and symbols in all test fonts and enough of the training fonts.

    Enough is four, two of them STIX: the serifs that are seen in training are all from there. Box drawing and geometric shapes are left
    out, as DejaVu draws them alike with and without serifs.
    """
    seen = Counter(code for font in TRAINING for code in _coverage(font))
    serifs = Counter(code for font in TRAINING if font.startswith("STIX") for code in _coverage(font))
    tested = frozenset.intersection(*map(_coverage, TEST))
    named = (code for code in tested if unicode.name(chr(code), "") and unicode.category(chr(code))[0] in "LNPS")
    return tuple(sorted(code for code in named if seen[code] >= 4 and serifs[code] >= 2 and not 0x2500 <= code <= 0x25FF))


@cache
def glyphs(fonts: tuple[str, ...]) -> Glyphs:
    """Every class as each of the fonts draws it, font by font. Do not write to the arrays: they are shared."""
    bitmaps, drawn, sources = [], [], []
    for source, font in enumerate(fonts):
        face = ImageFont.truetype(_path(font), EM, layout_engine=ImageFont.Layout.BASIC)
        for index, code in enumerate(classes()):
            if code in _coverage(font):
                image = Image.new("L", (CANVAS, CANVAS))
                ImageDraw.Draw(image).text((CANVAS // 2, BASELINE), chr(code), fill=255, font=face, anchor="ms")
                bitmaps.append(np.asarray(image))
                drawn.append(index)
                sources.append(source)
    return Glyphs(np.stack(bitmaps), np.array(drawn, np.int64), np.array(sources, np.int64))


@cache
def unseen(fonts: tuple[str, ...]) -> Glyphs:
    """Those glyphs of the fonts whose bitmap no training font has, pixel for pixel."""
    seen = {bitmap.tobytes() for bitmap in glyphs(TRAINING).bitmaps}
    every = glyphs(fonts)
    return every.where(np.array([bitmap.tobytes() not in seen for bitmap in every.bitmaps]))


@cache
def names() -> Array:
    """Token ids of the Unicode name of each class, a token a word, `(classes, words)` int64."""
    words = [re.findall(r"[A-Z0-9]+", unicode.name(chr(code))) for code in classes()]
    vocabulary = {word: START + 1 + rank for rank, word in enumerate(sorted({word for name in words for word in name}))}
    ids = np.full((len(words), 1 + max(map(len, words))), PADDING, np.int64)
    for row, name in zip(ids, words, strict=True):
        row[: 1 + len(name)] = [START, *(vocabulary[word] for word in name)]
    return ids


@cache
def groups() -> Array:
    """The answer that each class counts as, `(classes,)` int64: the lowest class it is joined to.

    Two classes are joined when a training font draws both with the same bitmap, as it does Latin, Greek and Cyrillic A.
    """
    answers = np.arange(len(classes()))
    training = glyphs(TRAINING)
    first: dict[tuple[int, bytes], int] = {}
    for bitmap, index, font in zip(training.bitmaps, training.classes, training.fonts, strict=True):
        twin = first.setdefault((int(font), bitmap.tobytes()), int(index))
        low, high = sorted((answers[twin], answers[index]))
        answers[answers == high] = low
    return answers


def script(code: int) -> str:
    """The kind of a code point, after the first word of its Unicode name, its block or its category."""
    word = unicode.name(chr(code)).split()[0]
    if word in ("LATIN", "GREEK", "CYRILLIC"):
        return word.capitalize()
    if 0x2190 <= code <= 0x21FF:
        return "arrows"
    return "mathematics" if unicode.category(chr(code)) == "Sm" else "other"


def title(code: int) -> str:
    """A character and its Unicode name, as a person would look it up."""
    return f"{chr(code)} {unicode.name(chr(code))}"
