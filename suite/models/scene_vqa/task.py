"""The glue of Scene VQA: numpy around a vision call per scene and a fusion call per question."""

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from suite.contracts import Array, Arrays, Run

KINDS = ("exist", "count", "query", "relation", "extreme", "compare")
"""The question types, in the order in which the labels count them. Here, because the worker has this file and numpy alone."""


def pixels(images: "Array") -> "Array":
    """Images uint8 (batch, 64, 64, 3) as float32 (batch, 3, 64, 64) between -1 and 1."""
    return np.ascontiguousarray(images.transpose(0, 3, 1, 2).astype(np.float32) / np.float32(127.5) - np.float32(1))


def size(inputs: "Arrays") -> int:
    """The number of questions."""
    return len(inputs["input_ids"])


def predict(inputs: "Arrays", items: int, run: "Run", advance: Callable[[int], None]) -> "Arrays":
    """Columns `answer` int8 (items,) and `log_probability` float16 (items,), that of the answer."""
    answers, confidences = np.zeros(items, np.int8), np.zeros(items, np.float16)
    seen, embeds = -1, np.zeros(0, np.float32)
    for index in range(items):
        if inputs["scene"][index] != seen:
            seen = int(inputs["scene"][index])
            embeds = run("vision", {"pixel_values": pixels(inputs["images"][seen : seen + 1])})["image_embeds"]
        feed = {"image_embeds": embeds, "input_ids": inputs["input_ids"][index : index + 1]}
        logits = run("fusion", feed)["logits"][0].astype(np.float64)
        answers[index] = logits.argmax()
        confidences[index] = -np.log(np.exp(logits - logits.max()).sum())
        advance(index + 1)
    return {"answer": answers, "log_probability": confidences}


def score(labels: "Arrays", predictions: "Arrays") -> "Arrays":
    """`answer_accuracy` bool (items,): whether the answer is right."""
    given = predictions["answer"]
    return {"answer_accuracy": given == labels["answer"][: len(given)]}


def slices(labels: "Arrays") -> "Mapping[str, Array]":
    """The question type of each item."""
    return {"question type": np.array(KINDS)[labels["kind"]]}


def request(inputs: "Arrays", index: int, run: "Run") -> "Arrays":
    """One image and one question through both components."""
    item = index % size(inputs)
    scene = int(inputs["scene"][item])
    embeds = run("vision", {"pixel_values": pixels(inputs["images"][scene : scene + 1])})["image_embeds"]
    return run("fusion", {"image_embeds": embeds, "input_ids": inputs["input_ids"][item : item + 1]})
