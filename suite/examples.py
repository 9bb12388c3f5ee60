"""Items of a test set as a person would take them in: what a compressed model forgot, and what it got right that the baseline did not.

The items come from the model's own data, as long as those are, byte for byte, the test set that the records name.
"""

import io
import os
import wave
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

import msgspec
import numpy as np

from suite.contracts import ModelCard, Picture, Skip, Sound, Text
from suite.evidence import Evidence
from suite.pages import slug
from suite.record import Record
from suite.testsets import Source, Words, of_model, said, short
from suite.wording import say

Array = np.ndarray[Any, np.dtype[Any]]

FORGOTTEN, GAINED = 6, 3
"""How many examples a record's page shows of each kind."""
PIXELS = 512
"""A picture with a longer side is shown at every second pixel, or every third."""
SECONDS = 20
THINGS = 4
"""No more of an item is shown than this."""

MULTIPLIER = 2654435769
"""2^32 over the golden ratio: multiples of it, modulo 2^32, spread evenly however many are taken (Knuth, 6.4)."""


@dataclass(frozen=True, slots=True)
class Shown:
    """A part of an item. file: below the folder of the examples; of a text, none. width, height: of a picture, in pixels."""

    kind: Literal["picture", "sound", "text"]
    title: str
    file: str | None = None
    text: str = ""
    width: int = 0
    height: int = 0


@dataclass(frozen=True, slots=True)
class Example:
    """An item, and in words what is right, what the baseline said and what the artifact said; None where the model has no words."""

    item: int
    things: tuple[Shown, ...]
    truth: str | None
    before: str | None
    after: str | None


@dataclass(frozen=True, slots=True)
class Examples:
    """Of one record. reason: why there is nothing to show."""

    forgotten: tuple[Example, ...] = ()
    gained: tuple[Example, ...] = ()
    reason: str | None = None


class _Exhibit(msgspec.Struct, frozen=True):
    """Of one item."""

    shown: tuple[Shown, ...]
    files: dict[str, bytes]


@dataclass
class Gallery:
    """Finds examples, record by record. A test set is made, or read from the working folder of a run, once it is needed, and once.

    files: what the pages refer to, by the path below the folder of the examples. room: a folder in which processes of one build leave each
    other what a model showed of an item, which may take it longer than a page.
    """

    models: Mapping[str, ModelCard]
    work: Path | None = None
    room: Path | None = None
    files: dict[str, bytes] = field(default_factory=dict)
    _sources: dict[tuple[str, int], Source | Skip] = field(default_factory=dict)
    _shown: dict[tuple[str, int], tuple[Shown, ...]] = field(default_factory=dict)
    _baseline: tuple[str, Mapping[str, Array]] | None = None

    def of(self, record: Record, baseline: Record, evidence: Evidence) -> Examples:
        """The examples of a record beside its baseline, both on the same items."""
        new, old = (evidence.samples[of.name].hits for of in (record, baseline))
        if new is None or old is None or not new.dtype == old.dtype == np.bool_:
            return Examples(reason=say("By its metric an item is not simply right or wrong, so none can be said to be forgotten."))
        lost, gained = chosen(old & ~new, FORGOTTEN), chosen(new & ~old, GAINED)
        if not lost and not gained:
            return Examples(reason=say("Not one item changed sides."))
        source = self._source(record)
        if isinstance(source, Skip):
            return Examples(reason=source.reason)
        try:
            told = source.words(sorted({*lost, *gained}), self._before(baseline, evidence), evidence.predictions(record))
            forgotten, learnt = (tuple(self._example(source, told, item) for item in items) for items in (lost, gained))
        except Exception as error:  # the model's own functions, given what may be anybody's columns
            return Examples(reason=say("The model's own functions could not show them: {error}.", error=said(error)))
        if told is None and not any(example.things for example in (*forgotten, *learnt)):
            return Examples(reason=say("The model has neither exhibit() nor words for its items, so there is nothing to show of them."))
        return Examples(forgotten, learnt)

    def _before(self, baseline: Record, evidence: Evidence) -> Mapping[str, Array]:
        """The predictions of a baseline, which one record after the other is held against."""
        if self._baseline is None or self._baseline[0] != baseline.name:
            self._baseline = baseline.name, evidence.predictions(baseline)
        return self._baseline[1]

    def _example(self, source: Source, told: Words | None, item: int) -> Example:
        key = source.folder, item
        if key not in self._shown:
            made = self._left(source, item)
            self._shown[key] = made.shown
            self.files.update(made.files)
        truth, before, after = (short(texts[item]) for texts in told) if told else (None, None, None)
        return Example(item, self._shown[key], truth, before, after)

    def _left(self, source: Source, item: int) -> _Exhibit:
        """What a model shows of an item: as another process has left it, or made now."""
        place = self.room / f"{slug(source.folder)}-{item}" if self.room else None
        if place is not None and place.is_file():
            return msgspec.msgpack.decode(place.read_bytes(), type=_Exhibit)
        things = source.data.exhibit(source.split, item) if hasattr(source.data, "exhibit") else ()
        files: dict[str, bytes] = {}
        shown = tuple(_thing(thing, f"{source.folder}/{item}-{n}", files) for n, thing in enumerate(things[:THINGS]))
        made = _Exhibit(shown, files)
        if place is not None:
            part = place.with_name(f"{place.name}.{os.getpid()}")
            with suppress(OSError):  # then the others make it themselves
                part.write_bytes(msgspec.msgpack.encode(made))
                part.replace(place)
        return made

    def _source(self, record: Record) -> Source | Skip:
        """The test set of a record, or why it is not to be had."""
        model, seed, sha256 = record.cell.model, record.cell.test_seed, record.provenance.test_sha256
        if model not in self.models:
            return Skip(say("The model is not part of this installation, so its test items cannot be shown again."))
        if (model, seed) not in self._sources:
            self._sources[model, seed] = of_model(self.work, model, seed, sha256)
        found = self._sources[model, seed]
        if isinstance(found, Source) and found.sha256 != sha256:
            return Skip(say("The test set that the model makes today is not the one of this record, so its items cannot be shown again."))
        return found


def _thing(thing: object, stem: str, files: dict[str, bytes]) -> Shown:
    """A part of an item as a page shows it; its file is put among the others. Raises TypeError for what is none."""
    if isinstance(thing, Picture):
        pixels = _fitting(thing.pixels)
        files[f"{stem}.png"] = png(pixels)
        return Shown("picture", short(thing.title), f"{stem}.png", width=pixels.shape[1], height=pixels.shape[0])
    if isinstance(thing, Sound):
        files[f"{stem}.wav"] = wav(thing)
        return Shown("sound", short(thing.title), f"{stem}.wav")
    if isinstance(thing, Text):
        return Shown("text", short(thing.title), text=short(thing.text))
    raise TypeError(f"exhibit() gives a {type(thing).__name__}, not a Picture, a Sound or a Text")


def chosen(changed: Array, most: int) -> list[int]:
    """At most so many of the items that `changed`, bool (items,), marks, in ascending order.

    Every item has a fixed place in an even spread; the first come. So two records show the same items where they can.
    """
    items = np.flatnonzero(changed)
    places = items.astype(np.uint64) * np.uint64(MULTIPLIER) % np.uint64(1 << 32)
    return sorted(int(item) for item in items[np.argsort(places, kind="stable")[:most]])


def _fitting(pixels: Array) -> Array:
    """Raises ValueError for what is not a picture."""
    if pixels.dtype != np.uint8 or pixels.ndim not in (2, 3) or pixels.shape[2:] not in ((), (3,)) or not pixels.size:
        raise ValueError(f"pixels of the type {pixels.dtype} and the shape {pixels.shape}")
    step = -(-max(pixels.shape[:2]) // PIXELS)
    return pixels[::step, ::step]


def png(pixels: Array) -> bytes:
    """A picture as a PNG file; uint8 (height, width) or (height, width, 3)."""
    from PIL import Image

    file = io.BytesIO()
    Image.fromarray(np.ascontiguousarray(pixels)).save(file, "PNG", optimize=True)
    return file.getvalue()


def wav(sound: Sound) -> bytes:
    """A sound as a WAV file, 16 bit, its first SECONDS."""
    samples = np.asarray(sound.samples, np.float64)[: SECONDS * sound.rate]
    if samples.ndim != 1 or not np.isfinite(samples).all():
        raise ValueError(f"samples of the shape {samples.shape}, or not finite")
    whole = np.round(np.clip(samples, -1, 1) * 32767).astype("<i2")
    file = io.BytesIO()
    with wave.open(file, "wb") as out:
        out.setnchannels(1)
        out.setsampwidth(2)
        out.setframerate(sound.rate)
        out.writeframes(whole.tobytes())
    return file.getvalue()
