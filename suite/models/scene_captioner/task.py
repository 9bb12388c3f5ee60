"""The glue of the scene captioner: numpy around one vision call per image and one decoder call per token."""

from collections.abc import Callable, Iterator, Mapping
from typing import TYPE_CHECKING

import numpy as np

from suite.cider import cider_d

if TYPE_CHECKING:
    from suite.contracts import Array, Arrays, Run

PADDING, START, END = 0, 1, 2
VOCABULARY = (
    *("[padding]", "[start]", "[end]", ","),
    *("small", "large"),
    *("red", "green", "blue", "yellow", "purple", "cyan", "orange", "grey"),
    *("circle", "square", "triangle", "diamond", "cross"),
)
"""Words by token id. Here, because the worker has this file and numpy alone."""
OBJECTS = (2, 4)
"""Fewest and most objects of a scene."""
LENGTH = 4 * OBJECTS[1]
"""Tokens of the longest caption, the end token included: three words an object, and a comma or the end."""
CACHE = (16, 64)
"""Layers x heads of the decoder, and the width of a head."""


def pixels(images: "Array") -> "Array":
    """Images uint8 (batch, 64, 64, 3) as float32 (batch, 3, 64, 64) between -1 and 1."""
    return np.ascontiguousarray(images.transpose(0, 3, 1, 2).astype(np.float32) / np.float32(127.5) - np.float32(1))


def size(inputs: "Arrays") -> int:
    """The number of images."""
    return len(inputs["images"])


def _decode(inputs: "Arrays", index: int, run: "Run") -> "Iterator[tuple[int, Array]]":
    """Greedy decoding of one image: each token id with the logits, float32 (vocabulary,), that it is the greatest of.

    The first decoder call reads the image and the start token; each later one reads the last token alone, and the cache.
    """
    item = index % size(inputs)
    embeds = run("vision", {"pixel_values": pixels(inputs["images"][item : item + 1])})["image_embeds"]
    cache = {name: np.zeros((1, CACHE[0], 0, CACHE[1]), np.float32) for name in ("past_keys", "past_values")}
    token = START
    for _ in range(LENGTH):
        outputs = run("decoder", {"image_embeds": embeds, "input_ids": np.array([[token]], np.int64), **cache})
        logits = outputs["logits"][0]
        token = int(logits.argmax())
        yield token, logits
        if token == END:
            return
        embeds, cache = embeds[:, :0], {"past_keys": outputs["keys"], "past_values": outputs["values"]}


def predict(inputs: "Arrays", items: int, run: "Run", advance: Callable[[int], None]) -> "Arrays":
    """Columns `tokens` int8 (items, 16), padded, and `log_probability` float16 (items,), the mean over the caption's tokens."""
    tokens, confidences = np.zeros((items, LENGTH), np.int8), np.zeros(items, np.float16)
    for index in range(items):
        chosen = []
        for place, (token, logits) in enumerate(_decode(inputs, index, run)):
            tokens[index, place] = token
            scores = logits.astype(np.float64)
            chosen.append(-np.log(np.exp(scores - scores.max()).sum()))
        confidences[index] = np.mean(chosen)
        advance(index + 1)
    return {"tokens": tokens, "log_probability": confidences}


def stream(inputs: "Arrays", index: int, run: "Run") -> "Iterator[Array]":
    """The caption of one image token by token: each id, int64 (1,), as soon as it is known."""
    for token, _ in _decode(inputs, index, run):
        yield np.array([token], np.int64)


def request(inputs: "Arrays", index: int, run: "Run") -> "Arrays":
    """The caption of one image: `tokens` int64 (length,), the end token included, and the `logits` float32 (length, 19) behind them."""
    tokens, logits = zip(*_decode(inputs, index, run), strict=True)
    return {"tokens": np.array(tokens, np.int64), "logits": np.stack(logits)}


def _lengths(tokens: "Array") -> "Array":
    """Tokens up to the end token, that included; of a caption without one, all of them. Int64 (items,)."""
    ends = tokens == END
    lengths: Array = np.where(ends.any(1), ends.argmax(1) + 1, tokens.shape[1])
    return lengths


def captions(tokens: "Array") -> list[list[int]]:
    """The words of each caption as token ids, without the end token."""
    return [[int(token) for token in row[:length] if token != END] for row, length in zip(tokens, _lengths(tokens), strict=True)]


def score(labels: "Arrays", predictions: "Arrays") -> "Arrays":
    """Each of the captions by three metrics, shape (items,).

    `exact_match` bool: every token is right. `token_accuracy` float64: places at which both captions have the same token, the end
    token included, divided by the length of the longer one. `cider` float64: CIDEr-D against the one reference; document
    frequencies are those of all references of the split.
    """
    given = predictions["tokens"].astype(np.int64)
    wanted = labels["caption"][: len(given)]
    longer = np.maximum(_lengths(given), _lengths(wanted))
    within = np.arange(given.shape[1]) < np.minimum(_lengths(given), _lengths(wanted))[:, None]
    hits = ((given == wanted) & within).sum(1)
    corpus = [[caption] for caption in captions(labels["caption"])]
    cider = cider_d(captions(given), corpus[: len(given)], corpus)
    return {"exact_match": hits == longer, "token_accuracy": hits / longer, "cider": cider}


def slices(labels: "Arrays") -> "Mapping[str, Array]":
    """How many objects the caption of each item names."""
    return {"caption length": np.array([f"{number} objects" for number in _lengths(labels["caption"]) // 4])}
