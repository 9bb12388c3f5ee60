"""Times an artifact with MLPerf LoadGen beside the suite's own loop, `python -m suite.loadgen`: needs LoadGen, and what a worker needs.

LoadGen (Reddi et al. 2020, 1911.02549) is the load generator of MLPerf Inference. In its scenario SingleStream a request is sent as soon as
the one before it is answered, which is what the suite's timed loop does too: on the same session the two must agree.
"""

import contextlib
import gc
import json
import os
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import mlperf_loadgen

from suite import arrays, loading, timing
from suite.errors import CellFailed
from suite.protocol import Job, Progress, serve

PERCENTILES = (50, 90)
QUADS = 3
"""ABBA quads of blocks at least: two of ours and two of LoadGen's each."""
FEWEST, MOST = 64, 1024
"""Requests of a block: p90 needs 64 of them at a confidence of 0.99."""


@dataclass(frozen=True, slots=True)
class Block:
    """Some requests in a row. ns: their percentiles, in nanoseconds, of each of PERCENTILES. cpu_wall: process CPU time / wall time.

    answers_ns: percentiles of the calls that answer them, by the suite's clock; of our own loop it times nothing else.
    """

    ns: tuple[float, ...]
    cpu_wall: float
    answers_ns: tuple[float, ...]


def crosscheck(job: Job, progress: Progress) -> dict[str, Any]:
    """Both on one loaded artifact, in blocks in the order ABBA, over the requests that LoadGen draws, which are the same in each block.

    `ours_ns` and `loadgen_ns`: of each block the PERCENTILES in nanoseconds, (2 * quads, 2); `answers_ns`: of LoadGen's blocks those of
    the answers alone, of the same shape; `ours_cpu_wall` and `loadgen_cpu_wall`; `calls`: requests of a block.
    """
    elsewhere = _cores()
    loading.stay_on_one_core(int(job["threads"]))
    elsewhere = elsewhere - _cores() or elsewhere
    glue, inputs = loading.glue(job), arrays.load(job["inputs"])
    size = glue.size(inputs)
    call = loading.call(glue.module.request, size, inputs, loading.run(job, "compressed"))
    _, asked = loadgen(call, size, FEWEST, elsewhere)
    budget = int(float(job["seconds"]) * 1e9)
    calls = min(MOST, max(FEWEST, int(budget / (4 * QUADS * ours(call, asked).ns[0]))))
    _, asked = loadgen(call, size, calls, elsewhere)
    mine: list[Block] = []
    theirs: list[Block] = []
    gc.collect()
    gc.disable()
    start = time.monotonic_ns()
    while len(mine) < 2 * QUADS or time.monotonic_ns() - start < budget:
        first = ours(call, asked)
        for _ in range(2):
            block, again = loadgen(call, size, calls, elsewhere)
            theirs.append(block)
            if again != asked:
                raise CellFailed("invalid_output", "LoadGen asked for other requests than before: the two would not be comparable")
        mine += [first, ours(call, asked)]
        progress(time.monotonic_ns() - start, budget, "measuring")
    found: dict[str, Any] = {"calls": calls, "answers_ns": [block.answers_ns for block in theirs]}
    for name, blocks in (("ours", mine), ("loadgen", theirs)):
        found |= {f"{name}_ns": [block.ns for block in blocks], f"{name}_cpu_wall": [block.cpu_wall for block in blocks]}
    return found


def ours(call: timing.Call, asked: list[int]) -> Block:
    """The requests `asked` in the suite's timed loop."""
    wall, cpu = timing.now(), time.process_time_ns()
    times = timing.block(lambda number: call(asked[number]), range(len(asked)), 0)
    spent = time.process_time_ns() - cpu
    ns = places(times)
    return Block(ns, spent / (timing.now() - wall), ns)


def places(times: list[int]) -> tuple[float, ...]:
    """The PERCENTILES as LoadGen has them: the value that so many hundredths lie below."""
    ordered = sorted(times)
    return tuple(float(ordered[len(ordered) * percentile // 100]) for percentile in PERCENTILES)


def loadgen(call: timing.Call, size: int, queries: int, elsewhere: set[int]) -> tuple[Block, list[int]]:
    """A SingleStream test of so many queries over `size` items, and the items that it asked for. Raises CellFailed if it is not valid.

    LoadGen's shortest way is taken: a query comes as two lists of numbers, and what completes it was made before. Its clock starts before
    it calls Python and stops when it is called back. elsewhere: cores for the threads that it starts beside the one that asks. They would
    be born on the core of that one, and take 1.5 to 2.7 % of it from the answers.
    """
    asked: list[int] = []
    answers: list[int] = []
    marks: list[tuple[int, int]] = []
    known = _threads()
    response = mlperf_loadgen.QuerySampleResponse(0, 0, 0)
    responses, complete = [response], mlperf_loadgen.QuerySamplesComplete

    def respond(numbers: list[int], items: list[int]) -> None:
        (response.id,), (item,) = numbers, items
        start = timing.now()
        answer = call(item)
        end = timing.now()
        complete(responses)
        del answer
        answers.append(end - start)
        asked.append(item)

    def mark(*_: object) -> None:
        """Called before the first query and after the last."""
        _send_away(_threads() - known, elsewhere)
        marks.append((timing.now(), time.process_time_ns()))

    with tempfile.TemporaryDirectory() as folder:
        served, library = mlperf_loadgen.ConstructFastSUT(respond, mark), mlperf_loadgen.ConstructQSL(size, size, mark, lambda loaded: None)
        try:
            mlperf_loadgen.StartTestWithLogSettings(served, library, _settings(queries), _logs(folder), "")
        finally:
            mlperf_loadgen.DestroyQSL(library)
            mlperf_loadgen.DestroyFastSUT(served)
        ns = percentiles(Path(folder, "mlperf_log_detail.txt").read_text())
    (wall, cpu), (wall_end, cpu_end) = marks[0], marks[-1]
    return Block(ns, (cpu_end - cpu) / (wall_end - wall), places(answers)), asked


def percentiles(log: str) -> tuple[float, ...]:
    """The PERCENTILES in nanoseconds that LoadGen's detail log gives. Raises CellFailed if it says that its test is not valid."""
    rows = [json.loads(line.removeprefix(":::MLLOG")) for line in log.splitlines() if line.startswith(":::MLLOG")]
    found = {row["key"]: row["value"] for row in rows}
    if found.get("result_validity") != "VALID":
        raise CellFailed("invalid_output", f"LoadGen calls its own test {found.get('result_validity', 'unfinished')}")
    return tuple(float(found[f"result_{percentile:.2f}_percentile_latency_ns"]) for percentile in PERCENTILES)


def _cores() -> set[int]:
    """Those on which this thread may run; LoadGen is for Linux alone."""
    return os.sched_getaffinity(0)


def _threads() -> set[int]:
    """Those of this process, as the system numbers them."""
    return {int(name) for name in os.listdir("/proc/self/task")}


def _send_away(threads: set[int], cores: set[int]) -> None:
    for thread in threads:
        with contextlib.suppress(ProcessLookupError):  # it has ended
            os.sched_setaffinity(thread, cores)


def _settings(queries: int) -> Any:
    settings = mlperf_loadgen.TestSettings()
    settings.scenario, settings.mode = mlperf_loadgen.TestScenario.SingleStream, mlperf_loadgen.TestMode.PerformanceOnly
    settings.min_query_count = settings.max_query_count = queries
    settings.min_duration_ms = 0
    return settings


def _logs(folder: str) -> Any:
    """Logs are written when the test is over, by no thread beside it; no trace, which would be 100 MB in some seconds."""
    logs, output = mlperf_loadgen.LogSettings(), mlperf_loadgen.LogOutputSettings()
    output.outdir, output.copy_summary_to_stdout = folder, False
    logs.log_output, logs.enable_trace, logs.log_mode = output, False, mlperf_loadgen.LoggingMode.EndOfTestOnly
    return logs


if __name__ == "__main__":
    serve({"crosscheck": crosscheck}, "invalid_output")
