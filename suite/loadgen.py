"""Times an artifact with MLPerf LoadGen beside the suite's own loop, `python -m suite.loadgen`: needs LoadGen, and what a worker needs.

LoadGen (Reddi et al. 2020, 1911.02549) is the load generator of MLPerf Inference. In its scenario SingleStream a request is sent as soon as
the one before it is answered, which is what the suite's timed loop does too: on the same session the two must agree.
"""

import gc
import json
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
    """Some requests in a row. ns: their percentiles, in nanoseconds, of each of PERCENTILES. cpu_wall: process CPU time / wall time."""

    ns: tuple[float, ...]
    cpu_wall: float


def crosscheck(job: Job, progress: Progress) -> dict[str, Any]:
    """Both on one loaded artifact, in blocks in the order ABBA, over the requests that LoadGen draws, which are the same in each block.

    `ours_ns` and `loadgen_ns`: of each block the PERCENTILES in nanoseconds, (2 * quads, 2); `ours_cpu_wall` and `loadgen_cpu_wall`;
    `calls`: requests of a block.
    """
    loading.stay_on_one_core(int(job["threads"]))
    glue, inputs = loading.glue(job), arrays.load(job["inputs"])
    size = glue.size(inputs)
    call = loading.call(glue.module.request, size, inputs, loading.run(job, "compressed"))
    _, asked = loadgen(call, size, FEWEST)
    budget = int(float(job["seconds"]) * 1e9)
    calls = min(MOST, max(FEWEST, int(budget / (4 * QUADS * ours(call, asked).ns[0]))))
    _, asked = loadgen(call, size, calls)
    mine: list[Block] = []
    theirs: list[Block] = []
    gc.collect()
    gc.disable()
    start = time.monotonic_ns()
    while len(mine) < 2 * QUADS or time.monotonic_ns() - start < budget:
        first = ours(call, asked)
        for _ in range(2):
            block, again = loadgen(call, size, calls)
            theirs.append(block)
            if again != asked:
                raise CellFailed("invalid_output", "LoadGen asked for other requests than before: the two would not be comparable")
        mine += [first, ours(call, asked)]
        progress(time.monotonic_ns() - start, budget, "measuring")
    found: dict[str, Any] = {"calls": calls}
    for name, blocks in (("ours", mine), ("loadgen", theirs)):
        found |= {f"{name}_ns": [block.ns for block in blocks], f"{name}_cpu_wall": [block.cpu_wall for block in blocks]}
    return found


def ours(call: timing.Call, asked: list[int]) -> Block:
    """The requests `asked` in the suite's timed loop. Percentiles are those of LoadGen: the value that so many hundredths lie below."""
    wall, cpu = timing.now(), time.process_time_ns()
    times = sorted(timing.block(lambda number: call(asked[number]), range(len(asked)), 0))
    spent = time.process_time_ns() - cpu
    return Block(tuple(float(times[len(times) * percentile // 100]) for percentile in PERCENTILES), spent / (timing.now() - wall))


def loadgen(call: timing.Call, size: int, queries: int) -> tuple[Block, list[int]]:
    """A SingleStream test of so many queries over `size` items, and the items that it asked for. Raises CellFailed if it is not valid."""
    asked: list[int] = []
    marks: list[tuple[int, int]] = []

    def answer(samples: list[Any]) -> None:
        for sample in samples:
            asked.append(sample.index)
            call(sample.index)
            mlperf_loadgen.QuerySamplesComplete([mlperf_loadgen.QuerySampleResponse(sample.id, 0, 0)])

    def mark(*_: object) -> None:
        """Called before the first query and after the last."""
        marks.append((timing.now(), time.process_time_ns()))

    with tempfile.TemporaryDirectory() as folder:
        served, library = mlperf_loadgen.ConstructSUT(answer, mark), mlperf_loadgen.ConstructQSL(size, size, mark, lambda loaded: None)
        try:
            mlperf_loadgen.StartTestWithLogSettings(served, library, _settings(queries), _logs(folder), "")
        finally:
            mlperf_loadgen.DestroyQSL(library)
            mlperf_loadgen.DestroySUT(served)
        ns = percentiles(Path(folder, "mlperf_log_detail.txt").read_text())
    (wall, cpu), (wall_end, cpu_end) = marks[0], marks[-1]
    return Block(ns, (cpu_end - cpu) / (wall_end - wall)), asked


def percentiles(log: str) -> tuple[float, ...]:
    """The PERCENTILES in nanoseconds that LoadGen's detail log gives. Raises CellFailed if it says that its test is not valid."""
    rows = [json.loads(line.removeprefix(":::MLLOG")) for line in log.splitlines() if line.startswith(":::MLLOG")]
    found = {row["key"]: row["value"] for row in rows}
    if found.get("result_validity") != "VALID":
        raise CellFailed("invalid_output", f"LoadGen calls its own test {found.get('result_validity', 'unfinished')}")
    return tuple(float(found[f"result_{percentile:.2f}_percentile_latency_ns"]) for percentile in PERCENTILES)


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
