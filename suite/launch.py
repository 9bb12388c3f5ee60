"""One launch of the worker in which both sides take turns: job `measure`. Needs numpy, the runtime and the model's glue."""

import gc
from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

import numpy as np

from suite import arrays, breakdown, counting, footprint, gpu, loading, meters, timing
from suite.clock import Clocks
from suite.errors import CellFailed
from suite.facts import Unreadable
from suite.glue import Glue
from suite.loading import SIDES, Array, Arrays, Call, Run
from suite.perf import Counter
from suite.protocol import Job, Progress
from suite.watch import Watch

TOLERANCE = 1e-3
CHECKED = 8
"""Requests that are answered before and after the timed loop, and must be answered as in the accuracy run."""
FRESH = 8
"""Requests of the probe for memories: each is new to the process, and repeated at once."""
ATTEMPTS = 3
FROM_MEMORY = 0.5
"""An answer that takes less than this share of the fastest first one was not worked out: processors' caches save some per cent."""


def measure(job: Job, progress: Progress) -> dict[str, Any]:
    """What `_measure` does, with the processor's counter of instructions open, if there is one, before any thread that answers starts."""
    try:
        with Counter() as counter:
            return _measure(job, progress, counter, None)
    except Unreadable as reason:
        return _measure(job, progress, None, str(reason))


def _measure(job: Job, progress: Progress, counter: Counter | None, uncounted: str | None) -> dict[str, Any]:
    """Wall times of one launch into `job["out"]`: `baseline_ns` and `compressed_ns`, int64 (quads, calls of both blocks), and which of
    these calls were interrupted: `baseline_cut` and `compressed_cut`, bool.

    Of a model that answers token by token also `baseline_tokens` and `compressed_tokens`, int64 (quads, calls, 3), see
    `timing.token_block`. With a reference target in the job also `reference_ns`, its times for the uncompressed model, and
    `beside_reference_ns`, those of the artifact between them. `repeat_ns`: see `_probe`. What `suite.watch` saw:
    of the timed loop of both sides, and of all after it. What `suite.meters` and, with a counter, `counting.retired` counted; uncounted:
    why there is none. Raises CellFailed.
    """
    loading.stay_on_one_core(int(job["threads"]))
    glue, inputs = loading.glue(job), arrays.load(job["inputs"])
    runs, found = _loaded(job, glue, inputs)
    baseline, compressed = (loading.call(glue.module.request, glue.size(inputs), inputs, runs[side]) for side in SIDES)
    outputs, watch = Outputs(job, glue, inputs), Watch(gpu.of(job))
    known = {side: footprint.REQUESTS if f"footprint:{side}:warm_up_ns" in found else 0 for side in SIDES}
    found |= {"repeat_ns": _warmed(runs, outputs, known)}
    gc.collect()
    gc.disable()
    found |= _turns(job, baseline, compressed, outputs, watch)
    quads, calls = found["baseline_ns"].shape[0], found["baseline_ns"].shape[1] // 2
    progress(1, 2, "measuring")
    found |= _beside(job, glue, inputs, compressed, (calls, quads)) | _tokens(glue, inputs, runs, calls)
    for side in SIDES:
        found |= {f"{kind}:{side}:{name}": array for (kind, name), array in breakdown.components(glue, inputs, runs[side]).items()}
        found |= {f"device:{side}:{name}": array for name, array in breakdown.on_device(glue, inputs, runs[side]).items()}
    if counter is not None:
        found |= counting.retired(counter, glue, inputs, runs)
    energy = meters.measure(baseline, compressed, float(job["seconds"]), job.get("device") == gpu.CUDA)
    outputs.ask(runs["compressed"], CHECKED)
    watch.look()
    arrays.save(job["out"], found | {**watch.columns(), **energy.columns})
    return {"calls": calls, "quads": quads, "energy": {"source": energy.source, "reason": energy.reason}, "uncounted": uncounted}


def _loaded(job: Job, glue: Glue, inputs: Arrays) -> tuple[dict[str, Run], dict[str, Array]]:
    """Both sides, one first in every other launch; and with `job["footprint"]` what the first one took: `footprint:<side>:<name>`."""
    early, late = SIDES if job["launch"] % 2 else SIDES[::-1]
    if not job.get("footprint"):
        return {side: loading.run(job, side) for side in (early, late)}, {}
    run, found = footprint.first(job, glue, inputs, early)
    return {early: run, late: loading.run(job, late)}, {f"footprint:{early}:{name}": array for name, array in found.items()}


def _warmed(runs: Mapping[str, Run], outputs: "Outputs", known: Mapping[str, int]) -> Array:
    """What `_probe` finds of the artifact, whose answers are checked. The uncompressed model is asked the same in its turn: nothing but
    their files is to tell the sides apart, or the one that did more before is the slower one, or the faster, of two that are the same."""
    repeated = {}
    for side, run in runs.items():
        call = loading.call(outputs.glue.module.request, outputs.size, outputs.inputs, run)
        repeated[side] = _probe(call, outputs.size, known[side])
        outputs.ask(run, CHECKED, side == "compressed")
    return repeated["compressed"]


def _turns(job: Job, baseline: Call, compressed: Call, outputs: "Outputs", watch: Watch) -> dict[str, Array]:
    """The timed loop. Each launch begins at another item."""
    seconds, begin = float(job["seconds"]), job["launch"] * outputs.size // 16
    calls = int(job.get("calls", 0)) or timing.block_length(seconds, baseline, compressed)
    kept: dict[str, Kept] = {side: [] for side in SIDES}
    old, new = (
        partial(timing.watched_block, _moved(begin, call), keep=outputs.keeper(begin, kept[side]))
        for side, call in zip(SIDES, (baseline, compressed), strict=True)
    )
    watch.look()
    clocks = Clocks()
    times = timing.abba(old, new, calls, int(job.get("quads", 0)), seconds)
    clocks.check(np.concatenate(times)[..., 0].ravel())
    watch.look()
    found = {"checked": outputs.check_kept(kept["compressed"])}
    for side, rows in zip(SIDES, times, strict=True):
        found |= {f"{side}_ns": rows[..., 0], f"{side}_cut": timing.interrupted(rows[..., 0], rows[..., 1])}
    return found


def _moved(begin: int, call: Call) -> Call:
    """The same call for the items from another one on."""
    return lambda index: call(begin + index)


def _probe(call: Call, size: int, known: int = 0) -> Array:
    """Nanoseconds of requests that are new to the process and of the same ones repeated at once, int64 (2, requests).

    An artifact that remembers what it was asked answers the second from memory, and would look fast in a loop over items that come again.
    known: so many requests were asked before, from the first on. Raises CellFailed for one that does so every time that it is tried, with
    other items: a busy machine looks so once.
    """
    begin = known + 1
    _pairs(call, range(begin, begin + FRESH), size)
    share = 0.0
    for attempt in range(1, ATTEMPTS + 1):
        fresh, repeated = _pairs(call, range(begin + attempt * FRESH, begin + (attempt + 1) * FRESH), size)
        if np.median(repeated) >= FROM_MEMORY * fresh.min():
            return np.stack([fresh, repeated])
        share = float(np.median(repeated) / np.median(fresh))
        if known + (attempt + 2) * FRESH >= size:  # the next ones would not be new
            break
    raise CellFailed("invalid_output", f"it answers from memory: a repeated request takes {share:.0%} of the time of a new one")


def _pairs(call: Call, items: range, size: int) -> Array:
    """Each item asked twice, at once: int64 ([first, second], items)."""
    asked = (range(item % size, item % size + 1) for item in items)
    return np.array([timing.block(call, one, 0) + timing.block(call, one, 0) for one in asked], np.int64).T


Kept = list[tuple[int, Any]]
"""Answers of a timed loop, each with its item."""


class Outputs:
    """The answers of the accuracy run, which the timed artifact must give again: before, within and after the timed loop.

    Of the uncompressed model the same answers are asked and kept, and then forgotten: what is kept takes memory from the next call.
    """

    def __init__(self, job: Job, glue: Glue, inputs: Arrays) -> None:
        self.glue, self.inputs, self.size = glue, inputs, glue.size(inputs)
        self.wanted: dict[int, dict[str, Array]] = {}
        for name, array in arrays.load(job["references"]).items():
            kind, index, output = (*name.split(":", 2), "", "")[:3]
            if kind == "request":
                self.wanted.setdefault(int(index), {})[output] = array

    def ask(self, run: Run, requests: int, checked: bool = True) -> None:
        """Answers the first of those requests. Raises CellFailed."""
        for index in sorted(self.wanted)[:requests]:
            answer = self.glue.request(self.inputs, index, run)
            if checked:
                self.check(index, answer)

    def keeper(self, begin: int, kept: Kept) -> Callable[[int, object], None]:
        """Keeps the answers of a timed loop that can be checked; its index 0 is the item `begin`."""

        def keep(index: int, answer: object) -> None:
            if (index + begin) % self.size in self.wanted:
                kept.append(((index + begin) % self.size, answer))

        return keep

    def check_kept(self, kept: Kept) -> Array:
        """How many answers of the timed loop were compared, int64 (). Raises CellFailed."""
        for index, answer in kept:
            self.check(index, answer)
        return np.array(len(kept), np.int64)

    def check(self, index: int, answer: Arrays) -> None:
        """Raises CellFailed."""
        for name, array in answer.items():
            expected = self.wanted[index][name]
            if np.shape(array) != expected.shape or not np.allclose(array, expected, rtol=TOLERANCE, atol=TOLERANCE):
                raise CellFailed("invalid_output", f"the timed run answers request {index} otherwise than the accuracy run did ({name})")


def _beside(job: Job, glue: Glue, inputs: Arrays, compressed: Call, shape: tuple[int, int]) -> dict[str, Array]:
    """The artifact beside the uncompressed model on the device's reference target, if that is another."""
    if "reference" not in job:
        return {}
    calls, quads = shape
    known = loading.call(glue.module.request, glue.size(inputs), inputs, loading.run({**job, **job["reference"]}, "baseline"))
    blocks = partial(timing.block, known), partial(timing.block, compressed)
    old, new = timing.abba(*blocks, calls, max(timing.QUADS, quads // 2), 0.0)
    return {"reference_ns": old, "beside_reference_ns": new}


def _tokens(glue: Glue, inputs: Arrays, runs: dict[str, Run], calls: int) -> dict[str, Array]:
    """Times of tokens, of a model that answers token by token."""
    if not glue.streams:
        return {}
    streams = (loading.call(glue.module.stream, glue.size(inputs), inputs, runs[side]) for side in SIDES)
    old, new = (partial(timing.token_block, stream) for stream in streams)
    times = timing.abba(old, new, max(timing.FEWEST, calls // 2), timing.QUADS, 0.0)
    return dict(zip(("baseline_tokens", "compressed_tokens"), times, strict=True))
