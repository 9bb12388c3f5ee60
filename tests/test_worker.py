"""The worker's loops: what is timed, in which order, and what makes it refuse."""

from types import SimpleNamespace

import numpy as np
import pytest

from suite import arrays, timing, worker
from suite.errors import CellFailed
from suite.glue import Glue


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
    old, new = timing.abba(timing.block, _recorder(log, "a"), _recorder(log, "b"), 4, 2, 0.0)
    assert old.shape == new.shape == (2, 8)
    length = 4 + timing.DROPPED
    blocks = [log[start : start + length] for start in range(0, len(log), length)]
    assert [block[0][0] for block in blocks] == list("abba" * 2)
    for quad in (blocks[:4], blocks[4:]):
        requests = {side: sorted(i for block in quad for s, i in block if s == side) for side in "ab"}
        assert requests["a"] == requests["b"]
        assert len(set(requests["a"])) == 2 * length, "a request is repeated within a quad"


def test_at_least_three_quads_are_measured_however_short_the_time():
    old, _ = timing.abba(timing.block, lambda index: None, lambda index: None, 3, 0, 0.0)
    assert len(old) == 3


@pytest.mark.parametrize(
    ("call_s", "seconds", "calls"), [(0.0, 0.5, 20), (0.001, 0.5, 20), (0.005, 1.5, 20), (0.005, 0.9, 12), (10.0, 1.5, 3)]
)
def test_blocks_of_slow_models_hold_fewer_calls(call_s, seconds, calls, monkeypatch):
    """Three quads of four blocks, the dropped calls included, fit into a launch: 12 blocks of (12 + 3) calls of 5 ms are 0.9 s."""
    monkeypatch.setattr(timing, "block", lambda call, indices, dropped: [max(1.0, call_s * 1e9)] * 3)
    assert timing.block_length(seconds, lambda index: None, lambda index: None) == calls


def _request(inputs, index, run):
    """A task of one component, which is called twice."""
    run("only", {"x": inputs["x"][:1]})
    return run("only", {"x": inputs["x"][index : index + 1]})


GLUE = Glue(SimpleNamespace(request=_request))


def test_a_timed_run_that_answers_otherwise_is_refused(tmp_path):
    inputs = {"x": np.arange(4.0)[:, None]}
    arrays.save(tmp_path / "references.npz", {f"request:{index}:y": inputs["x"][index : index + 1] * 2 for index in range(3)})
    job = {"references": str(tmp_path / "references.npz")}
    worker._check_outputs(job, GLUE, inputs, lambda component, feed: {"y": feed["x"] * 2})
    with pytest.raises(CellFailed, match="request 1 otherwise") as failed:
        worker._check_outputs(job, GLUE, inputs, lambda component, feed: {"y": feed["x"] * (2.1 if feed["x"][0, 0] == 1 else 2)})
    assert failed.value.status == "invalid_output"


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_an_output_that_is_not_finite_is_refused(value):
    run = worker._finite(lambda component, feed: {"y": np.array([1.0, value])})
    with pytest.raises(CellFailed, match="'vision' gave NaN or infinity in 'y'"):
        run("vision", {})


def test_components_are_timed_apart():
    def run(component, feed):
        return {"y": feed["x"]}

    times = worker._components(GLUE, {"x": np.zeros((64, 1))}, run)
    assert list(times) == [("component", "only"), ("first_call", "only")]
    assert {array.shape for array in times.values()} == {(timing.CALLS,)}
    assert (times["component", "only"] > times["first_call", "only"]).all(), "all calls of a request take longer than the first of them"


def test_after_the_last_item_comes_the_first():
    seen = []
    call = worker._call(lambda inputs, index, run: seen.append((inputs, index, run)), 3, "inputs", "run")
    for index in range(5):
        call(index)
    assert seen == [("inputs", index, "run") for index in (0, 1, 2, 0, 1)]


def test_tokens_are_timed_one_by_one(monkeypatch):
    clock = iter(range(0, 10_000, 10))
    monkeypatch.setattr(timing, "now", lambda: next(clock))
    rows = timing.token_block(lambda index: range(index), range(5), 2)
    assert rows == [(10, 20, 2), (10, 20, 3), (10, 20, 4)], "the clock is read at the start, at the first token and at the end"
    assert timing.token_block(lambda index: (), range(1), 0) == [(0, 10, 0)]
