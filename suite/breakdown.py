"""Where the time of a request goes: inside which component, by wall time and by the clock of the device. For the worker."""

from collections.abc import Callable

import numpy as np

from suite import loading, timing
from suite.glue import Glue
from suite.loading import Array, Arrays, Run


def components(glue: Glue, inputs: Arrays, run: Run) -> dict[tuple[str, str], Array]:
    """Nanoseconds inside each component over a block of requests, apart from the timed loop so that it stays bare.

    ("component", name): all of its calls of a request together. ("first_call", name): the first of them alone.
    """

    def timed(component: str, feed: Arrays) -> tuple[Arrays, int]:
        start = timing.now()
        outputs = run(component, feed)
        return outputs, timing.now() - start

    found = _inside(glue, inputs, timed)
    together = {("component", name): np.array([*map(sum, calls)], np.int64) for name, calls in found.items()}
    return together | {("first_call", name): np.array([spent[0] for spent in calls], np.int64) for name, calls in found.items()}


def on_device(glue: Glue, inputs: Arrays, run: Run) -> dict[str, Array]:
    """Nanoseconds of each component by the device's own clock, all of its calls of a request together. Of a runner without one, nothing."""
    clock = loading.device_clock(run)
    if clock is None:
        return {}
    found = _inside(glue, inputs, lambda component, feed: (run(component, feed), clock(component, feed)))
    return {name: np.array([*map(sum, calls)], np.int64) for name, calls in found.items()}


def _inside(glue: Glue, inputs: Arrays, timed: Callable[[str, Arrays], tuple[Arrays, int]]) -> dict[str, list[list[int]]]:
    """Component -> request -> the time of each of its calls, over a block of requests."""
    found: dict[str, list[list[int]]] = {}
    current: dict[str, list[int]] = {}

    def call(component: str, feed: Arrays) -> Arrays:
        outputs, spent = timed(component, feed)
        current.setdefault(component, []).append(spent)
        return outputs

    for index in range(timing.CALLS + timing.DROPPED):
        current = {}
        glue.request(inputs, index, call)
        for name, calls in current.items() if index >= timing.DROPPED else ():
            found.setdefault(name, []).append(calls)
    return found
