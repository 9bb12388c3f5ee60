"""The timed loops: what is timed, in which order."""

from functools import partial

import pytest

from suite import timing


def _recorder(log, side):
    return lambda index: log.append((side, index))


def test_a_block_times_every_call_but_the_dropped_ones():
    log = []
    times = timing.block(_recorder(log, "a"), range(40, 63), 3)
    assert log == [("a", index) for index in range(40, 63)]
    assert len(times) == 20
    assert all(isinstance(time, int) and time >= 0 for time in times)


def test_sides_take_turns_in_the_order_abba_and_answer_the_same_requests():
    log = []
    old, new = timing.abba(partial(timing.block, _recorder(log, "a")), partial(timing.block, _recorder(log, "b")), 4, 2, 0.0)
    assert old.shape == new.shape == (2, 8)
    length = 4 + timing.DROPPED
    blocks = [log[start : start + length] for start in range(0, len(log), length)]
    assert [block[0][0] for block in blocks] == list("abba" * 2)
    for quad in (blocks[:4], blocks[4:]):
        requests = {side: sorted(i for block in quad for s, i in block if s == side) for side in "ab"}
        assert requests["a"] == requests["b"]
        assert len(set(requests["a"])) == 2 * length, "a request is repeated within a quad"


def test_at_least_three_quads_are_measured_however_short_the_time():
    old, _ = timing.abba(*(partial(timing.block, lambda index: None),) * 2, 3, 0, 0.0)
    assert len(old) == 3


@pytest.mark.parametrize(
    ("call_s", "seconds", "calls"), [(0.0, 0.5, 20), (0.001, 0.5, 20), (0.005, 1.5, 20), (0.005, 0.9, 12), (10.0, 1.5, 3)]
)
def test_blocks_of_slow_models_hold_fewer_calls(call_s, seconds, calls, monkeypatch):
    """Three quads of four blocks, the dropped calls included, fit into a launch: 12 blocks of (12 + 3) calls of 5 ms are 0.9 s."""
    monkeypatch.setattr(timing, "block", lambda call, indices, dropped: [max(1.0, call_s * 1e9)] * 3)
    assert timing.block_length(seconds, lambda index: None, lambda index: None) == calls


def test_tokens_are_timed_one_by_one(monkeypatch):
    clock = iter(range(0, 10_000, 10))
    monkeypatch.setattr(timing, "now", lambda: next(clock))
    rows = timing.token_block(lambda index: range(index), range(5), 2)
    assert rows == [(10, 20, 2), (10, 20, 3), (10, 20, 4)], "the clock is read at the start, at the first token and at the end"
    assert timing.token_block(lambda index: (), range(1), 0) == [(0, 10, 0)]


def test_every_answer_is_handed_over_after_its_clock_has_stopped(monkeypatch):
    events = []
    monkeypatch.setattr(timing, "now", lambda: events.append("clock") or len(events))
    timing.block(lambda index: events.append("call") or index * 10, range(2), 1, lambda *answer: events.append(answer))
    assert events == ["clock", "call", "clock", (0, 0), "clock", "call", "clock", (1, 10)]
