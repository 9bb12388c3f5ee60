"""The timed loops of a launch: blocks of calls, in which nothing else happens, in the order ABBA. Needs numpy alone."""

import time
from collections.abc import Callable, Iterable
from typing import Any

import numpy as np

Array = np.ndarray[Any, np.dtype[Any]]
Call = Callable[[int], object]
Stream = Callable[[int], Iterable[object]]
Keep = Callable[[int, object], None]
Block = Callable[[range, int], list[Any]]
"""What times the calls of some indices, and leaves out the first few: `block` or `token_block` of one side."""

CALLS, DROPPED = 20, 3
"""Timed calls of a block, and those before them that are not timed: each side finds the caches full of the other's weights."""
QUADS, FEWEST = 3, 3
"""ABBA quads of a launch at least, and calls of a block: of a model so slow that they would outlast the launch, blocks hold fewer."""

now = time.perf_counter_ns


def forget(index: int, answer: object) -> None:
    """Keeps no answer."""


def block(call: Call, indices: range, dropped: int, keep: Keep = forget) -> list[int]:
    """Nanoseconds of each call but the first `dropped`. The timed loop: nothing else happens while the clock runs.

    keep: gets each answer after its clock has stopped.
    """
    times = []
    for index in indices:
        start = now()
        answer = call(index)
        times.append(now() - start)
        keep(index, answer)
        del answer  # or the next call would have to find memory of its own
    return times[dropped:]


def token_block(stream: Stream, indices: range, dropped: int) -> list[tuple[int, int, int]]:
    """Of each call but the first `dropped`: nanoseconds to the first token, nanoseconds in all, and how many tokens came."""
    rows = []
    for index in indices:
        tokens, first, start = 0, 0, now()
        for _ in stream(index):
            first = first or now() - start
            tokens += 1
        rows.append((first, now() - start, tokens))
    return rows[dropped:]


def abba(baseline: Block, compressed: Block, calls: int, quads: int, seconds: float) -> tuple[Array, Array]:
    """ABBA blocks: `quads` of them, or (0) as many as fit into `seconds`, at least 3. Both sides answer the same requests."""
    old: list[list[Any]] = []
    new: list[list[Any]] = []
    end = now() + int(seconds * 1e9)
    while len(old) < (quads or QUADS) or (not quads and now() < end):
        first = range(len(old) * (calls + DROPPED), (len(old) + 1) * (calls + DROPPED))
        second = range(first.stop, first.stop + calls + DROPPED)
        a, b = baseline(first, DROPPED), compressed(first, DROPPED)
        b += compressed(second, DROPPED)
        old.append(a + baseline(second, DROPPED))
        new.append(b)
    return np.array(old, np.int64), np.array(new, np.int64)


def block_length(seconds: float, *sides: Call) -> int:
    """Calls of a block: CALLS, or as many as let QUADS quads of both sides fit into a launch."""
    together = sum(np.median(block(side, range(5), 2)) for side in sides)
    return int(np.clip(seconds * 1e9 / (2 * QUADS * together) - DROPPED, FEWEST, CALLS))
