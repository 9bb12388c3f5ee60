"""A known effect is found again: `python benchmarks/known_effect.py`. Some minutes.

A model timed against itself: the interval of its speed-up must hold 1 in 95 % of the runs. And the same on a target (benchmarks/plugins)
that makes every call of the artifact 5 % longer: the interval must leave 1 out, every time.
"""

import argparse
from pathlib import Path

import numpy as np
from sessions import NOMINAL, ready, tolerance, verdict

from suite.record import Estimate

PLUGINS = Path(__file__).resolve().parent / "plugins"


def ratios(model: str, target: str, runs: int, launches: int, seconds: float) -> list[Estimate]:
    """The speed-up of the model's uncompressed self, so many times, each in fresh launches."""
    with ready(model, target=target, plugins=(PLUGINS,)) as session:
        return [session.speed_up(launches, seconds) for _ in range(runs)]


def row(name: str, found: list[Estimate]) -> None:
    values = [ratio.value for ratio in found]
    half = np.median([(ratio.high - ratio.low) / 2 for ratio in found])
    print(f"{name:20}{len(found):6d}{min(values):8.3f}{np.median(values):8.3f}{max(values):8.3f}{half:16.2%}")


def main() -> None:
    """Prints a row for either, and whether the claims hold."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--model", default="audio_visual_digits")
    parser.add_argument("--runs", type=int, default=100, help="of the model against itself")
    parser.add_argument("--delayed", type=int, default=20, help="runs with the delay")
    parser.add_argument("--launches", type=int, default=5)
    parser.add_argument("--seconds", type=float, default=0.1, help="timed, of each launch")
    asked = parser.parse_args()
    same = ratios(asked.model, "x86_cpu_ort", asked.runs, asked.launches, asked.seconds)
    slower = ratios(asked.model, "delayed", asked.delayed, asked.launches, asked.seconds)
    print(f"{asked.model}, {asked.launches} launches of {asked.seconds:g} s")
    print(f"{'':20}{'runs':>6}{'min':>8}{'median':>8}{'max':>8}{'half width':>16}")
    row("against itself", same)
    row("5 % slower", slower)
    held, fewest = sum(ratio.low <= 1 <= ratio.high for ratio in same), tolerance(asked.runs)
    told = sum(ratio.high < 1 for ratio in slower)
    verdict({
        f"the interval holds 1.0 in {held} of {asked.runs} runs: {NOMINAL:.0%}, of which {fewest} may be seen by chance": held >= fewest,
        f"a delay of 5 % is told from none in {told} of {asked.delayed} runs": told == asked.delayed,
    })  # fmt: skip


if __name__ == "__main__":
    main()
