"""Numbers to count from. Some labels are wrong, so that nobody can be right everywhere."""

import numpy as np

from suite.contracts import Split

ITEMS, LENGTH = 300, 15


def test(seed: int) -> Split:
    rng = np.random.default_rng([7, seed])
    starts = rng.integers(1, 14, ITEMS)
    wanted = np.array([[*range(start + 1, 16), *[0] * (start - 1), 0][:LENGTH] for start in starts])
    wrong = rng.random(ITEMS) < 0.3
    wanted[wrong, 0] = 1
    return Split({"starts": starts}, {"wanted": wanted})


def calibration(seed: int, items: int) -> dict[str, np.ndarray]:
    return {"starts": np.random.default_rng([8, seed]).integers(1, 14, items)}


def truths(labels):
    return [" ".join(map(str, row[row > 0])) for row in labels["wanted"]]


def answers(labels, predictions):
    return [" ".join(map(str, row[row > 0])) for row in predictions["tokens"]]
