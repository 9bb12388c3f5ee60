"""Scene captioner: generated images and their captions, split by independent random streams."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING, Final

import numpy as np

from suite.contracts import Picture, Split
from suite.models.scene_captioner.task import END, LENGTH, OBJECTS, PADDING, VOCABULARY, captions
from suite.models.scenes import Array, Level, Thing, draw, scene

if TYPE_CHECKING:
    from suite.contracts import Arrays

STREAMS: Final = {"calibration": 101, "training": 102, "validation": 103, "test": 104}
"""The spawn key of each random stream; the streams of Scene VQA have smaller ones."""
TEST_ITEMS: Final = 2000
MARGIN: Final = 16
"""Canvas points (a quarter pixel each) that lie at least between the centres of two neighbours, so that their order can be seen."""
LEVEL: Final = Level(small=(16, 20), large=(24, 29), noise=10)
"""How hard the scenes of every split are to see: noise of a standard deviation of 12."""
TOKEN: Final = {word: token for token, word in enumerate(VOCABULARY)}


@dataclass(frozen=True, slots=True)
class Example:
    """A scene, its objects from left to right, and its image, uint8 (64, 64, 3)."""

    scene: tuple[Thing, ...]
    image: Array

    def ids(self) -> list[int]:
        """LENGTH token ids: `large red circle , small blue square [end]` and padding."""
        words = [TOKEN[word] for thing in self.scene for word in (thing.size, thing.colour, thing.shape, ",")]
        words[-1] = END
        return words + [PADDING] * (LENGTH - len(words))


def examples(stream: str, seed: int) -> Iterator[Example]:
    """Endless examples of two to four objects; streams and seeds are independent of one another."""
    rng = np.random.default_rng(np.random.SeedSequence(seed, spawn_key=(STREAMS[stream],)))
    while True:
        things = tuple(sorted(scene(rng, LEVEL, OBJECTS), key=lambda thing: thing.x))
        if all(right.x - left.x >= MARGIN for left, right in pairwise(things)):
            yield Example(things, draw(things, rng, LEVEL.noise))


def take(number: int, stream: str, seed: int) -> list[Example]:
    """The first `number` examples of a stream."""
    source = examples(stream, seed)
    return [next(source) for _ in range(number)]


def split(chosen: Sequence[Example]) -> Split:
    """Inputs: `images` uint8 (items, 64, 64, 3). Labels: `caption` int64 (items, 16), padded."""
    images = np.stack([example.image for example in chosen])
    return Split({"images": images}, {"caption": np.array([example.ids() for example in chosen], np.int64)})


def test(seed: int) -> Split:
    """2,000 images, each of a scene of its own."""
    return split(take(TEST_ITEMS, "test", seed))


def calibration(seed: int, items: int) -> "Arrays":
    """Inputs alone, in distribution those of training."""
    return split(take(items, "calibration", seed)).inputs


def exhibit(split: Split, index: int) -> tuple[Picture, ...]:
    """The image of an item."""
    return (Picture("image", split.inputs["images"][index]),)


def _words(tokens: Array) -> list[str]:
    return [" ".join(VOCABULARY[token] for token in caption).replace(" ,", ",") for caption in captions(tokens)]


def truths(labels: "Arrays") -> list[str]:
    """The caption of each item: `large red circle, small blue square`."""
    return _words(labels["caption"])


def answers(labels: "Arrays", predictions: "Arrays") -> list[str]:
    """The caption that was given to each predicted item."""
    return _words(predictions["tokens"])
