"""Scene VQA: generated images and questions, split by independent random streams."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Final

import numpy as np

from suite.contracts import Picture, Split, Text
from suite.models.scene_vqa.questions import ANSWER, ANSWERS, Question, ask, spell
from suite.models.scene_vqa.task import KINDS
from suite.models.scenes import PUBLISHED, Array, Level, Thing, draw, scene

if TYPE_CHECKING:
    from suite.contracts import Arrays

STREAMS: Final = ("spent", "calibration", "training", "validation", "test")
"""Independent random streams. The first was the test's until scenes were made harder on its account; it is not drawn from any more."""
TEST_SCENES: Final = 400


@dataclass(frozen=True, slots=True)
class Example:
    """A scene, its image, uint8 (64, 64, 3), and questions about it."""

    scene: tuple[Thing, ...]
    image: Array
    questions: list[Question]


def examples(stream: str, seed: int, kinds: Sequence[str] = KINDS, level: Level = PUBLISHED) -> Iterator[Example]:
    """Endless examples, each with a question of each of `kinds`; streams and seeds are independent of one another."""
    rng = np.random.default_rng(np.random.SeedSequence(seed, spawn_key=(STREAMS.index(stream),)))
    while True:
        things = scene(rng, level)
        questions = ask(things, kinds, rng)
        if questions is not None:
            yield Example(things, draw(things, rng, level.noise), questions)


def split(chosen: Sequence[Example]) -> Split:
    """Inputs: `images` uint8 (scenes, 64, 64, 3), `input_ids` int64 (items, 8), `scene` int64 (items,). Labels: `answer`, `kind` int64."""
    questions = [(place, question) for place, example in enumerate(chosen) for question in example.questions]
    inputs = {
        "images": np.stack([example.image for example in chosen]),
        "input_ids": np.array([question.ids() for _, question in questions], np.int64),
        "scene": np.array([place for place, _ in questions], np.int64),
    }
    labels = {
        "answer": np.array([ANSWER[question.answer] for _, question in questions], np.int64),
        "kind": np.array([KINDS.index(question.kind) for _, question in questions], np.int64),
    }
    return Split(inputs, labels)


def take(number: int, stream: str, seed: int, kinds: Sequence[str] = KINDS, level: Level = PUBLISHED) -> list[Example]:
    """The first `number` examples of a stream."""
    source = examples(stream, seed, kinds, level)
    return [next(source) for _ in range(number)]


def test(seed: int) -> Split:
    """2,400 items: a question of each type about each of 400 scenes."""
    return split(take(TEST_SCENES, "test", seed))


def calibration(seed: int, items: int) -> "Arrays":
    """Inputs alone, in distribution those of the end of training: one question each about `items` scenes, the types in turn."""
    drawn = take(items, "calibration", seed)
    return split([replace(example, questions=[example.questions[place % len(KINDS)]]) for place, example in enumerate(drawn)]).inputs


def exhibit(split: Split, index: int) -> tuple[Picture, Text]:
    """The image and the question of an item."""
    inputs = split.inputs
    return Picture("image", inputs["images"][inputs["scene"][index]]), Text("question", spell(inputs["input_ids"][index]))


def truths(labels: "Arrays") -> list[str]:
    """The answer to each item."""
    return [ANSWERS[answer] for answer in labels["answer"]]


def answers(labels: "Arrays", predictions: "Arrays") -> list[str]:
    """The answer that was given to each predicted item."""
    return [ANSWERS[answer] for answer in predictions["answer"]]
