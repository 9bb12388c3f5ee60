"""The worker's looks at the machine: what the system counts, as differences between two looks, and NaN where it counts nothing."""

import os
import resource
import time

import numpy as np
import pytest

from suite import facts, watch

CORE = max(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else 0
TASK = "/proc/self/task/{}/schedstat"


def looked(times=2, between=lambda: None):
    seen = watch.Watch()
    for index in range(times):
        if index:
            between()
        seen.look()
    return seen.columns()


@pytest.fixture
def files(monkeypatch):
    """What the system's files hold; a test changes it between looks."""
    contents = {}
    monkeypatch.setattr(facts, "text", contents.get)
    monkeypatch.setattr(watch, "_cores", lambda: (0, 1))
    monkeypatch.setattr(os, "listdir", lambda path: ["7", "8"])
    return contents


def spent(seconds):
    """Keeps a core busy for so much CPU time."""
    end = time.process_time() + seconds
    while time.process_time() < end:
        pass


def test_a_look_times_the_control_kernel():
    found = looked(3)
    assert found["control_ns"].dtype == np.int64
    assert found["control_ns"].shape == (3, watch.CONTROL_CALLS)
    assert found["control_ns"].min() > 0
    assert {name for name in found if name != "control_ns"} == {f"host:{name}" for name in watch.FIGURES}
    assert all(found[f"host:{name}"].shape == (2,) and found[f"host:{name}"].dtype == np.float64 for name in watch.FIGURES)


def test_one_look_has_no_spans():
    assert all(array.shape == (0,) for name, array in looked(1).items() if name != "control_ns")


def test_the_control_multiplies_what_lies_in_one_place_of_a_page():
    one, other, product = watch.operands()
    watch.control(one, other, product)
    assert np.allclose(product, one.astype(np.float64) @ other, atol=1e-3)
    assert one.ctypes.data % 4096 == 0
    assert one.nbytes + other.nbytes + product.nbytes <= 32 * 1024


def test_time_is_that_between_the_looks_and_not_that_of_the_control(monkeypatch):
    monkeypatch.setattr(watch, "control", lambda *operands: (spent(0.2), [1])[1])
    found = looked(2, lambda: spent(0.05))
    assert found["host:wall_s"][0] >= 0.05
    assert found["host:cpu_wall"][0] * found["host:wall_s"][0] < 0.2


def test_a_process_that_sleeps_has_no_core():
    assert looked(2, lambda: time.sleep(0.05))["host:cpu_wall"][0] < 0.9


def test_counters_of_a_process_are_those_of_the_system(monkeypatch):
    usage = resource.getrusage(resource.RUSAGE_SELF)
    found = watch.counters()
    assert found["switches"] >= usage.ru_nivcsw
    assert found["faults"] >= usage.ru_majflt


def test_what_a_machine_counts(files):
    stat = "cpu  0 0 0 0 0 0 0 0 0 0\ncpu0 {} 0 0 60 0 0 0 {} 9 9\ncpu1 100 0 0 0 0 0 0 0 9 9\ncpu2 7 7 7 7 7 7 7 7 0 0\nprocs_running {}\n"
    first = {
        "/proc/stat": stat.format(100, 0, 3),
        TASK.format(7): "1 2000000 3",
        TASK.format(8): "1 1000000 3",
        "/proc/pressure/cpu": "some avg10=0.00 avg60=0.00 avg300=0.00 total=5\nfull total=0",
        "/proc/pressure/memory": "some avg10=0 total=7",
        "/sys/devices/system/cpu/cpu0/thermal_throttle/core_throttle_count": "2",
        "/sys/devices/system/cpu/cpu0/cpufreq/scaling_cur_freq": "2000000",
        "/sys/devices/system/cpu/cpu1/cpufreq/scaling_cur_freq": "1800000",
    }
    files.update(first)
    one = dict(watch.counters())
    files["/proc/stat"] = stat.format(160, 20, 1)
    files[TASK.format(8)] = "1 4000000 3"
    files["/proc/pressure/cpu"] = "some avg10=0.00 avg60=0.00 avg300=0.00 total=500005\nfull total=0"
    files["/sys/devices/system/cpu/cpu0/thermal_throttle/core_throttle_count"] = "3"
    files["/sys/devices/system/cpu/cpu1/cpufreq/scaling_cur_freq"] = "1700000"
    other = dict(watch.counters())
    other |= {"wall_s": one["wall_s"] + 2.0, "cpu_s": one["cpu_s"] + 0.997, "switches": one["switches"] + 50, "faults": one["faults"] + 8}
    found = {name: figure(one, other) for name, figure in watch.FIGURES.items()}
    assert found["steal"] == 20 / 80  # of two cores, and not of the third
    assert found["waiting"] == pytest.approx(0.003)
    assert (found["cpu_wall"], found["switches"], found["faults"]) == pytest.approx((0.4985, 25, 4))
    assert (found["cpu_pressure"], found["memory_pressure"]) == (pytest.approx(0.25), 0.0)
    assert (found["run_queue"], found["throttled"], found["frequency_khz"]) == (1.0, 1.0, 1_700_000)
    assert np.isnan(found["io_pressure"])
    assert np.isnan(found["quota"])


def test_a_container_has_pressure_and_a_quota_of_its_own(files):
    files["/proc/self/cgroup"] = "0::/box\n"
    files["/sys/fs/cgroup/box/cpu.pressure"] = "some total=3000000\n"
    files["/proc/pressure/cpu"] = "some total=9000000\n"
    files["/sys/fs/cgroup/box/cpu.stat"] = "usage_usec 5\nnr_throttled 2\nthrottled_usec 1500000\n"
    assert (watch.counters()["cpu_stall_s"], watch.counters()["quota_s"]) == (3.0, 1.5)
    files["/proc/self/cgroup"] = "4:memory:/box\n3:cpu,cpuacct:/box\n"
    files["/sys/fs/cgroup/cpu/box/cpu.stat"] = "nr_periods 0\nnr_throttled 0\nthrottled_time 2500000000\n"
    assert (watch.counters()["cpu_stall_s"], watch.counters()["quota_s"]) == (9.0, 2.5)


def test_a_container_that_sees_itself_as_the_root_finds_its_files_there(files):
    files["/proc/self/cgroup"] = "0::/../somewhere\n"
    files["/sys/fs/cgroup/cpu.stat"] = "throttled_usec 4000000\n"
    assert watch.counters()["quota_s"] == 4.0


def test_where_nothing_is_counted_there_is_nothing(files, monkeypatch):
    def fail(path):
        raise OSError

    monkeypatch.setattr(os, "listdir", fail)
    found = looked()
    counted = {name.removeprefix("host:") for name, array in found.items() if np.isfinite(array).all()} - {"control_ns"}
    assert counted == {"wall_s", "cpu_wall", "switches", "faults"}


@pytest.mark.parametrize("text", ["", "procs_running", "procs_running x", "cpu0 1 2 3"])
def test_a_file_of_another_form_counts_nothing(files, text):
    files["/proc/stat"] = text
    found = watch.counters()
    assert np.isnan([found["running"], found["steal_ticks"], found["all_ticks"]]).all()


@pytest.mark.skipif(not os.path.exists("/proc/self/schedstat"), reason="needs the scheduler's counters of Linux")
def test_a_process_that_shares_its_core_waits(monkeypatch):
    if not hasattr(os, "fork") or not hasattr(os, "sched_setaffinity"):
        pytest.skip("needs fork and cores that can be chosen")
    before = os.sched_getaffinity(0)
    os.sched_setaffinity(0, {CORE})
    child = os.posix_spawn("/bin/sh", ["sh", "-c", "while :; do :; done"], os.environ)
    try:
        found = looked(2, lambda: spent(0.3))
    finally:
        os.kill(child, 9)
        os.waitpid(child, 0)
        os.sched_setaffinity(0, before)
    assert found["host:waiting"][0] > 0.2
    assert found["host:cpu_wall"][0] < 0.8
