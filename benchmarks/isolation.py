"""A process of its own leaves the figures alone: `python benchmarks/isolation.py`. About a minute; a quiet machine.

The same timed loop runs in a worker, while this process waits for it and shows how far it is, and in this very process; in turn. The two
must agree on p50 and p90. A coordinator that spins while it waits would take the worker's core on a small machine.
"""

import argparse
import gc
import os
from collections.abc import Callable

import numpy as np
from rich.console import Console
from rich.progress import Progress
from sessions import Session, quiet, ready, verdict

from suite import arrays, launch
from suite.executors import local
from suite.protocol import Job

MOST = 0.02
PERCENTILES = (50, 90)


def in_a_worker(job: Job) -> None:
    """As `squeezemark run` does it: a blocking wait, and a bar that moves."""
    with Progress(console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task("measuring", total=None)
        local.run("suite.worker", job, 300, lambda done, total, text: bar.update(task, completed=done, total=total, description=text))


def in_this_process(job: Job) -> None:
    """The worker's own function. It stays on one core and stops the garbage collector: afterwards this process is as it was."""
    cores = os.sched_getaffinity(0)
    try:
        launch.measure(job, quiet)
    finally:
        os.sched_setaffinity(0, cores)
        gc.enable()


def percentiles(session: Session, run: Callable[[Job], None], seconds: float) -> list[float]:
    """Milliseconds of each of PERCENTILES, over the calls of both sides: they are the same model."""
    job = session.job(seconds)
    run(job)
    times = arrays.load(job["out"])
    calls = np.concatenate([times["baseline_ns"], times["compressed_ns"]], axis=None)
    return [float(np.percentile(calls, percentile)) / 1e6 for percentile in PERCENTILES]


def main() -> None:
    """Prints both figures of each percentile, and whether the claim holds."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--model", default="audio_visual_digits")
    parser.add_argument("--repeats", type=int, default=10)
    parser.add_argument("--seconds", type=float, default=2.0, help="of each repeat")
    asked = parser.parse_args()
    found: dict[str, list[list[float]]] = {"worker": [], "in-process": []}
    with ready(asked.model) as session:
        for turn in range(asked.repeats):
            pair = [("worker", in_a_worker), ("in-process", in_this_process)]
            for name, run in pair if turn % 2 else reversed(pair):
                found[name].append(percentiles(session, run, asked.seconds))
    print(f"{session.planned.title}, medians of {asked.repeats} repeats each\n{'':8}{'worker':>12}{'in-process':>12}{'difference':>12}")
    claims = {}
    for percentile, apart, inside in zip(PERCENTILES, np.median(found["worker"], 0), np.median(found["in-process"], 0), strict=True):
        difference = apart / inside - 1
        print(f"p{percentile:<7}{apart:9.3f} ms{inside:9.3f} ms{difference:+12.2%}")
        claims[f"p{percentile} differs by {difference:+.2%}, at most {MOST:.0%}"] = abs(difference) <= MOST
    verdict(claims)


if __name__ == "__main__":
    main()
