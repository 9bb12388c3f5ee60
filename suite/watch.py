"""What happened to a machine while it measured: counters of the system, and a control kernel between the timed parts.

For the worker: standard library and numpy alone. A counter that the platform does not have is NaN, never a guess; what the figures
are worth is for `suite.health` to say.
"""

import os
import resource
import time
from collections.abc import Callable, Mapping
from math import nan
from typing import Any

import numpy as np

from suite import facts
from suite.gpu import Gpu

Array = np.ndarray[Any, np.dtype[Any]]
Counters = Mapping[str, float]

CONTROL_CALLS, CONTROL_DROPPED = 25, 5
"""Timed calls of the control kernel, and those before them that are not."""
CONTROL_SIZE, CONTROL_PRODUCTS = 48, 64
"""One call: so many products of two float32 matrices of that size. The three fit into a first-level cache of 32 KiB, and are too small for
a BLAS to share them out among threads."""

PAGE = 1024
"""Numbers of four bytes in a page of memory."""

now = time.perf_counter_ns


def operands() -> tuple[Array, Array, Array]:
    """Two matrices and room for their product, float32 (CONTROL_SIZE, CONTROL_SIZE), always in the same place of a page: where an
    allocator happens to put them changes the time of a product by a tenth."""
    size = CONTROL_SIZE * CONTROL_SIZE
    room = np.zeros(3 * size + PAGE, np.float32)
    start = -room.ctypes.data % (PAGE * room.itemsize) // room.itemsize
    one, other, product = room[start : start + 3 * size].reshape(3, CONTROL_SIZE, CONTROL_SIZE)
    one[:], other[:] = np.linspace(-1, 1, size).reshape(one.shape), np.linspace(1, -1, size).reshape(one.shape)
    return one, other, product


def control(one: Array, other: Array, product: Array) -> list[int]:
    """Nanoseconds of each call of a kernel that is always the same: what changes between two of these blocks is the machine."""
    times = []
    for _ in range(CONTROL_CALLS + CONTROL_DROPPED):
        start = now()
        for _ in range(CONTROL_PRODUCTS):
            np.dot(one, other, out=product)
        times.append(now() - start)
    return times[CONTROL_DROPPED:]


class Watch:
    """Looks at the machine before, between and after the timed parts of a launch; gpu: at that too."""

    def __init__(self, gpu: Gpu | None = None) -> None:
        self._gpu = gpu
        self._operands = operands()
        self._control: list[list[int]] = []
        self._before: list[Counters] = []
        self._after: list[Counters] = []

    def look(self) -> None:
        """Reads the counters, runs the control kernel, and reads them again: what the kernel itself does to them does not count."""
        self._before.append(self._counters())
        self._control.append(control(*self._operands))
        self._after.append(self._counters())

    def columns(self) -> dict[str, Array]:
        """`control_ns`, int64 (looks, calls), and `host:<figure>`, float64 (looks - 1,): what happened between successive looks.

        The figures are those of FIGURES, on a GPU those of GPU_FIGURES too, and NaN where the platform has no counter.
        """
        spans = list(zip(self._after, self._before[1:], strict=False))
        figures = {**FIGURES, **(GPU_FIGURES if self._gpu else {})}
        found = {f"host:{name}": np.array([figure(*span) for span in spans], np.float64) for name, figure in figures.items()}
        return {"control_ns": np.array(self._control, np.int64), **found}

    def _counters(self) -> Counters:
        return {**counters(), **self._gpu.counters()} if self._gpu else counters()


def counters() -> Counters:
    """The counters of the system and of this process now."""
    usage = resource.getrusage(resource.RUSAGE_SELF)
    stat = facts.text("/proc/stat") or ""
    return {
        "wall_s": now() / 1e9,
        "cpu_s": time.process_time(),
        "delay_s": _delay_s(),
        "switches": float(usage.ru_nivcsw),
        "faults": float(usage.ru_majflt),
        "quota_s": _quota_s(),
        "running": _after_word(stat, "procs_running"),
        "throttles": _throttles(),
        "frequency_khz": _frequency_khz(),
        **_ticks(stat),
        **{f"{what}_stall_s": _stall_s(what) for what in ("cpu", "memory", "io")},
    }


def _gone(name: str) -> Callable[[Counters, Counters], float]:
    return lambda before, after: after[name] - before[name]


def _rate(name: str) -> Callable[[Counters, Counters], float]:
    """By the second of wall time."""
    return lambda before, after: (after[name] - before[name]) / (after["wall_s"] - before["wall_s"])


def _share(part: str, *whole: str) -> Callable[[Counters, Counters], float]:
    def share(before: Counters, after: Counters) -> float:
        total = sum(after[name] - before[name] for name in whole)
        return (after[part] - before[part]) / total if total else nan

    return share


FIGURES: Mapping[str, Callable[[Counters, Counters], float]] = {
    "wall_s": _gone("wall_s"),
    "cpu_wall": _rate("cpu_s"),
    "waiting": _share("delay_s", "delay_s", "cpu_s"),
    "steal": _share("steal_ticks", "all_ticks"),
    "quota": _rate("quota_s"),
    "switches": _rate("switches"),
    "faults": _rate("faults"),
    "cpu_pressure": _rate("cpu_stall_s"),
    "memory_pressure": _rate("memory_stall_s"),
    "io_pressure": _rate("io_stall_s"),
    "run_queue": lambda before, after: (before["running"] + after["running"]) / 2 - 1,
    "throttled": lambda before, after: float(after["throttles"] > before["throttles"]) if after["throttles"] >= 0 else nan,
    "frequency_khz": lambda before, after: after["frequency_khz"],
}
"""What happened between two readings.

wall_s: seconds. cpu_wall: CPU time of this process / wall time, above 1 with several threads. waiting: of the time in which its threads
could have run, the share in which they waited for a core. steal: share of the ticks of the cores that this process may use. quota: share
of the time in which the container was held back. switches, faults: involuntary switches and major page faults by the second. pressure:
share of the time in which some task of the container, or else of the machine, waited for it. run_queue: runnable tasks of the whole machine
beside this one, seen at both ends. throttled: 1 if the processor held itself back. frequency_khz: at the end, the lowest of its cores.
"""

GPU_FIGURES: Mapping[str, Callable[[Counters, Counters], float]] = {
    "gpu_foreign": lambda before, after: max(before["gpu_foreign"], after["gpu_foreign"]),
    "gpu_throttled": lambda before, after: max(before["gpu_throttled"], after["gpu_throttled"]),
    "gpu_khz": lambda before, after: after["gpu_khz"],
}
"""The same of a GPU. gpu_foreign: other processes that had a context on it; gpu_throttled: 1 if heat or power held its clock back."""


def _cores() -> tuple[int, ...]:
    """Those that this process may use; elsewhere than Linux the counters of cores are not there anyway."""
    return tuple(sorted(os.sched_getaffinity(0))) if hasattr(os, "sched_getaffinity") else ()


def _number(text: str | None) -> float:
    try:
        return nan if text is None else float(text)
    except ValueError:
        return nan


def _after_word(text: str, word: str) -> float:
    """The number behind the first occurrence of a word in a file of names and numbers."""
    rows = (line.split() for line in text.splitlines())
    return next((_number(row[1]) for row in rows if len(row) > 1 and row[0] == word), nan)


def _ticks(stat: str) -> Counters:
    """Of the cores that this process may use; a guest's time is in the user's time already."""
    names = {f"cpu{core}" for core in _cores()}
    rows = [[float(value) for value in row[1:9]] for row in map(str.split, stat.splitlines()) if row and row[0] in names]
    full = bool(rows) and all(len(row) == 8 for row in rows)
    return {
        "steal_ticks": sum(row[7] for row in rows) if full else nan,
        "all_ticks": sum(map(sum, rows)) if full else nan,
    }


def _delay_s() -> float:
    """Seconds in which threads of this process were runnable and did not run (Documentation/scheduler/sched-stats)."""
    try:
        threads = os.listdir("/proc/self/task")
    except OSError:
        return nan
    rows = [(facts.text(f"/proc/self/task/{thread}/schedstat") or "").split() for thread in threads]
    found = [float(row[1]) for row in rows if len(row) == 3]
    return sum(found) / 1e9 if found else nan


def _stall_s(what: str) -> float:
    """Seconds in which some task waited for it, of the container that this is or of the machine."""
    for text in (facts.cgroup(f"{what}.pressure"), facts.text(f"/proc/pressure/{what}")):
        if text and "total=" in text:
            return _number(text.splitlines()[0].rpartition("total=")[2]) / 1e6
    return nan


def _quota_s() -> float:
    """Seconds in which the container had used up its share of the processor. One without a quota is never held back."""
    newer = _after_word(facts.cgroup("cpu.stat") or "", "throttled_usec") / 1e6
    return newer if newer >= 0 else _after_word(facts.cgroup("cpu.stat", "cpu") or "", "throttled_time") / 1e9


def _throttles() -> float:
    """How often the processor has throttled itself: a counter of each core, on x86."""
    folder = "/sys/devices/system/cpu/cpu{}/thermal_throttle/core_throttle_count"
    known = [count for core in _cores() if (count := _number(facts.text(folder.format(core)))) >= 0]
    return sum(known) if known else nan


def _frequency_khz() -> float:
    found = [_number(facts.text(f"/sys/devices/system/cpu/cpu{core}/cpufreq/scaling_cur_freq")) for core in _cores()]
    return min((value for value in found if value > 0), default=nan)
