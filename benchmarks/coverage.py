"""How often the speed-up's intervals hold the truth, by simulation: `python benchmarks/coverage.py`. About a minute.

A model is timed against itself (true ratio 1). A call takes 1 ms times lognormal noise of 3 %; each launch shifts one side by a
normal draw whose standard deviation is given.
"""

import numpy as np

from suite.statistics import hierarchical_bootstrap, over_launches, quad_log_ratios

RUNS, QUADS, CALLS, NOISE = 400, 5, 12, 0.03


def simulate(rng: np.random.Generator, launches: int, spread: float) -> np.ndarray:
    """Log ratios of one run, shape (launches, quads)."""
    shape = (launches, QUADS, CALLS)
    old, new = (1e6 * rng.lognormal(0.0, NOISE, shape) for _ in range(2))
    return quad_log_ratios(old, new * np.exp(rng.normal(0.0, spread, (launches, 1, 1))))


def main() -> None:
    """Prints a row per number of launches and spread between them."""
    print("launches  spread  Student's t  bootstrap  median half width")
    for launches in (3, 7):
        for spread in (0.0, 0.005, 0.02):
            rng = np.random.default_rng([launches, round(spread * 1000)])
            tables = [simulate(rng, launches, spread) for _ in range(RUNS)]
            student, bootstrap = ([method(table) for table in tables] for method in (over_launches, hierarchical_bootstrap))
            held = [np.mean([found.low <= 1.0 <= found.high for found in side]) for side in (student, bootstrap)]
            width = np.median([(found.high - found.low) / 2 for found in student])
            print(f"{launches:8d}  {spread:6.1%}  {held[0]:11.3f}  {held[1]:9.3f}  {width:17.2%}")


if __name__ == "__main__":
    main()
