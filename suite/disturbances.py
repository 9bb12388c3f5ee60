"""What would disturb a measurement on this machine, and what to do about it: for `squeezemark doctor`. Looks only; changes nothing."""

import os
import time
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

import psutil

from suite import facts
from suite.figures import Health
from suite.health import health
from suite.record import Environment
from suite.watch import Watch, control, counters, operands

LOOKS = 3
BUSY_S, BUSY = 0.5, 0.05
"""Processes that have more of a core than this, over so many seconds, are named; no more than MOST of them."""
MOST = 3
SWAP_BYTES = 64 << 20
"""Less than this was put aside once, and is hardly ever asked for again."""


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that was looked at: whether it is as it should be, and in words what it is and what to do."""

    name: str
    fine: bool
    words: str


@dataclass(frozen=True, slots=True)
class Process:
    """Another process that has something of a core. share: of one core."""

    name: str
    pid: int
    share: float


def findings(now: Environment) -> tuple[Finding, ...]:
    """Everything, the grade last. Takes about two seconds."""
    grade = session()
    return (
        _turbo(now.turbo),
        _smt(now.smt),
        _cores(_last_core(), facts.text("/sys/devices/system/cpu/isolated") or "", now.cores),
        _quota(now.cpu_quota, now.cores),
        _processes(busy()),
        _swap(psutil.swap_memory().used),
        _memory(grade.figures["memory_pressure"]),
        _throttling(counters()["throttles"]),
        _grade(grade),
    )


def session(seconds: float = 1.0) -> Health:
    """The grade that a session gets here and now: the control kernel keeps the core busy that a worker would be timed on."""
    before = os.sched_getaffinity(0) if hasattr(os, "sched_getaffinity") else None
    seen, matrices = Watch(), operands()
    try:
        if before:
            os.sched_setaffinity(0, {max(before)})
        for _ in range(LOOKS):
            seen.look()
            end = time.perf_counter() + seconds / LOOKS
            while time.perf_counter() < end:
                control(*matrices)
        seen.look()
    finally:
        if before:
            os.sched_setaffinity(0, before)
    found = health({name: array[None] for name, array in seen.columns().items()})
    assert found is not None
    return found


def busy(seconds: float = BUSY_S) -> tuple[Process, ...]:
    """Other processes that are at work, the busiest first."""
    others = [process for process in psutil.process_iter() if process.pid != os.getpid()]
    before = dict(_spent(others))
    start = time.perf_counter()
    time.sleep(seconds)
    passed = time.perf_counter() - start
    found = []
    for process, spent in _spent(others):
        share = (spent - before.get(process, spent)) / passed
        if share > BUSY:
            found.append(Process(_name(process), process.pid, share))
    return tuple(sorted(found, key=lambda process: -process.share)[:MOST])


def _spent(processes: Iterable[psutil.Process]) -> Iterator[tuple[psutil.Process, float]]:
    """CPU seconds of each; one that has ended or may not be looked at is left out."""
    for process in processes:
        try:
            times = process.cpu_times()
        except psutil.Error:
            continue
        yield process, times.user + times.system


def _name(process: psutil.Process) -> str:
    try:
        return str(process.name())
    except psutil.Error:
        return "a process that has ended"


def _last_core() -> int | None:
    return max(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else None


def _turbo(on: bool | None) -> Finding:
    if on is None:
        return Finding("turbo", True, "not to be read here (usual in virtual machines)")
    steady = "`echo 1 > /sys/devices/system/cpu/intel_pstate/no_turbo`, or `echo 0 > /sys/devices/system/cpu/cpufreq/boost`"
    return Finding(
        "turbo", not on, f"on: the clock depends on heat and on what other cores do; as root, {steady} holds it still" if on else "off"
    )


def _smt(on: bool | None) -> Finding:
    if on is None:
        return Finding("smt", True, "not to be read here")
    told = "on: two threads share a core; as root, `echo off > /sys/devices/system/cpu/smt/control` gives a worker the whole of it"
    return Finding("smt", not on, told if on else "off, or not to be seen from here")


def _cores(last: int | None, isolated: str, granted: int) -> Finding:
    """last: the core that a worker is timed on; None where a process cannot be pinned. isolated: as the kernel lists them."""
    if last is None:
        return Finding("cores", True, f"{granted}; this platform pins no process, so that other work may share its core: stop what you can")
    alone = _listed(isolated)
    if last in alone:
        return Finding("cores", True, f"{granted}; workers are timed on core {last}, which is isolated")
    if alone:
        unused = max(alone)
        return Finding("cores", False, f"core {unused} is isolated and not used: start it as `taskset -c 0,{unused} squeezemark run ...`")
    if granted == 1:
        return Finding(
            "cores", False, f"only core {last} may be used, which a worker then shares with everything else: grant it another one"
        )
    return Finding(
        "cores", True, f"{granted}; workers are timed on core {last}: keep other work off it (`taskset`, or boot with isolcpus={last})"
    )


def _listed(ranges: str) -> set[int]:
    """Cores of a list like 2-3,5."""
    pairs = (part.partition("-") for part in ranges.split(",") if part.strip())
    return {core for first, _, last in pairs for core in range(int(first), int(last or first) + 1)}


def _quota(quota: float | None, cores: int) -> Finding:
    if quota is None:
        return Finding("quota", True, "no CPU quota of a container to be seen")
    if quota >= cores:
        return Finding("quota", True, f"{quota:.2g} cores' worth of time for {cores} cores")
    held = (
        f"the container may use {quota:.2g} cores' worth of time on {cores} cores, and is stopped in the middle of a call when it is spent"
    )
    return Finding("quota", False, f"{held}: give it whole cores instead (--cpuset-cpus), or raise --cpus to {cores}")


def _processes(found: tuple[Process, ...]) -> Finding:
    if not found:
        return Finding("processes", True, "nothing else is at work")
    told = ", ".join(f"{process.name} (pid {process.pid}) {process.share:.0%} of a core" for process in found)
    return Finding("processes", False, f"at work beside it: {told}; wait for them, stop them, or keep them off the core that is timed")


def _swap(used: int) -> Finding:
    if used < SWAP_BYTES:
        return Finding("swap", True, "not in use" if not used else f"{used / 2**20:.0f} MiB in use")
    return Finding("swap", False, f"{used / 2**20:.0f} MiB in use: close what holds the memory, then `swapoff -a && swapon -a` as root")


def _memory(pressure: float | None) -> Finding:
    if pressure is None:
        return Finding("memory pressure", True, "not counted on this platform")
    fine = pressure < 0.005
    return Finding(
        "memory pressure", fine, f"{pressure:.1%} of the time" + ("" if fine else ": too little memory is free, close something")
    )


def _throttling(times: float) -> Finding:
    if not times >= 0:  # NaN where nothing counts it
        return Finding("throttling", True, "not counted here (usual in virtual machines)")
    if not times:
        return Finding("throttling", True, "never since the machine was started")
    return Finding(
        "throttling", False, f"{times:.0f} times since the machine was started: it runs too hot, cool it or give it a lower limit"
    )


def _grade(found: Health) -> Finding:
    why = "; ".join(found.reasons) or "nothing disturbs it"
    after = "" if found.ranked else ". A latency that is taken now is shown and not ranked: do what is said above, then look again"
    return Finding("grade", found.ranked, f"{found.grade}, of a session of a second just now: {why}{after}")
