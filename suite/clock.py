"""Whether the clock of the timed loops can be believed: it is held against two others. Standard library only."""

import time
from collections.abc import Callable, Iterable, Mapping

from suite import timing
from suite.errors import CellFailed

SHARE, LEAST_NS = 0.01, 5_000_000
"""Clocks disagree if what they say has passed differs by more than 1 % and by more than 5 ms: reading them takes time, and a system
that sets its calendar clock right does it in small steps."""

TRIES, AT_ONCE_NS = 20, 50_000
"""A process that loses its core between two clocks reads them at different times: they are read again until no time has passed between the
first and the last of them, and of so many tries the quickest counts."""

OTHERS: Mapping[str, Callable[[], int]] = {"the monotonic clock": time.monotonic_ns, "the calendar clock": time.time_ns}


class Clocks:
    """Started before a loop, asked after it. A machine that was suspended or moved, and a library that replaces the clock, are seen."""

    def __init__(self) -> None:
        self.start = self._read()

    @staticmethod
    def _read() -> dict[str, int]:
        quickest, found = None, dict[str, int]()
        for _ in range(TRIES):
            start = timing.now()
            others = {name: read() for name, read in OTHERS.items()}
            took = timing.now() - start
            if quickest is None or took < quickest:
                quickest, found = took, {"the clock that times": start} | others
            if quickest <= AT_ONCE_NS:
                break
        return found

    def check(self, times_ns: Iterable[int] = ()) -> None:
        """Raises CellFailed (`invalid_output`) if the clocks disagree since the start, if a time of `times_ns` is negative, or if all
        of them together are more than has passed."""
        passed = {name: end - self.start[name] for name, end in self._read().items()}
        (own, timed), *others = passed.items()
        for name, other in others:
            if _differ(timed, other):
                raise CellFailed(
                    "invalid_output", f"{own} says that {timed / 1e9:.3f} s have passed, {name} {other / 1e9:.3f} s: a clock jumped"
                )
        times = [int(time) for time in times_ns]
        if times and min(times) < 0:
            raise CellFailed("invalid_output", f"a call took {min(times) / 1e9:.3f} s: {own} went backwards")
        if sum(times) > timed and _differ(sum(times), timed):
            raise CellFailed(
                "invalid_output", f"the calls took {sum(times) / 1e9:.3f} s together while {timed / 1e9:.3f} s passed: a clock jumped"
            )


def _differ(one: int, other: int) -> bool:
    return abs(one - other) > max(LEAST_NS, SHARE * max(one, other))
