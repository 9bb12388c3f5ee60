"""CIDEr-D gives the published answers, and behaves as its definition says."""

import math

import numpy as np
import pytest

from suite.cider import cider_d


def words(*captions: str) -> list[list[str]]:
    return [caption.split() for caption in captions]


SPEECH = words("a man speaks", "someone speaks", "a man is speaking while a bird is chirping in the background")
RAIN = words("rain is falling hard on a surface")
CANDIDATES = words("a man is speaking", "rain falls")
"""The example of the README of aac-metrics (github.com/Labbeti/aac-metrics), after its tokenizer: it documents 1.3641 and 0.5587."""


def test_documented_scores_are_reproduced():
    scores = cider_d(CANDIDATES, [SPEECH, RAIN])
    assert scores.dtype == np.float64
    assert scores == pytest.approx([1.3641, 0.5587], abs=5e-5)
    assert scores.mean() == pytest.approx(0.9614, abs=5e-5)


def test_the_corpus_gives_the_document_frequencies():
    whole = [SPEECH, RAIN, words("a bird is chirping")]
    alone = cider_d(CANDIDATES[:1], whole[:1], whole)
    assert alone[0] == cider_d([*CANDIDATES, CANDIDATES[0]], whole)[0]
    assert alone[0] != cider_d(CANDIDATES[:1], whole[:1], whole[:2])[0]
    assert cider_d(CANDIDATES[:1], whole[:1]) == 0, "an n-gram that every item has weighs nothing"


def test_the_same_caption_gets_ten_and_another_nothing():
    references = [[[1, 2, 3, 4, 5, 6]], [[7, 8, 9, 10]], [[11, 12, 13, 14, 15]]]
    assert cider_d([item[0] for item in references], references) == pytest.approx(10)
    assert cider_d([references[1][0], [16], []], references).tolist() == [0, 0, 0]
    assert cider_d([], []).shape == (0,)


def test_a_longer_caption_is_penalised_by_a_gaussian():
    """By hand: two items, log 2 the weight of every n-gram; the candidate has the four tokens of its reference and six more."""
    reference, more = ["a", "b", "c", "d"], ["p", "q", "r", "s", "t", "u"]
    score = cider_d([reference + more, ["x"]], [[reference], [["x", "y"]]])[0]
    shared = [(4, 4, 10), (3, 3, 9), (2, 2, 8), (1, 1, 7)]
    cosines = [common / math.sqrt(wanted * given) for common, wanted, given in shared]
    assert score == pytest.approx(10 * math.exp(-(6**2) / (2 * 6**2)) * sum(cosines) / 4)


def test_repeating_a_word_does_not_pay():
    """Counts are clipped to those of the reference: ten times the right word is worse than once."""
    references = [[["red", "circle"]], [["blue", "square"]]]
    once, often = (cider_d([["red"] * times, ["blue"]], references)[0] for times in (1, 10))
    assert often < once / 2


def test_one_item_that_changes_does_not_change_the_others():
    other = cider_d(words("a man is speaking", "rain is falling"), [SPEECH, RAIN])
    assert other[0] == cider_d(CANDIDATES, [SPEECH, RAIN])[0]
    assert other[1] > cider_d(CANDIDATES, [SPEECH, RAIN])[1]


def test_what_cannot_be_compared_is_refused():
    with pytest.raises(ValueError, match="no reference"):
        cider_d(CANDIDATES, [SPEECH, []])
    with pytest.raises(ValueError, match="zip"):
        cider_d(CANDIDATES, [SPEECH])
