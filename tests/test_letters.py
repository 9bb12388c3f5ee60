"""Two rows share a letter exactly if they cannot be told apart, whatever the pairs."""

import numpy as np
import pytest
from scipy import stats
from test_ranks import alike

from suite import letters
from suite.letters import display, tie_letters, told_apart


def symmetric(pairs, rows):
    apart = np.zeros((rows, rows), bool)
    for one, other in pairs:
        apart[one, other] = apart[other, one] = True
    return apart


@pytest.mark.parametrize("chance", [0.0, 0.1, 0.5, 0.9, 1.0])
@pytest.mark.parametrize("seed", range(6))
def test_a_letter_is_shared_by_exactly_those_that_tie(seed, chance):
    """Whatever is told apart, be it ever so far from transitive."""
    rng = np.random.default_rng(seed)
    apart = np.triu(rng.random((11, 11)) < chance, 1)
    apart |= apart.T
    found = display(apart)
    shared = [[bool(set(one) & set(other)) for other in found] for one in found]
    assert np.array_equal(np.array(shared), ~apart)


def test_the_display_that_piepho_expects():
    assert display(symmetric([], 3)) == ("a", "a", "a")
    assert display(symmetric([(0, 1), (0, 2), (1, 2)], 3)) == ("a", "b", "c")
    assert display(symmetric([(0, 2), (0, 3), (1, 3)], 4)) == ("a", "ab", "bc", "c")
    assert display(symmetric([(0, 7), (1, 7), (1, 5), (3, 7)], 8)) == ("ab", "a", "abc", "ab", "abc", "bc", "abc", "c")


def test_no_letter_is_superfluous():
    """Without the sweep, the ring of five would need more groups than it has ties."""
    found = display(~symmetric([(0, 1), (1, 2), (2, 3), (3, 4), (4, 0)], 5) & ~np.eye(5, dtype=bool))
    assert len(set("".join(found))) == 5
    assert all(len(letters) == 2 for letters in found)


def test_many_rows_and_tangled_ties_get_none():
    found = tie_letters([np.ones(9, bool)] * 101)
    assert found == "no tie letters: they are made for up to 100 rows, whose pairs are few enough to be told apart after the correction"
    apart = symmetric([(2 * pair, 2 * pair + 1) for pair in range(12)], 24)  # 4,096 groups
    assert display(apart) is None
    assert display(~np.eye(53, dtype=bool)) is None, "there are 52 letters"
    assert tie_letters([]) == "no tie letters: nothing was answered"


def test_pairs_are_told_apart_by_holm_s_procedure():
    answers = alike(np.random.default_rng(2), 14, 500, churn=0.3)
    answers[:5] &= np.random.default_rng(3).random((5, 500)) < np.linspace(0.75, 0.95, 5)[:, None]
    first, second = np.triu_indices(14, 1)
    p = [
        stats.binomtest(int(np.sum(answers[i] & ~answers[j])), int(np.sum(answers[i] != answers[j]))).pvalue
        for i, j in zip(first, second, strict=True)
    ]
    adjusted = np.maximum.accumulate(np.sort(p) * np.arange(len(p), 0, -1))
    wanted = np.zeros(len(p), bool)
    wanted[np.argsort(p)] = adjusted <= 0.05
    assert np.array_equal(told_apart(answers)[first, second], wanted)
    assert 5 < wanted.sum() < len(p)


def test_degrees_are_told_apart_by_their_differences():
    rng = np.random.default_rng(4)
    base = rng.random(300)
    scores = np.stack([base, base + rng.normal(0, 0.01, 300), base - 0.02 + rng.normal(0, 0.01, 300), base])
    assert tie_letters(list(scores)) == ("a", "a", "b", "a")
    assert tie_letters([np.array([0.2]), np.array([0.4])]) == ("a", "a"), "one item has no spread"


def test_equal_rows_are_seldom_told_apart():
    """On 5 boards of 100 at most is any pair of ten equal rows; without Holm's correction on nearly all."""
    boards = [alike(np.random.default_rng([11, board]), 10, 400, churn=0.2) for board in range(200)]
    assert np.mean([told_apart(board).any() for board in boards]) <= 0.05
    assert np.mean([(letters._p_of_shares(board) <= 0.05).any() for board in boards]) > 0.5
