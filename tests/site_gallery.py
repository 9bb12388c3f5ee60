"""A model whose items can be seen, heard and read, and records of it; every word of it is hostile."""

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from types import ModuleType

import msgspec
import numpy as np
from site_cards import model_cards
from site_store import PLANS, SHAPE, put

from suite.contracts import ModelCard, Picture, Sound, Split, Text
from suite.hashing import hash_arrays
from suite.record import Record
from suite.store import Store

NAME = "the_gallery"
ITEMS = 60
EVIL = "<img src=x onerror=alert(1)>"
RATE = 8000


def split(seed: int) -> Split:
    """Pictures, sounds and numbers."""
    rng = np.random.default_rng(seed)
    inputs = {
        "images": rng.integers(0, 256, (ITEMS, 12, 9, 3), dtype=np.uint8),
        "sounds": rng.uniform(-1, 1, (ITEMS, 400)).astype(np.float32),
    }
    return Split(inputs, {"right": np.arange(ITEMS)})


def exhibit(made: Split, index: int) -> tuple[Picture | Sound | Text, ...]:
    """An item in all three ways."""
    sound = Sound(f"sound {EVIL}", made.inputs["sounds"][index], RATE)
    return Picture(f"picture {EVIL}", made.inputs["images"][index]), sound, Text("question", f"{EVIL} number {index}?")


def truths(labels: dict) -> list[str]:
    return [f"truth {number} {EVIL}" for number in labels["right"]]


def answers(labels: dict, predictions: dict) -> list[str]:
    return [f"answer {number} {EVIL}" for number in predictions["prediction"]]


def content(made: Split) -> str:
    """Its name, as `suite.prepare` gives it."""
    return hash_arrays({f"inputs/{n}": a for n, a in made.inputs.items()} | {f"labels/{n}": a for n, a in made.labels.items()})


@contextmanager
def installed(**functions: object) -> Iterator[ModuleType]:
    """The model as a module that can be imported; `functions` take the place of its own, None takes one away."""
    module, name = ModuleType(f"suite.models.{NAME}"), f"suite.models.{NAME}"
    own = {"test": split, "exhibit": exhibit, "truths": truths, "answers": answers} | functions
    module.__dict__.update({key: value for key, value in own.items() if value is not None})
    sys.modules[name] = module
    try:
        yield module
    finally:
        del sys.modules[name]


def cards() -> dict[str, ModelCard]:
    return model_cards() | {NAME: replace(model_cards()["scene_vqa"], name=NAME, title="Gallery")}


def fill(store: Store, variants: int = 3, seed: int = 0) -> list[Record]:
    """The baseline and some variants on the model's own test set."""
    store.prepare()
    return [_own(store, put(store, "scene_vqa", plan, ITEMS, SHAPE), seed) for plan in (*PLANS[:variants], PLANS[9])]


def _own(store: Store, record: Record, seed: int) -> Record:
    columns = store.columns(record)
    (store.folder / f"{record.name}.json").unlink()
    cell = msgspec.structs.replace(record.cell, model=NAME, test_seed=seed)
    origin = msgspec.structs.replace(record.provenance, test_sha256=content(split(seed)))
    return store.put(msgspec.structs.replace(record, cell=cell, provenance=origin), columns)


def gallery_page(site: Path, record: Record) -> Path:
    return site / "record" / f"{record.name}.html"
