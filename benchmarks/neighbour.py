"""The speed-up on a busy core is that of a quiet one: `python benchmarks/neighbour.py`. Some minutes; a quiet machine, for the quiet half.

A spinner takes the measuring core for 3 s, leaves it for 3 s, and so on. The suite measures the same artifact with and without it, in turn,
by its own path and in fresh launches; beside it stands what timing one model after the other gives in the same situation.
"""

import argparse
import contextlib
import math
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context

import numpy as np
from sessions import NOMINAL, Array, Session, neighbour, one_after_the_other, ready, tolerance, verdict

from suite.measure import EFFORT
from suite.record import Estimate
from suite.statistics import STRETCH, over_launches, quad_log_ratios
from suite.undisturbed import undisturbed

MOST = 0.01
SIMULATED = 2000
ON_S = 3.0


def repeat(session: Session, seconds: float, busy: bool) -> tuple[Estimate, Array, tuple[float, float]]:
    """One measurement: its ratio, its quads' log ratios (launches, quads), and the two naive ratios."""
    with neighbour(ON_S) if busy else contextlib.nullcontext():
        latency, columns = session.measure()
        with ProcessPoolExecutor(1, get_context("spawn")) as fresh:
            naive = fresh.submit(one_after_the_other, session.job(seconds), seconds).result()
    return latency.speed_up, quad_log_ratios(*undisturbed(columns)), naive


def simulate(runs: list[Array], truth: float, stretch: float = 1.0, seed: int = 0) -> tuple[int, int]:
    """How many of SIMULATED measurements have an interval that holds the truth, a ratio, as they are and with their bias taken out.

    runs: log ratios of the recorded ones, (launches, quads) each; stretch: as in `suite.statistics.over_launches`. Launches are drawn from
    all of them, and then the quads of each. What is drawn centres on what was recorded, however often it is drawn: the chance error of so
    few launches would be counted as a miss of the interval. So the bias, which is a claim of its own, is taken out.
    """
    rng, launches = np.random.default_rng(seed), [launch[np.isfinite(launch)] for run in runs for launch in run]
    pool = [launch for launch in launches if launch.size]
    bias = float(np.mean([np.median(launch) for launch in pool])) - math.log(truth)
    found = []
    for _ in range(SIMULATED):
        chosen = [pool[index] for index in rng.integers(0, len(pool), len(runs[rng.integers(len(runs))]))]
        quads = min(len(launch) for launch in chosen)
        found.append(over_launches(np.stack([rng.choice(launch, quads) for launch in chosen]), stretch))
    held = [sum(one.low <= truth * math.exp(shift) <= one.high for one in found) for shift in (0.0, bias)]
    return held[0], held[1]


def row(name: str, ratios: list[float], quiet: list[float]) -> tuple[float, float]:
    """Prints range, coefficient of variation and bias against the quiet ratios; returns the last two, as shares."""
    spread, bias = float(np.std(ratios, ddof=1) / np.mean(ratios)), float(np.mean(ratios) / np.mean(quiet) - 1)
    print(f"{name:42}{min(ratios):8.3f}{max(ratios):8.3f}{spread:9.2%}{bias:+9.2%}")
    return spread, bias


def main() -> None:
    """Prints a row per estimate and situation, and whether each claim holds."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--model", default="glyph_clip")
    parser.add_argument("--method", default="dynamic_int8/per_channel")
    parser.add_argument("--tier", default="full", choices=["quick", "full"])
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--seconds", type=float, default=4.0, help="of each model, when they are timed one after the other")
    asked = parser.parse_args()
    found: dict[bool, list[tuple[Estimate, Array, tuple[float, float]]]] = {False: [], True: []}
    with ready(asked.model, asked.method, tier=asked.tier) as session:
        for _ in range(asked.repeats):
            for busy in (False, True):
                found[busy].append(repeat(session, asked.seconds, busy))
    print(f"{session.planned.title}, {asked.repeats} repeats each\n{'':42}{'min':>8}{'max':>8}{'cv':>9}{'bias':>9}")
    values = {busy: [ratio.value for ratio, _, _ in rows] for busy, rows in found.items()}
    row("paired, quiet", values[False], values[False])
    spread, bias = row("paired, beside the neighbour", values[True], values[False])
    for index, name in enumerate(("medians", "means")):
        naive = {busy: [rows[2][index] for rows in found[busy]] for busy in found}
        for busy, where in ((False, "quiet"), (True, "beside the neighbour")):
            row(f"one after the other, {name}, {where}", naive[busy], naive[False])
    truth = math.exp(float(np.mean(np.log(values[False]))))
    held = sum(ratio.low <= truth <= ratio.high for ratio, _, _ in found[True])
    as_it_is, simulated = simulate([logs for _, logs, _ in found[True]], truth, STRETCH if EFFORT[asked.tier].adaptive else 1.0)
    print(f"quiet value {truth:.3f}; intervals beside the neighbour: {', '.join(f'{r.low:.3f}-{r.high:.3f}' for r, _, _ in found[True])}")
    print(f"simulated with their bias left in, {as_it_is / SIMULATED:.1%} hold it")
    verdict({
        f"coefficient of variation {spread:.2%} <= {MOST:.0%}": spread <= MOST,
        f"bias against quiet {bias:+.2%}, at most {MOST:.0%}": abs(bias) <= MOST,
        f"the interval holds the quiet value in {held} of {asked.repeats} repeats, 9 of 10": held >= int(0.9 * asked.repeats),
        f"and in {simulated / SIMULATED:.1%} of {SIMULATED} simulated ones, {NOMINAL:.0%}": simulated >= tolerance(SIMULATED),
    })  # fmt: skip


if __name__ == "__main__":
    main()
