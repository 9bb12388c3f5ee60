"""A clock that jumps is noticed, whichever it is and in which direction; clocks that run as they should are believed."""

import time

import pytest

from suite import clock, timing
from suite.errors import CellFailed

SECOND = 1_000_000_000


@pytest.fixture
def passes(monkeypatch):
    """Lets time pass for all clocks, for each as much as is said: `passes(timed=1.0, monotonic=1.0, calendar=1.0)`, in seconds."""
    time_of = dict.fromkeys(("timed", "monotonic", "calendar"), 100 * SECOND)
    monkeypatch.setattr(timing, "now", lambda: time_of["timed"])
    others = {"the monotonic clock": lambda: time_of["monotonic"], "the calendar clock": lambda: time_of["calendar"]}
    monkeypatch.setattr(clock, "OTHERS", others)

    def pass_by(**seconds):
        for name, spent in seconds.items():
            time_of[name] += int(spent * SECOND)

    return pass_by


def _jumped(clocks, words, times=()):
    with pytest.raises(CellFailed, match=words) as failed:
        clocks.check(times)
    assert failed.value.status == "invalid_output"


def test_the_clocks_of_this_machine_agree():
    clocks = clock.Clocks()
    time.sleep(0.02)
    clocks.check([1_000_000])


@pytest.mark.parametrize("jump", [-3600.0, -0.05, 0.05, 3600.0])
@pytest.mark.parametrize("which", ["timed", "monotonic", "calendar"])
def test_a_jump_of_any_clock_is_seen(which, jump, passes):
    clocks = clock.Clocks()
    passes(**{"timed": 1.0, "monotonic": 1.0, "calendar": 1.0} | {which: 1.0 + jump})
    _jumped(clocks, "a clock jumped")


def test_small_differences_are_none(passes):
    clocks = clock.Clocks()
    passes(timed=0.1, monotonic=0.1045, calendar=0.1)
    clocks.check()
    passes(timed=9.9, monotonic=9.9, calendar=9.98)
    clocks.check()


def test_a_core_that_is_lost_between_two_clocks_is_no_jump(passes, monkeypatch):
    read, lost = clock.OTHERS["the monotonic clock"], iter([0.02, 0.0, 0.02, 0.02, 0.0] + 40 * [0.03])

    def late():
        everywhere = next(lost)
        passes(timed=everywhere, monotonic=everywhere, calendar=everywhere)
        return read()

    monkeypatch.setattr(clock, "OTHERS", {"the monotonic clock": late, **{name: of for name, of in clock.OTHERS.items() if of is not read}})
    clocks = clock.Clocks()
    passes(timed=0.5, monotonic=0.5, calendar=0.5)
    clocks.check()
    passes(timed=0.5, monotonic=0.5, calendar=0.5)
    _jumped(clocks, "a clock jumped")  # one that never gets to read them at once cannot tell, and believes none


def test_a_jump_there_and_back_is_a_negative_time(passes):
    clocks = clock.Clocks()
    passes(timed=1.0, monotonic=1.0, calendar=1.0)
    _jumped(clocks, "went backwards", [3600 * SECOND, -3600 * SECOND])


def test_calls_cannot_take_longer_than_has_passed(passes):
    clocks = clock.Clocks()
    passes(timed=1.0, monotonic=1.0, calendar=1.0)
    clocks.check([SECOND // 2, SECOND // 2])
    _jumped(clocks, "the calls took 1.200 s together while 1.000 s passed", [SECOND // 2, 7 * SECOND // 10])
