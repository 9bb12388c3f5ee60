"""The processor's own counters: read by the event that every machine has, and a reason where there is none."""

import errno
import sys
import threading

import numpy as np
import pytest

from suite import counting, launch, perf
from suite.facts import Unreadable
from suite.latency import instructions
from suite.perf import CPU_CLOCK, Counter

LINUX = pytest.mark.skipif(sys.platform != "linux", reason="perf_event_open is a call of Linux")


def work(amount=200_000):
    return sum(range(amount))


@pytest.fixture
def clock():
    """A counter that works wherever the system lets a process read one at all."""
    try:
        with Counter(CPU_CLOCK) as found:
            yield found
    except Unreadable as reason:
        pytest.skip(str(reason))


@LINUX
def test_more_work_counts_more(clock):
    work()
    start = clock.read()
    work()
    once = clock.read() - start
    work(3_000_000)
    assert clock.read() - start - once > 3 * once > 0


@LINUX
def test_threads_that_start_later_are_counted_too(clock):
    start = clock.read()
    thread = threading.Thread(target=work, args=(5_000_000,))
    thread.start()
    thread.join()
    waited = clock.read()
    work(2000)
    assert waited - start > 20 * (clock.read() - waited)


@pytest.mark.parametrize("code", [errno.EPERM, errno.EACCES])
def test_a_system_that_keeps_them_for_root_says_how_to_change_it(code):
    assert "kernel.perf_event_paranoid=2" in perf._reason(code)


@LINUX
def test_an_event_that_there_is_not_gives_a_reason():
    with pytest.raises(Unreadable, match="no access to the processor's counter of instructions"):
        Counter((1, 4_000_000))


def test_a_platform_without_them_gives_a_reason(monkeypatch):
    monkeypatch.setattr(sys, "platform", "darwin")
    with pytest.raises(Unreadable, match="no counters"):
        Counter()


class Glue:
    """Whose requests of one side cost a hundred, and of the other ten."""

    def __init__(self):
        self.module, self.asked = self, []

    def size(self, inputs):
        return 2

    def request(self, inputs, index, run):
        run(index)


def test_both_sides_answer_the_same_requests_in_turn():
    spent, asked = [0], []

    class Steps:
        def read(self):
            return spent[0]

    def run(side, cost):
        def answer(index):
            asked.append((side, index))
            spent[0] += cost + index

        return answer

    found = counting.retired(Steps(), Glue(), {}, {"baseline": run("baseline", 100), "compressed": run("compressed", 10)})
    assert {name: counts.tolist() for name, counts in found.items()} == {
        "instructions:baseline": [100, 101, 100],
        "instructions:compressed": [10, 11, 10],
    }
    assert asked == [(side, index % 2) for index in range(counting.REQUESTS) for side in ("baseline", "compressed")]


def test_counts_of_every_launch_stand_in_the_record_or_the_reason_does():
    columns = {"instructions:baseline": np.array([[100, 102], [98, 100]]), "instructions:compressed": np.array([[50, 51], [49, 50]])}
    found = instructions(columns, None)
    assert (found.ratio, found.per_request("artifact"), found.reason) == (2.0, 50.0, None)
    assert instructions({}, "this machine has none").reason == "this machine has none"
    assert instructions({"instructions:baseline": columns["instructions:baseline"]}, None).reason == "not every launch could count them"


def test_a_launch_counts_from_before_its_threads_are_started(monkeypatch):
    """The runtime's threads are only counted if the counter was there first."""
    opened = []

    class Open(Counter):
        def __init__(self):
            super().__init__(CPU_CLOCK)
            opened.append(self)

    monkeypatch.setattr(launch, "Counter", Open)
    monkeypatch.setattr(launch, "_measure", lambda job, progress, counter, uncounted: {"counter": counter, "uncounted": uncounted})
    try:
        assert launch.measure({}, lambda *_: None) == {"counter": opened[0], "uncounted": None}
    except IndexError:
        pytest.skip("this system lets no process read a counter")
    monkeypatch.setattr(launch, "Counter", lambda: (_ for _ in ()).throw(Unreadable("there is none")))
    assert launch.measure({}, lambda *_: None) == {"counter": None, "uncounted": "there is none"}
