"""How often every published interval, bound and set holds the truth, by simulation: `python benchmarks/coverage.py`. Two minutes.

The truth is known because it is put in. Each line is a figure, a world, what is promised, how often it held in RUNS worlds, and a remark.
Sampling alone moves a coverage of 0.95 by 0.007 either way in 95 % of all simulations. All seeds are fixed.

Latency: a model is timed against itself (true ratio 1), 5 quads of 12 calls a launch. A call takes 1 ms times lognormal noise of 3 %;
each launch shifts one side by a normal draw whose standard deviation is the `spread`.
"""

import functools
from collections.abc import Callable, Iterator

import numpy as np

from suite.letters import told_apart
from suite.paired import bootstrap_difference, mcnemar
from suite.ranks import Speed, accuracy_ranks, speed_ranks
from suite.statistics import (
    STRETCH,
    hierarchical_bootstrap,
    mean,
    order_of_bound,
    over_launches,
    paired_difference,
    percentile_bounds_ms,
    quad_log_ratios,
    ratio_over_launches,
    wilson_counts,
)

RUNS, QUADS, CALLS, NOISE = 4000, 5, 12, 0.03
BOARDS, ROWS, ITEMS = 1000, 20, 1000
FEWEST, MOST, NARROW = 5, 12, 0.01
"""Adaptive launches: from, to, and the half width at which they stop."""

Line = tuple[str, str, float, float, str]


def rng_of(*key: object) -> np.random.Generator:
    """A generator of its own for each world."""
    return np.random.default_rng([*"".join(map(str, key)).encode()])


def holds(found: object, truth: float) -> bool:
    return bool(found.low <= truth <= found.high)


def shares() -> Iterator[Line]:
    """Wilson's interval of a share, over every count that was drawn."""
    for items, share in ((50, 0.5), (600, 0.8), (600, 0.99), (2000, 0.985)):
        counts, times = np.unique(rng_of(items, share).binomial(items, share, RUNS), return_counts=True)
        held = [holds(wilson_counts(int(count), items), share) for count in counts]
        yield "share (Wilson)", f"{items} items, {share}", 0.95, np.average(held, weights=times), ""


def differences() -> Iterator[Line]:
    """Three answers to the same question: Newcombe's interval, the paired bootstrap, and McNemar's test where nothing differs."""
    for items, one, other, agree in ((40, 0.5, 0.35, 0.3), (600, 0.78, 0.80, 0.9), (600, 0.985, 0.98, 0.6), (2000, 0.82, 0.835, 0.9)):
        both = one * other + agree * np.sqrt(one * (1 - one) * other * (1 - other))
        tables = rng_of(items, one).multinomial(items, [both, one - both, other - both, 1 - one - other + both], RUNS)
        sides = [(np.repeat([True, True, False, False], table), np.repeat([True, False, True, False], table)) for table in tables]
        world = f"{items} items, {one} - {other}"
        for name, method in (("difference (Newcombe)", paired_difference), ("difference (paired bootstrap)", bootstrap_difference)):
            found = [method(*pair) for pair in sides]
            width = np.median([(each.high - each.low) / 2 for each in found])
            yield name, world, 0.95, np.mean([holds(each, one - other) for each in found]), f"half width {width:.4f}"
    for differing in (10, 60, 200):
        gained = rng_of("mcnemar", differing).binomial(differing, 0.5, RUNS)
        tests = [mcnemar(np.arange(differing) < count, np.arange(differing) >= count) for count in gained.tolist()]
        for name, p in (("McNemar, exact", [test.exact for test in tests]), ("McNemar, mid-p", [test.mid for test in tests])):
            yield name, f"no difference, {differing} flips", 0.95, np.mean(np.array(p) > 0.05), "not rejected"
    for items in (60, 600):
        gaps = rng_of("degrees", items).beta(0.5, 0.1, (RUNS, items))
        yield "mean of degrees (Student)", f"{items} items, skewed", 0.95, np.mean([holds(mean(gap), 5 / 6) for gap in gaps]), ""


@functools.cache
def timed(launches: int, spread: float, run: str = "") -> np.ndarray:
    """Log ratios, shape (RUNS, launches, quads)."""
    rng, shape = rng_of(launches, spread, run), (RUNS, launches, QUADS, CALLS)
    old, new = (1e6 * rng.lognormal(0.0, NOISE, shape) for _ in range(2))
    return quad_log_ratios(old, new * np.exp(rng.normal(0.0, spread, (RUNS, launches, 1, 1))))


def speed_ups() -> Iterator[Line]:
    """The headline, and the bootstrap that stands beside it."""
    for name, method in (("speed-up (Student)", over_launches), ("speed-up (bootstrap)", hierarchical_bootstrap)):
        for launches in (3, 7):
            for spread in (0.0, 0.005, 0.02):
                found = [method(table) for table in timed(launches, spread)[: RUNS if method is over_launches else RUNS // 4]]
                width = np.median([(each.high - each.low) / 2 for each in found])
                held = np.mean([holds(each, 1.0) for each in found])
                yield name, f"{launches} launches, spread {spread:.2%}", 0.95, held, f"half width {width:.2%}"


def stopped(table: np.ndarray, stretch: float) -> int:
    """How many launches are taken."""
    for launches in range(FEWEST, MOST):
        found = over_launches(table[:launches], stretch)
        if (found.high - found.low) / 2 <= NARROW * found.value:
            return launches
    return MOST


def adaptive() -> Iterator[Line]:
    """Launches are added until the interval is narrow: what is left of its coverage, and what stretching Student's quantile repairs."""
    for stretch in (1.0, STRETCH):
        for spread in (0.0, 0.0025, 0.005, 0.01, 0.015, 0.02):
            tables = timed(MOST, spread, "adaptive")
            counts = [stopped(table, stretch) for table in tables]
            found = [over_launches(table[:count], stretch) for table, count in zip(tables, counts, strict=True)]
            held, remark = np.mean([holds(each, 1.0) for each in found]), f"{np.mean(counts):.1f} launches on average"
            yield f"speed-up, adaptive, x {stretch:.2f}", f"{FEWEST} to {MOST} launches, spread {spread:.2%}", 0.95, held, remark


def ratios() -> Iterator[Line]:
    """Two methods, each timed in a session of its own (Welch)."""
    for one, other, spread, other_spread in ((3, 3, 0.005, 0.005), (7, 7, 0.005, 0.005), (7, 7, 0.0, 0.02), (5, 12, 0.02, 0.005)):
        pairs = zip(timed(one, spread, "one"), timed(other, other_spread, "other"), strict=True)
        held = np.mean([holds(ratio_over_launches(*pair), 1.0) for pair in pairs])
        yield "ratio of speed-ups (Welch)", f"{one}, {other} launches, spread {spread:.2%}, {other_spread:.2%}", 0.95, held, ""
    for spread in (0.0025, 0.01, 0.015):
        tables = [[table[: stopped(table, STRETCH)] for table in timed(MOST, spread, run)] for run in ("one", "other")]
        held = np.mean([holds(ratio_over_launches(*pair, STRETCH), 1.0) for pair in zip(*tables, strict=True)])
        yield f"ratio, adaptive, x {STRETCH:.2f}", f"both 5 to 12 launches, spread {spread:.2%}", 0.95, held, ""


def percentiles() -> Iterator[Line]:
    """The bound of a percentile of a typical launch, and what the pooled order statistic alone would hold."""
    for launches in (5, 12):
        for spread in (0.0, 0.005, 0.02):
            rng = rng_of("percentile", launches, spread)
            noise = np.exp(np.abs(rng.normal(0, NOISE, (RUNS, launches, 6, 25))))
            runs, truth = noise * np.exp(rng.normal(0, spread, (RUNS, launches, 1, 1))), np.percentile(noise, [50, 90])
            found = [percentile_bounds_ms(run * 1e6) for run in runs]
            pooled = np.sort(runs.reshape(RUNS, -1), axis=1)
            for name, value in zip((50, 90), truth, strict=True):
                held = np.mean([bounds[f"p{name}"] >= value for bounds in found])
                alone = np.mean(pooled[:, order_of_bound(pooled.shape[1], name) - 1] >= value)
                yield f"bound of p{name}", f"{launches} launches, spread {spread:.2%}", 0.99, held, f"pooled calls alone {alone:.3f}"


def boards() -> Iterator[Line]:
    """Equal methods that share most answers: is the truly best (the first: none is better) among the best, is any pair told apart?"""
    worlds = [rng_of("board", board) for board in range(BOARDS)]
    shared = [rng.random(ITEMS) < 0.8 for rng in worlds]
    answers = [
        np.where(rng.random((ROWS, ITEMS)) < 0.1, rng.random((ROWS, ITEMS)) < 0.8, of) for rng, of in zip(worlds, shared, strict=True)
    ]
    world = f"{ROWS} equal rows, {ITEMS} items"
    yield "the best is of rank 1", world, 0.95, np.mean([accuracy_ranks(board)[0] == 1 for board in answers]), ""
    alone = [all(mcnemar(board[0], other).exact > 0.05 or board[0].sum() > other.sum() for other in board[1:]) for board in answers]
    yield "the same, not corrected", world, 0.95, np.mean(alone), "each pair at 5 %"
    yield "tie letters: no pair told apart", world, 0.95, np.mean([not told_apart(board).any() for board in answers]), ""
    near = [rng.random((ROWS, ITEMS)) + rng.random(ITEMS) for rng in worlds]
    yield "the same, of degrees", world, 0.95, np.mean([not told_apart(board).any() for board in near]), ""
    for launches in (3, 7):
        tables = timed(launches, 0.005, "board")[: RUNS // ROWS * ROWS].reshape(-1, ROWS, launches, QUADS)
        speeds = [[Speed(over_launches(table), launches) for table in board] for board in tables]
        held = np.mean([speed_ranks(board, 0.0)[row] == 1 for board in speeds for row in range(ROWS)])
        yield "the fastest is of rank 1", f"{ROWS} equal rows, {launches} launches", 0.95, held, "no margin"


FIGURES: tuple[Callable[[], Iterator[Line]], ...] = (shares, differences, speed_ups, adaptive, ratios, percentiles, boards)


def main() -> None:
    """Prints a line for each figure and world."""
    print(f"{'figure':32}  {'world':44}  promised   held  remark")
    for figure in FIGURES:
        for name, world, promised, held, remark in figure():
            print(f"{name:32}  {world:44}  {promised:8.2f}  {held:5.3f}  {remark}".rstrip(), flush=True)


if __name__ == "__main__":
    main()
