"""CIDEr-D (1411.5726): how well a caption agrees with its references, in n-grams weighted by how rare they are.

As the COCO caption evaluation computes it: n-grams of one to four tokens, counts clipped to those of the reference, a Gaussian
penalty on the difference in length, a greatest score of 10.
"""

import math
from collections import Counter
from collections.abc import Hashable, Sequence
from typing import Any, Final

import numpy as np

Caption = Sequence[Hashable]
Ngram = tuple[Hashable, ...]

ORDERS: Final = (1, 2, 3, 4)
SIGMA: Final = 6.0
SCALE: Final = 10.0


def _count(caption: Caption, order: int) -> Counter[Ngram]:
    return Counter(tuple(caption[start : start + order]) for start in range(len(caption) - order + 1))


class _Weights:
    """Inverse document frequencies; a document is the set of all references of one item."""

    def __init__(self, corpus: Sequence[Sequence[Caption]]) -> None:
        documents = ({ngram for caption in item for order in ORDERS for ngram in _count(caption, order)} for item in corpus)
        self.frequency = Counter(ngram for document in documents for ngram in document)
        self.greatest = math.log(len(corpus))

    def vectors(self, caption: Caption) -> list[dict[Ngram, float]]:
        """For each order, n-gram -> its count times its inverse document frequency; one that no document has counts as in one."""
        return [
            {ngram: times * (self.greatest - math.log(max(1, self.frequency[ngram]))) for ngram, times in _count(caption, order).items()}
            for order in ORDERS
        ]


def _cosine(candidate: dict[Ngram, float], reference: dict[Ngram, float]) -> float:
    """The cosine of two vectors, the candidate's clipped to the reference's in the product alone; 0 if either is zero."""
    norms = math.hypot(*candidate.values()) * math.hypot(*reference.values())
    product = sum(min(weight, reference[ngram]) * reference[ngram] for ngram, weight in candidate.items() if ngram in reference)
    return min(1.0, product / norms) if norms else 0.0


def cider_d(
    candidates: Sequence[Caption], references: Sequence[Sequence[Caption]], corpus: Sequence[Sequence[Caption]] | None = None
) -> np.ndarray[Any, np.dtype[np.float64]]:
    """CIDEr-D of each candidate against its references, float64 (items,), from 0 to 10.

    A caption is a sequence of tokens, words or ids. Document frequencies are those of `corpus`, the references of every item of a
    whole split; left out, it is `references`. Raises ValueError if the numbers of candidates and of items with references differ,
    or if an item has no reference.
    """
    if not all(references):
        raise ValueError("an item has no reference to compare its candidate with")
    if not candidates:
        return np.zeros(0)
    weights = _Weights(references if corpus is None else corpus)
    scores = []
    for candidate, several in zip(candidates, references, strict=True):
        given, similarities = weights.vectors(candidate), []
        for reference in several:
            penalty = math.exp(-((len(candidate) - len(reference)) ** 2) / (2 * SIGMA**2))
            pairs = zip(given, weights.vectors(reference), strict=True)
            similarities.append(penalty * sum(_cosine(one, other) for one, other in pairs) / len(ORDERS))
        scores.append(SCALE * sum(similarities) / len(several))
    return np.array(scores)
