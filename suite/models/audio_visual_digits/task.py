"""The glue of audio-visual digits: numpy around one vision, one audio and one fusion call per item."""

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from suite.contracts import Array, Arrays, Run

WORDS = ("zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine")
"""The digits in words. Here, because the worker has this file and numpy alone."""
TEST_VOICES = ("linda", "aunty", "steph", "Michael", "paul", "quincy")
"""espeak-ng's names of the voices of the test split, in the order in which the labels count them."""


def _signed(values: "Array") -> "Array":
    """Bytes (batch, height, width) as float32 (batch, 1, height, width) between -1 and 1."""
    signed: Array = values[:, None].astype(np.float32) / np.float32(127.5) - np.float32(1)
    return signed


def feeds(inputs: "Arrays", chosen: slice) -> dict[str, dict[str, "Array"]]:
    """What the towers are fed for the chosen items: `pixel_values` (batch, 1, 28, 28), `input_features` (batch, 1, 40, 48), float32."""
    return {
        "vision": {"pixel_values": _signed(inputs["images"][chosen])},
        "audio": {"input_features": _signed(inputs["features"][chosen])},
    }


def size(inputs: "Arrays") -> int:
    """The number of pairs of an image and a sound."""
    return len(inputs["images"])


def request(inputs: "Arrays", index: int, run: "Run") -> "Arrays":
    """The scores of the ten digits for one pair: `logits` float32 (1, 10)."""
    item = index % size(inputs)
    embeds: dict[str, Array] = {}
    for tower, feed in feeds(inputs, slice(item, item + 1)).items():
        embeds |= run(tower, feed)
    return {"logits": run("fusion", embeds)["logits"]}


def predict(inputs: "Arrays", items: int, run: "Run", advance: Callable[[int], None]) -> "Arrays":
    """Columns `digit` int8 (items,) and `probability` float16 (items,), that of the digit."""
    digits, probabilities = np.zeros(items, np.int8), np.zeros(items, np.float16)
    for index in range(items):
        logits = request(inputs, index, run)["logits"][0].astype(np.float64)
        digits[index] = logits.argmax()
        probabilities[index] = 1 / np.exp(logits - logits.max()).sum()
        advance(index + 1)
    return {"digit": digits, "probability": probabilities}


def score(labels: "Arrays", predictions: "Arrays") -> "Arrays":
    """Whether each digit is right: `top_1` bool (items,)."""
    given = predictions["digit"]
    return {"top_1": given == labels["digit"][: len(given)]}


def slices(labels: "Arrays") -> "Mapping[str, Array]":
    """The digit, in words, and the voice that says it."""
    return {"digit": np.array(WORDS)[labels["digit"]], "voice": np.array(TEST_VOICES)[labels["voice"]]}
