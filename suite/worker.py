"""Runs artifacts on a target, `python -m suite.worker`: needs numpy, the target's runtime, and the model's `task.py`.

Jobs (see `suite.protocol`): `evaluate` writes predictions, `measure` times the artifact against its baseline, `answer` writes what
each component answers to a call of its own, `imports` says which libraries the model's glue brings.
"""

import gc
import importlib
import os
import sys
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from suite import arrays, caches, timing
from suite.clock import Clocks
from suite.errors import CellFailed
from suite.glue import Glue
from suite.plugins import Part, model_part
from suite.protocol import Job, Progress, serve

Array = np.ndarray[Any, np.dtype[Any]]
Arrays = Mapping[str, Array]
Run = Callable[[str, Arrays], Arrays]

PARTS: tuple[Part, ...] = ("card", "task")
SIDES = ("baseline", "compressed")
REFERENCES = 16
"""Requests whose outputs the timed run must repeat."""
TOLERANCE = 1e-3


def evaluate(job: Job, progress: Progress) -> dict[str, Any]:
    """Predictions of the first `job["items"]` test items, and the outputs of the first requests, into `job["out"]`."""
    glue, inputs = _glue(job), arrays.load(job["inputs"])
    start = time.perf_counter()
    run = _finite(_run(job, "compressed"))
    items = int(job["items"])
    predictions = glue.predict(inputs, items, run, lambda done: progress(done, items, "evaluating"))
    references = {
        f"request:{index}:{name}": np.asarray(array)
        for index in range(min(REFERENCES, items))
        for name, array in glue.request(inputs, index, run).items()
    }
    arrays.save(job["out"], {f"prediction:{name}": array for name, array in predictions.items()} | references)
    return {"seconds": time.perf_counter() - start}


def measure(job: Job, progress: Progress) -> dict[str, Any]:
    """Wall times of one launch into `job["out"]`: `baseline_ns` and `compressed_ns`, int64 (quads, calls of both blocks).

    Of a model that answers token by token also `baseline_tokens` and `compressed_tokens`, int64 (quads, calls, 3), see
    `timing.token_block`. With a reference target in the job also `reference_ns`, its times for the uncompressed model, and
    `beside_reference_ns`, those of the artifact between them.
    """
    _stay_on_one_core(int(job["threads"]))
    glue, inputs = _glue(job), arrays.load(job["inputs"])
    runs = {side: _run(job, side) for side in SIDES}
    baseline, compressed = (_call(glue.module.request, glue.size(inputs), inputs, runs[side]) for side in SIDES)
    _check_outputs(job, glue, inputs, runs["compressed"])
    calls = int(job.get("calls", 0)) or timing.block_length(float(job["seconds"]), baseline, compressed)
    gc.collect()
    gc.disable()
    clocks, wall, cpu = Clocks(), timing.now(), time.process_time_ns()
    times = timing.abba(timing.block, baseline, compressed, calls, int(job.get("quads", 0)), float(job["seconds"]))
    busy, quads = (time.process_time_ns() - cpu) / (timing.now() - wall), len(times[0])
    clocks.check(np.concatenate(times, axis=None))
    progress(1, 2, "measuring")
    _check_outputs(job, glue, inputs, runs["compressed"])
    found = {"baseline_ns": times[0], "compressed_ns": times[1]}
    if "reference" in job:
        known = _call(glue.module.request, glue.size(inputs), inputs, _run({**job, **job["reference"]}, "baseline"))
        beside = timing.abba(timing.block, known, compressed, calls, max(timing.QUADS, quads // 2), 0.0)
        found["reference_ns"], found["beside_reference_ns"] = beside
    if glue.streams:
        old, new = (_call(glue.module.stream, glue.size(inputs), inputs, runs[side]) for side in SIDES)
        tokens = timing.abba(timing.token_block, old, new, max(timing.FEWEST, calls // 2), timing.QUADS, 0.0)
        found["baseline_tokens"], found["compressed_tokens"] = tokens
    for side in SIDES:
        found |= {f"{kind}:{side}:{name}": array for (kind, name), array in _components(glue, inputs, runs[side]).items()}
    arrays.save(job["out"], found)
    return {"calls": calls, "quads": quads, "cpu_wall": busy}


def answer(job: Job, progress: Progress) -> dict[str, Any]:
    """The outputs of each component for the inputs in `job["calls"]` (`component.tensor`, as in what it writes to `job["out"]`)."""
    run, calls = _finite(_run(job, "compressed")), arrays.load(job["calls"])
    found: dict[str, Array] = {}
    for component in job["compressed"]:
        feed = {name.partition(".")[2]: array for name, array in calls.items() if name.partition(".")[0] == component}
        found |= {f"{component}.{name}": array for name, array in run(component, feed).items()}
    np.savez(job["out"], allow_pickle=False, **found)
    return {}


def imports(job: Job, progress: Progress) -> dict[str, Any]:
    """Libraries besides numpy that reading the model's card and glue loads: a small board does not have them."""
    before = set(sys.modules)
    for part in PARTS:
        model_part(str(job["model"]), part)
    loaded = {name.partition(".")[0] for name in set(sys.modules) - before}
    return {"libraries": sorted(loaded - set(sys.stdlib_module_names) - {"suite", "numpy"})}


def _components(glue: Glue, inputs: Arrays, run: Run) -> dict[tuple[str, str], Array]:
    """Nanoseconds inside each component over a block of requests, apart from the timed loop so that it stays bare.

    ("component", name): all of its calls of a request together. ("first_call", name): the first of them alone.
    """
    times: dict[tuple[str, str], list[int]] = {}
    current: dict[str, list[int]] = {}

    def timed(component: str, feed: Arrays) -> Arrays:
        start = timing.now()
        outputs = run(component, feed)
        current.setdefault(component, []).append(timing.now() - start)
        return outputs

    for index in range(timing.CALLS + timing.DROPPED):
        current.clear()
        glue.request(inputs, index, timed)
        if index >= timing.DROPPED:
            for name, spent in current.items():
                times.setdefault(("component", name), []).append(sum(spent))
                times.setdefault(("first_call", name), []).append(spent[0])
    return {key: np.array(spent, np.int64) for key, spent in times.items()}


def _call(function: Callable[..., Any], size: int, inputs: Arrays, run: Run) -> Callable[[int], Any]:
    """A function of the glue for an item of any index: after the last comes the first again."""
    return lambda index: function(inputs, index % size, run)


def _check_outputs(job: Job, glue: Glue, inputs: Arrays, run: Run) -> None:
    """What is timed must answer as what was evaluated did. Raises CellFailed."""
    wanted = {name: array for name, array in arrays.load(job["references"]).items() if name.startswith("request:")}
    for index in sorted({int(name.split(":")[1]) for name in wanted}):
        for name, array in glue.request(inputs, index, run).items():
            expected = wanted[f"request:{index}:{name}"]
            if np.shape(array) != expected.shape or not np.allclose(array, expected, rtol=TOLERANCE, atol=TOLERANCE):
                raise CellFailed("invalid_output", f"the timed run answers request {index} otherwise than the accuracy run did ({name})")


def _finite(run: Run) -> Run:
    def checked(component: str, feed: Arrays) -> Arrays:
        outputs = run(component, feed)
        for name, array in outputs.items():
            if not np.isfinite(array).all():
                raise CellFailed("invalid_output", f"the component {component!r} gave NaN or infinity in {name!r}")
        return outputs

    return checked


def _glue(job: Job) -> Glue:
    return Glue(model_part(str(job["model"]), "task"))


def _run(job: Job, side: str) -> Run:
    """Calls a component of one side. Of an artifact that keeps caches in types of its own, the first, empty ones are given these."""
    module = importlib.import_module(f"targets.{job['target']}.runner")
    runner: Run = module.Runner({name: Path(path) for name, path in job[side].items()}, job["settings"]).run
    kept = job.get("caches", {}) if side == "compressed" else {}
    if not kept:
        return runner
    return lambda component, feed: runner(component, caches.entered(feed, kept[component]) if component in kept else feed)


def _stay_on_one_core(threads: int) -> None:
    """A single-threaded figure is taken on one core, the last that this process may use; elsewhere than Linux it may wander."""
    if threads == 1 and hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, {max(os.sched_getaffinity(0))})


if __name__ == "__main__":
    serve({"evaluate": evaluate, "measure": measure, "answer": answer, "imports": imports}, "invalid_output")
