"""The glue of glyph_clip: zero-shot classification (2103.00020), the name nearest to each image among all names."""

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from suite.contracts import Array, Arrays, Run

BEST = 5


def pixels(images: "Array") -> "Array":
    """Images `(n, 40, 40)` uint8 as the vision component takes them, `(n, 1, 40, 40)` float32 in [0, 1]."""
    return images[:, None].astype(np.float32) / np.float32(255)


def size(inputs: "Arrays") -> int:
    """How many images there are."""
    return len(inputs["images"])


def predict(inputs: "Arrays", items: int, run: "Run", advance: Callable[[int], None]) -> "Arrays":
    """Columns `best`, the classes of the five nearest names, `(items, 5)` int16, and `score`, the nearest's cosine, float16."""
    texts = np.concatenate([run("text", {"input_ids": name[None]})["text_embeds"] for name in inputs["names"]])
    best, score = np.empty((items, BEST), np.int16), np.empty(items, np.float16)
    for index in range(items):
        cosines = texts @ run("vision", {"pixel_values": pixels(inputs["images"][index, None])})["image_embeds"][0]
        best[index] = np.argsort(-cosines, kind="stable")[:BEST]
        score[index] = cosines[best[index, 0]]
        advance(index + 1)
    return {"best": best, "score": score}


def score(labels: "Arrays", predictions: "Arrays") -> "Arrays":
    """Whether the right answer is the nearest name (`recall_at_1`), and whether it is among the five nearest (`recall_at_5`)."""
    best = predictions["best"]
    right = labels["group"][best] == labels["group"][labels["class"][: len(best)], None]
    return {"recall_at_1": right[:, 0], "recall_at_5": right.any(1)}


def slices(labels: "Arrays") -> "Mapping[str, Array]":
    """The script of each glyph, and the style of the typeface."""
    return {"script": labels["script"], "style": labels["style"]}


def request(inputs: "Arrays", index: int, run: "Run") -> "Arrays":
    """Embeds an image and a name, which have nothing to do with each other: `image_embeds` and `text_embeds`, `(1, 128)` each."""
    image = inputs["images"][index % len(inputs["images"]), None]
    name = inputs["names"][index % len(inputs["names"]), None]
    return {**run("vision", {"pixel_values": pixels(image)}), **run("text", {"input_ids": name})}
