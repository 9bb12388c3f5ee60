"""Instructions of single requests. Needs numpy alone.

On an emulated processor the emulator around them counts, in the job `count` of `suite.worker`: `suite/environments/count.c` writes its
counts down whenever this process asks for what no file can be. The classes: `all`; on ARM `fmla` (floating point), `dot` (SDOT, UDOT,
USDOT), `mmla` (int8 matrices), `mlal` and `mull` (SMLAL, SMULL and their unsigned kin); on x86 `vfmadd` (floating point), `vpmaddubsw` and
`vpmaddwd` (pairs of int8 and of int16). Elsewhere the processor's own counter does, in each launch: `retired`.
"""

import gc
import json
import os
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np

from suite import arrays, loading
from suite.errors import CellFailed
from suite.glue import Glue
from suite.loading import SIDES, Array, Arrays, Run
from suite.perf import Counter
from suite.protocol import Job, Progress

Counts = dict[str, list[int]]

REQUESTS, WARM_UP = 3, 2
"""Counted requests, each of other inputs, and those before them: runtimes allocate in their first calls, and Python's interpreter
learns what the glue that both share is fed. The sides take turns, so that they share what it still learns."""
MARK = 0x3FED5EED
"""A descriptor that no process has."""
RETIRED = "instructions:"


def count(job: Job, progress: Progress) -> dict[str, Any]:
    """`counts`: side -> class -> instructions of each request.

    job["counts"] is the file to which the emulator writes. Raises CellFailed if it wrote nothing.
    """
    glue, inputs = loading.glue(job), arrays.load(job["inputs"])
    items = glue.size(inputs)
    runs = [loading.run(job, side) for side in SIDES]
    for index in range(WARM_UP):
        for run in runs:
            glue.module.request(inputs, (REQUESTS + index) % items, run)
    gc.collect()
    gc.disable()
    for index in range(REQUESTS):
        progress(index, REQUESTS, "counting instructions")
        for run in runs:
            mark()
            glue.module.request(inputs, index % items, run)
            mark()
    return {"counts": read(Path(job["counts"]))}


def retired(counter: Counter, glue: Glue, inputs: Arrays, runs: Mapping[str, Run]) -> dict[str, Array]:
    """`instructions:<side>`, int64 (requests,): what the processor counted for each request, in turn on both sides."""
    rows: dict[str, list[int]] = {side: [] for side in SIDES}
    for index in range(REQUESTS):
        for side in SIDES:
            before = counter.read()
            glue.module.request(inputs, index % glue.size(inputs), runs[side])
            rows[side].append(counter.read() - before)
    return {f"{RETIRED}{side}": np.array(counts, np.int64) for side, counts in rows.items()}


def mark() -> None:
    """Has the emulator write down what it counted so far."""
    with suppress(OSError):
        os.lseek(MARK, 0, os.SEEK_SET)


def read(path: Path) -> dict[str, Counts]:
    """Side -> class -> instructions between the two marks of each request. Raises CellFailed."""
    lines = [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()] if path.is_file() else []
    if len(lines) != 2 * REQUESTS * len(SIDES):
        raise CellFailed("invalid_output", f"the emulator wrote {len(lines)} counts for {2 * REQUESTS * len(SIDES)} marks")
    found: dict[str, Counts] = {}
    spans = [{name: after[name] - before.get(name, 0) for name in after} for before, after in zip(lines[::2], lines[1::2], strict=True)]
    for number, side in enumerate(SIDES):
        own = spans[number :: len(SIDES)]
        classes = sorted(name for name in own[-1] if any(span.get(name, 0) for span in own))
        found[side] = {name: [span.get(name, 0) for span in own] for name in classes}
    return found
