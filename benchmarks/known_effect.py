"""A known effect is found again: `python benchmarks/known_effect.py`. About an hour; with `--tier quick` ten minutes.

A model timed against itself, as the tier times a cell: the interval of its speed-up must hold 1 in 95 % of the runs. And the same on a
target (benchmarks/plugins) that makes every call of the artifact 5 % longer: the interval must leave 1 out, every time. So that the second
is not left to twenty throws, as many sessions as one likes are drawn from the launches that were recorded. With `--published` from those of
the published records, moved by the delay: half a minute, and nothing is timed. It also says how many of their controls, the uncompressed
model timed against itself, hold 1.
"""

import argparse
import math
from collections import defaultdict
from pathlib import Path

import numpy as np
from sessions import NOMINAL, Array, ready, tolerance, verdict

from suite.contracts import BASELINE
from suite.latency import width
from suite.measure import EFFORT, PRECISE, Effort
from suite.record import Estimate
from suite.statistics import STRETCH, middle, over_launches, quad_log_ratios
from suite.store import Store
from suite.undisturbed import undisturbed

PLUGINS = Path(__file__).resolve().parent / "plugins"
RESULTS = Path(__file__).resolve().parent.parent / "site" / "results"
DELAY = 0.05
SIMULATED = 5000
POWER = 0.99
"""Of sessions with the delay: how many must tell it from none."""

Run = tuple[Estimate, Array, str]
"""The speed-up, the log ratio of each launch, and the grade of the machine."""


def ratios(model: str, target: str, tier: str, runs: int) -> list[Run]:
    """The speed-up of the model's uncompressed self, so many times, each in fresh launches."""
    with ready(model, target=target, tier=tier, plugins=(PLUGINS,)) as session:
        found = (session.speed_up() for _ in range(runs))
        return [(ratio, middle(logs), grade) for ratio, logs, grade in found]


def recorded(found: list[Run]) -> Array:
    """The log ratio of every launch that had its core, of all runs together."""
    launches = np.concatenate([launches for _, launches, _ in found])
    kept: Array = launches[np.isfinite(launches)]
    return kept


def power(launches: Array, effort: Effort, seed: int = 0) -> float:
    """The share of SIMULATED sessions whose interval leaves 1 out on the slow side: their launches are drawn from the recorded ones, as
    many as the tier takes; one that adds launches stops as soon as the interval is narrow."""
    rng, stretch, told = np.random.default_rng(seed), STRETCH if effort.adaptive else 1.0, 0
    for _ in range(SIMULATED):
        drawn = rng.choice(launches, (effort.most, 1))
        found = (over_launches(drawn[:number], stretch) for number in range(effort.fewest, effort.most + 1))
        last = next((ratio for ratio in found if width(ratio) <= PRECISE), None)
        told += (last or over_launches(drawn, stretch)).high < 1
    return told / SIMULATED


def published(target: str) -> dict[tuple[str, str], Array]:
    """Processor and model -> how far each launch of its ranked records lies from the mean of its record: log ratios, made larger by as
    much as the spread about the mean of so few launches is too small."""
    found, store = defaultdict(list), Store(RESULTS)
    for record in store.records():
        if record.cell.target == target and record.latency and record.latency.health and record.latency.health.grade <= "C":
            launches = middle(quad_log_ratios(*undisturbed(store.columns(record))))
            launches = launches[np.isfinite(launches)]
            apart = (launches - launches.mean()) * math.sqrt(len(launches) / (len(launches) - 1))
            found[record.environment.host.partition(",")[0], record.cell.model].append(apart)
    return {where: np.concatenate(of) for where, of in sorted(found.items())}


def controls() -> list[Estimate]:
    """The speed-up of the uncompressed model against itself in every published session that timed it."""
    records = Store(RESULTS).records()
    return [record.latency.speed_up for record in records if record.cell.method == BASELINE and record.latency is not None]


def judge_published(target: str = "x86_cpu_ort") -> None:
    """Prints a row for each processor and model, and whether the full tier has the power on each processor."""
    print(f"{'launches of the records of ' + target:66}{'':>9}{'spread':>9}{'largest':>9}" + "".join(f"{tier:>9}" for tier in EFFORT))
    lowest: dict[str, float] = {}
    for (host, model), launches in published(target).items():
        powers = {tier: power(launches - math.log1p(DELAY), effort) for tier, effort in EFFORT.items()}
        spans = f"{len(launches):9d}{np.std(launches):9.2%}{np.abs(launches).max():9.2%}"
        print(f"{host + ', ' + model:66}{spans}" + "".join(f"{value:9.2%}" for value in powers.values()))
        lowest[host] = min(powers["full"], lowest.get(host, 1.0))
    found = controls()
    furthest = max(abs(each.value - 1) for each in found)
    held, fewest = sum(each.low <= 1 <= each.high for each in found), tolerance(len(found))
    print(f"{len(found)} controls, the furthest {furthest:.1%} from 1")
    verdict({
        f"a control holds 1.0 in {held} of {len(found)} published sessions: {NOMINAL:.0%}, of which {fewest} may be seen by chance":
            held >= fewest,
        **{f"{host}: the full tier tells 5 % in {least:.2%} of sessions, {POWER:.0%}": least >= POWER for host, least in lowest.items()},
    })  # fmt: skip


def row(name: str, found: list[Run]) -> None:
    values, launches = [ratio.value for ratio, _, _ in found], [len(logs) for _, logs, _ in found]
    half, spread = np.median([width(ratio) for ratio, _, _ in found]), np.std(recorded(found), ddof=1)
    grades = "".join(sorted(grade for _, _, grade in found))
    spans = f"{min(values):8.3f}{np.median(values):8.3f}{max(values):8.3f}"
    print(f"{name:20}{len(found):6d}{np.mean(launches):10.1f}{spans}{half:12.2%}{spread:10.2%}  {grades[0]} to {grades[-1]}")


def main() -> None:
    """Prints a row for either, the power of each tier, and whether the claims hold."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--model", default="audio_visual_digits")
    parser.add_argument("--tier", default="full", choices=list(EFFORT))
    parser.add_argument("--runs", type=int, default=100, help="of the model against itself")
    parser.add_argument("--delayed", type=int, default=20, help="runs with the delay")
    parser.add_argument("--published", action="store_true", help="time nothing: the power, from the launches of the published records")
    asked = parser.parse_args()
    if asked.published:
        judge_published()
    same = ratios(asked.model, "x86_cpu_ort", asked.tier, asked.runs)
    slower = ratios(asked.model, "delayed", asked.tier, asked.delayed)
    print(f"{asked.model}, as the {asked.tier} tier times it")
    print(f"{'':20}{'runs':>6}{'launches':>10}{'min':>8}{'median':>8}{'max':>8}{'half width':>12}{'spread':>10}  grades")
    row("against itself", same)
    row("5 % slower", slower)
    held, fewest = sum(ratio.low <= 1 <= ratio.high for ratio, _, _ in same), tolerance(asked.runs)
    told, sure = sum(ratio.high < 1 for ratio, _, _ in slower), power(recorded(slower), EFFORT[asked.tier])
    verdict({
        f"the interval holds 1.0 in {held} of {asked.runs} runs: {NOMINAL:.0%}, of which {fewest} may be seen by chance": held >= fewest,
        f"a delay of 5 % is told from none in {told} of {asked.delayed} runs": told == asked.delayed,
        f"and in {sure:.2%} of {SIMULATED} sessions drawn from their launches, {POWER:.0%}": sure >= POWER,
    })  # fmt: skip


if __name__ == "__main__":
    main()
