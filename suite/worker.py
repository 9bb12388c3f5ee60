"""Runs artifacts on a target, `python -m suite.worker`: needs numpy, the target's runtime, and the model's `task.py`.

Jobs (see `suite.protocol`): `evaluate` writes predictions, `measure` times the artifact against its baseline.
"""

import gc
import importlib
import os
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np

from suite import arrays
from suite.errors import CellFailed
from suite.protocol import Job, Progress, serve

Array = np.ndarray[Any, np.dtype[Any]]
Arrays = Mapping[str, Array]
Run = Callable[[str, Arrays], Arrays]
Call = Callable[[int], object]

REFERENCES = 16
"""Requests whose outputs the timed run must repeat."""
CALLS, DROPPED = 20, 3
"""Timed calls of a block, and those before them that are not timed: each side finds the caches full of the other's weights."""
SLOWEST_BLOCK_S = 0.5
"""Blocks of a model so slow that 20 calls would take longer hold fewer calls (at least 3)."""
TOLERANCE = 1e-3

now = time.perf_counter_ns


def evaluate(job: Job, progress: Progress) -> dict[str, Any]:
    """Predictions of the first `job["items"]` test items, and the outputs of the first requests, into `job["out"]`."""
    task, inputs = _task(job), arrays.load(job["inputs"])
    start = time.perf_counter()
    run = _finite(_runner(job, "compressed").run)
    items = int(job["items"])
    predictions = task.predict(inputs, items, run, lambda done: progress(done, items, "evaluating"))
    references = {
        f"request:{index}:{name}": np.asarray(array)
        for index in range(min(REFERENCES, items))
        for name, array in task.request(inputs, index, run).items()
    }
    arrays.save(job["out"], {f"prediction:{name}": array for name, array in predictions.items()} | references)
    return {"seconds": time.perf_counter() - start}


def measure(job: Job, progress: Progress) -> dict[str, Any]:
    """Wall times of one launch into `job["out"]`: `baseline_ns` and `compressed_ns`, int64 (quads, calls of both blocks)."""
    _stay_on_one_core(int(job["threads"]))
    task, inputs = _task(job), arrays.load(job["inputs"])
    runners = {side: _runner(job, side) for side in ("baseline", "compressed")}
    baseline, compressed = (_request(task, inputs, runners[side].run) for side in ("baseline", "compressed"))
    _check_outputs(job, task, inputs, runners["compressed"].run)
    calls, quads = (int(job["calls"]), int(job["quads"])) if job.get("quads") else (_block_length(baseline, compressed), 0)
    gc.collect()
    gc.disable()
    wall, cpu = now(), time.process_time_ns()
    times = _quads(baseline, compressed, calls, quads, float(job["seconds"]), progress)
    busy = (time.process_time_ns() - cpu) / (now() - wall)
    _check_outputs(job, task, inputs, runners["compressed"].run)
    components = {
        f"component:{side}:{name}": array for side in runners for name, array in _components(task, inputs, runners[side].run).items()
    }
    arrays.save(job["out"], {"baseline_ns": times[0], "compressed_ns": times[1]} | components)
    return {"calls": calls, "quads": len(times[0]), "cpu_wall": busy}


def block(call: Call, indices: range, dropped: int) -> list[int]:
    """Nanoseconds of each call but the first `dropped`. The timed loop: nothing else happens in it."""
    times = []
    for index in indices:
        start = now()
        call(index)
        times.append(now() - start)
    return times[dropped:]


def _quads(baseline: Call, compressed: Call, calls: int, quads: int, seconds: float, progress: Progress) -> tuple[Array, Array]:
    """ABBA blocks: `quads` of them, or (0) as many as fit into `seconds`, at least 3. Both sides answer the same requests."""
    old: list[list[int]] = []
    new: list[list[int]] = []
    end = now() + int(seconds * 1e9)
    while len(old) < (quads or 3) or (not quads and now() < end):
        first = range(len(old) * (calls + DROPPED), (len(old) + 1) * (calls + DROPPED))
        second = range(first.stop, first.stop + calls + DROPPED)
        a, b = block(baseline, first, DROPPED), block(compressed, first, DROPPED)
        b += block(compressed, second, DROPPED)
        old.append(a + block(baseline, second, DROPPED))
        new.append(b)
    progress(len(old), len(old), "measuring")
    return np.array(old, np.int64), np.array(new, np.int64)


def _block_length(*sides: Call) -> int:
    """Calls of a block: CALLS, or fewer for a slow model."""
    slowest = max(np.median(block(side, range(5), 2)) for side in sides)
    return int(np.clip(SLOWEST_BLOCK_S * 1e9 / slowest, 3, CALLS))


def _components(task: ModuleType, inputs: Arrays, run: Run) -> dict[str, Array]:
    """Nanoseconds inside each component over a block of requests, apart from the timed loop so that it stays bare."""
    times: dict[str, list[int]] = {}
    current: dict[str, int] = {}

    def timed(component: str, feed: Arrays) -> Arrays:
        start = now()
        outputs = run(component, feed)
        current[component] = current.get(component, 0) + now() - start
        return outputs

    for index in range(CALLS + DROPPED):
        current.clear()
        task.request(inputs, index, timed)
        if index >= DROPPED:
            for name, spent in current.items():
                times.setdefault(name, []).append(spent)
    return {name: np.array(spent, np.int64) for name, spent in times.items()}


def _request(task: ModuleType, inputs: Arrays, run: Run) -> Call:
    request = task.request
    return lambda index: request(inputs, index, run)


def _check_outputs(job: Job, task: ModuleType, inputs: Arrays, run: Run) -> None:
    """What is timed must answer as what was evaluated did. Raises CellFailed."""
    wanted = {name: array for name, array in arrays.load(job["references"]).items() if name.startswith("request:")}
    for index in sorted({int(name.split(":")[1]) for name in wanted}):
        for name, array in task.request(inputs, index, run).items():
            expected = wanted[f"request:{index}:{name}"]
            if not np.allclose(array, expected, rtol=TOLERANCE, atol=TOLERANCE):
                raise CellFailed("invalid_output", f"the timed run answers request {index} otherwise than the accuracy run did ({name})")


def _finite(run: Run) -> Run:
    def checked(component: str, feed: Arrays) -> Arrays:
        outputs = run(component, feed)
        for name, array in outputs.items():
            if not np.isfinite(array).all():
                raise CellFailed("invalid_output", f"the component {component!r} gave NaN or infinity in {name!r}")
        return outputs

    return checked


def _task(job: Job) -> ModuleType:
    return importlib.import_module(f"suite.models.{job['model']}.task")


def _runner(job: Job, side: str) -> Any:
    runner = importlib.import_module(f"targets.{job['target']}.runner")
    return runner.Runner({name: Path(path) for name, path in job[side].items()}, job["settings"])


def _stay_on_one_core(threads: int) -> None:
    """A single-threaded figure is taken on one core, the last that this process may use; elsewhere than Linux it may wander."""
    if threads == 1 and hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, {max(os.sched_getaffinity(0))})


if __name__ == "__main__":
    serve({"evaluate": evaluate, "measure": measure}, "invalid_output")
