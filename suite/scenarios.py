"""Other loads than one request after another on one thread: what they are, and the job `scenario` of the worker."""

from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np

from suite import arrays, gpu, loading, timing
from suite.contracts import Component, NotApplicable
from suite.glue import Glue
from suite.loading import SIDES, Arrays, Run
from suite.plugins import model_part
from suite.protocol import Job, Progress
from suite.watch import Watch

Group = list[tuple[str, Arrays]]
"""The component calls that answer some requests together, in their order."""


@dataclass(frozen=True, slots=True)
class Load:
    """Requests that are answered together, and whether on all cores."""

    batch: int
    all_cores: bool
    title: str


LOADS = {
    "batch_8": Load(8, False, "offline, 8 requests together, one thread"),
    "all_cores": Load(1, True, "one request at a time, all cores"),
    "batch_8_all_cores": Load(8, True, "offline, 8 requests together, all cores"),
}
SERVER = "server"
"""Requests that arrive when they will: see `suite.arrivals`."""
NAMES = (*LOADS, SERVER)
GROUPS = 4
"""Different groups of requests, in turn."""


def scenario(job: Job, progress: Progress) -> dict[str, Any]:
    """Wall times of groups of `job["batch"]` requests on `job["threads"]` threads into `job["out"]`: `baseline_ns`, `compressed_ns`, int64
    (quads, calls); what `suite.watch` saw meanwhile; `deviation`, float64 (): the largest difference of an output from that of the same
    call alone, as a share of the largest number in it.

    A group is the component calls of its requests, stacked along the axis "batch": the first calls together, then the second ones, as
    far as each request has one. Raises NotApplicable where they cannot be stacked.
    """
    loading.stay_on_one_core(int(job["threads"]))
    glue, inputs = loading.glue(job), arrays.load(job["inputs"])
    runs = {side: loading.run(job, side) for side in SIDES}
    card = {component.name: component for component in model_part(str(job["model"]), "card").CARD.components}
    groups = {side: _groups(glue, inputs, runs[side], card, int(job["batch"])) for side in SIDES}
    deviation = max(_deviation(runs["compressed"], stacked, singles) for stacked, singles in groups["compressed"])
    baseline, compressed = (_replay(runs[side], [stacked for stacked, _ in groups[side]]) for side in SIDES)
    calls = int(job.get("calls", 0)) or timing.block_length(float(job["seconds"]), baseline, compressed)
    watch = Watch(gpu.of(job))
    watch.look()
    blocks = partial(timing.block, baseline), partial(timing.block, compressed)
    old, new = timing.abba(*blocks, calls, int(job.get("quads", 0)), float(job["seconds"]))
    watch.look()
    arrays.save(job["out"], {"baseline_ns": old, "compressed_ns": new, "deviation": np.array(deviation), **watch.columns()})
    return {"calls": calls, "quads": len(old)}


def _groups(
    glue: Glue, inputs: Arrays, run: Run, card: Mapping[str, Component], batch: int
) -> list[tuple[Group, list[list[tuple[str, Arrays, Arrays]]]]]:
    """GROUPS groups of requests: their stacked calls, and for each of these the calls in it with what they answered alone."""
    found = []
    for first in range(0, GROUPS * batch, batch):
        recorded = [_recorded(glue, inputs, first + index, run) for index in range(batch)]
        turns: dict[tuple[int, str], list[tuple[str, Arrays, Arrays]]] = defaultdict(list)
        for calls in recorded:
            for place, one in enumerate(calls):
                turns[place, one[0]].append(one)
        ordered = [turns[key] for key in sorted(turns)]
        found.append(([(turn[0][0], _stacked(card[turn[0][0]], [feed for _, feed, _ in turn])) for turn in ordered], ordered))
    return found


def _recorded(glue: Glue, inputs: Arrays, index: int, run: Run) -> list[tuple[str, Arrays, Arrays]]:
    calls: list[tuple[str, Arrays, Arrays]] = []

    def record(component: str, feed: Arrays) -> Arrays:
        outputs = run(component, feed)
        calls.append((component, dict(feed), outputs))
        return outputs

    glue.request(inputs, index, record)
    return calls


def _stacked(component: Component, feeds: list[Arrays]) -> Arrays:
    """One call for several. Raises NotApplicable for inputs that have no batch, or whose other lengths differ."""
    found = {}
    for tensor in component.inputs:
        parts = [feed[tensor.name] for feed in feeds]
        if "batch" not in tensor.shape:
            if len(feeds) > 1:
                raise NotApplicable(f"the input {tensor.name} of {component.name} has no axis named batch")
            found[tensor.name] = parts[0]
            continue
        axis = tensor.shape.index("batch")
        if len({part.shape[:axis] + part.shape[axis + 1 :] for part in parts}) > 1:
            raise NotApplicable(f"the input {tensor.name} of {component.name} differs in length from request to request")
        found[tensor.name] = np.ascontiguousarray(np.concatenate(parts, axis))
    return found


def _replay(run: Run, groups: list[Group]) -> loading.Call:
    """Answers a group of requests: its stacked calls, one after the other."""

    def call(index: int) -> None:
        for component, feed in groups[index % len(groups)]:
            run(component, feed)

    return call


def _deviation(run: Run, stacked: Group, singles: list[list[tuple[str, Arrays, Arrays]]]) -> float:
    """How far outputs of stacked calls lie from those of the same calls alone, as a share of the largest number of each output."""
    worst = 0.0
    for (component, feed), turn in zip(stacked, singles, strict=True):
        together = run(component, feed)
        for name in turn[0][2]:
            alone = np.concatenate([np.asarray(outputs[name], np.float64) for _, _, outputs in turn])
            if alone.shape != np.shape(together[name]):
                raise NotApplicable(f"the output {name} of {component} does not grow with the batch")
            worst = max(worst, float(np.abs(alone - together[name]).max() / (np.abs(alone).max() or 1.0))) if alone.size else worst
    return worst
