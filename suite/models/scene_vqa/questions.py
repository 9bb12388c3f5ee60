"""Questions about a scene, with answers that are balanced within each question type."""

from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from itertools import permutations
from operator import attrgetter
from typing import Final, TypeVar

import numpy as np

from suite.models.scenes import COLOURS, SHAPES, SIZES, Thing

T = TypeVar("T")
Scene = tuple[Thing, ...]

COLOUR_WORDS = tuple(COLOURS)
FAMILIES: Final = {"colour": COLOUR_WORDS, "shape": SHAPES, "size": SIZES}
ATTRIBUTES: Final = tuple(word for words in FAMILIES.values() for word in words)
EXTREMES: Final = {"leftmost": ("x", 1), "rightmost": ("x", -1), "highest": ("y", 1), "lowest": ("y", -1)}
"""Word -> the coordinate that is least, after its sign."""
RELATIONS: Final = {"left": ("x", 1), "right": ("x", -1), "above": ("y", 1), "below": ("y", -1)}
"""Word -> the coordinate that is smaller for the first object than for the second, after its sign."""

MARGIN: Final = 16
"""Canvas points (a quarter pixel each) between an extreme object and the next, and between two related objects."""
LENGTH: Final = 8
TRIES: Final = 12
PADDING, START = "<padding>", "<answer>"
FRAME: Final = ["is", "there", "a", "how", "many", "objects", "object", "are", "what", "the", "of", "more", "than"]
VOCABULARY: Final = (PADDING, START, *FRAME, *FAMILIES, *EXTREMES, *RELATIONS, *ATTRIBUTES)
TOKEN: Final = {word: token for token, word in enumerate(VOCABULARY)}
ANSWERS: Final = ("yes", "no", *map(str, range(7)), *ATTRIBUTES)
ANSWER: Final = {word: index for index, word in enumerate(ANSWERS)}


@dataclass(frozen=True, slots=True)
class Question:
    """Words that are at most LENGTH - 1, the type of the question, and its answer, a word of ANSWERS."""

    kind: str
    text: tuple[str, ...]
    answer: str

    def ids(self) -> list[int]:
        """LENGTH token ids: the answer token, the words, padding."""
        ids = [TOKEN[START], *(TOKEN[word] for word in self.text)]
        return ids + [TOKEN[PADDING]] * (LENGTH - len(ids))


def spell(ids: Sequence[int]) -> str:
    """A question in words from its token ids: `how many red objects?`"""
    return " ".join(VOCABULARY[token] for token in ids if VOCABULARY[token] not in (PADDING, START)) + "?"


def _pick(rng: np.random.Generator, options: Sequence[T]) -> T:
    return options[int(rng.integers(len(options)))]


def _words(thing: Thing) -> tuple[str, str, str]:
    return thing.size, thing.colour, thing.shape


def _matches(scene: Scene, words: Iterable[str]) -> int:
    wanted = set(words)
    return sum(wanted <= set(_words(thing)) for thing in scene)


def _describe(words: tuple[str, ...]) -> tuple[str, ...]:
    return words if words[-1] in SHAPES else (*words, "object")


def _yes(truth: bool) -> str:
    return "yes" if truth else "no"


def exist(scene: Scene, rng: np.random.Generator) -> Question | None:
    """Is there a large red circle? A no is one attribute away from an object that is there."""
    truth = bool(rng.integers(2))
    for _ in range(TRIES):
        words = list(_words(_pick(rng, scene)))
        if not truth:
            place = int(rng.integers(3))
            words[place] = _pick(rng, (SIZES, COLOUR_WORDS, SHAPES)[place])
        left_out = int(rng.integers(4))
        words = words[:left_out] + words[left_out + 1 :]
        if (_matches(scene, words) > 0) == truth:
            return Question("exist", ("is", "there", "a", *_describe(tuple(words))), _yes(truth))
    return None


def count(scene: Scene, rng: np.random.Generator) -> Question:
    """How many red objects? The number is drawn first, from those that the scene offers, so that small ones do not prevail."""
    counts = Counter(word for thing in scene for word in _words(thing))
    number = _pick(rng, sorted({counts[word] for word in ATTRIBUTES}))
    word = _pick(rng, [word for word in ATTRIBUTES if counts[word] == number])
    return Question("count", ("how", "many", word, "objects"), str(number))


def query(scene: Scene, rng: np.random.Generator) -> Question | None:
    """What colour is the small square? The other attributes, or one of them, name one object."""
    thing = _pick(rng, scene)
    family = _pick(rng, tuple(FAMILIES))
    known = tuple(word for word in _words(thing) if word not in FAMILIES[family])
    words = _pick(rng, (known, known[:1], known[1:]))
    if _matches(scene, words) != 1:
        return None
    return Question("query", ("what", family, "is", "the", *_describe(words)), getattr(thing, family))


def relation(scene: Scene, rng: np.random.Generator) -> Question | None:
    """Is the red left of the circle? Each object is named by an attribute that no other object has."""
    truth, word = bool(rng.integers(2)), _pick(rng, tuple(RELATIONS))
    coordinate, sign = RELATIONS[word]
    named = [(thing, name) for thing in scene for name in _words(thing) if _matches(scene, [name]) == 1]
    place = attrgetter(coordinate)
    pairs = [
        (a, b) for (one, a), (other, b) in permutations(named, 2) if (place(other) - place(one)) * sign * (1 if truth else -1) >= MARGIN
    ]
    if not pairs:
        return None
    first, second = _pick(rng, pairs)
    between = (word, "of") if coordinate == "x" else (word,)
    return Question("relation", ("is", "the", first, *between, "the", second), _yes(truth))


def extreme(scene: Scene, rng: np.random.Generator) -> Question | None:
    """What shape is the leftmost object?"""
    word, family = _pick(rng, tuple(EXTREMES)), _pick(rng, ("colour", "shape"))
    coordinate, sign = EXTREMES[word]
    first, second = sorted(scene, key=lambda thing: sign * getattr(thing, coordinate))[:2]
    if abs(getattr(first, coordinate) - getattr(second, coordinate)) < MARGIN:
        return None
    return Question("extreme", ("what", family, "is", "the", word, "object"), getattr(first, family))


def compare(scene: Scene, rng: np.random.Generator) -> Question | None:
    """Are there more red than blue? A no may be a tie."""
    truth, family = bool(rng.integers(2)), _pick(rng, tuple(FAMILIES))
    counts = Counter(getattr(thing, family) for thing in scene)
    pairs = [(a, b) for a, b in permutations(FAMILIES[family], 2) if (counts[a] > counts[b]) == truth and counts[a] + counts[b] > 0]
    if not pairs:
        return None
    first, second = _pick(rng, pairs)
    return Question("compare", ("are", "there", "more", first, "than", second), _yes(truth))


TYPES: Final[dict[str, Callable[[Scene, np.random.Generator], Question | None]]] = {
    "exist": exist,
    "count": count,
    "query": query,
    "relation": relation,
    "extreme": extreme,
    "compare": compare,
}


def ask(scene: Scene, kinds: Sequence[str], rng: np.random.Generator) -> list[Question] | None:
    """A question of each kind, or None where the scene does not lend itself to one of them."""
    questions: list[Question] = []
    for kind in kinds:
        tries = (TYPES[kind](scene, rng) for _ in range(TRIES))
        question = next((question for question in tries if question is not None), None)
        if question is None:
            return None
        questions.append(question)
    return questions
