"""One launch: answers that must be those of the accuracy run, memories that are found out, components timed apart."""

from types import SimpleNamespace

import numpy as np
import pytest

from suite import arrays, breakdown, footprint, launch, loading, timing
from suite.errors import CellFailed
from suite.glue import Glue


def _request(inputs, index, run):
    """A task of one component, which is called twice."""
    run("only", {"x": inputs["x"][:1]})
    return run("only", {"x": inputs["x"][index : index + 1]})


GLUE = Glue(SimpleNamespace(request=_request))


@pytest.fixture
def outputs(tmp_path):
    """The answers of an accuracy run to items 0 and 2 of four."""
    inputs = {"x": np.arange(4.0)[:, None]}
    arrays.save(tmp_path / "references.npz", {f"request:{index}:y": inputs["x"][index : index + 1] * 2 for index in (0, 2)})
    return launch.Outputs({"references": str(tmp_path / "references.npz")}, GLUE, inputs)


def test_a_run_that_answers_otherwise_before_or_after_the_loop_is_refused(outputs):
    outputs.ask(lambda component, feed: {"y": feed["x"] * 2}, 8)
    with pytest.raises(CellFailed, match="request 2 otherwise") as failed:
        outputs.ask(lambda component, feed: {"y": feed["x"] * (2.1 if feed["x"][0, 0] == 2 else 2)}, 8)
    assert failed.value.status == "invalid_output"


def test_answers_of_the_timed_loop_are_kept_where_they_can_be_compared(outputs):
    kept = []
    timing.block(lambda index: {"y": np.array([[2.0 * ((index + 3) % 4)]])}, range(9), 0, outputs.keeper(3, kept))
    assert [index for index, _ in kept] == [0, 2, 0, 2], "from item 3 on: 3 0 1 2 3 0 1 2 3"
    assert outputs.check_kept(kept) == 4


def test_an_answer_that_only_the_timed_loop_gives_is_refused(outputs):
    kept = []
    timing.block(lambda index: {"y": np.array([[0.0]])}, range(4), 0, outputs.keeper(0, kept))
    with pytest.raises(CellFailed, match="request 2 otherwise"):
        outputs.check_kept(kept)


@pytest.mark.parametrize("order", [loading.SIDES, loading.SIDES[::-1]])
def test_both_sides_are_asked_the_same_before_the_loop_and_only_the_artifact_is_checked(outputs, order, monkeypatch):
    """A process that remembers is looked for among items of its own size: here there are too few, and no clock is to decide."""
    monkeypatch.setattr(timing, "block", lambda call, indices, dropped: [call(indices[0]), 100][1:])
    asked = {side: [] for side in order}

    def run(side):
        factor = 2 if side == "compressed" else 3
        return lambda component, feed: asked[side].append(feed["x"].tolist()) or {"y": feed["x"] * factor}

    found = launch._warmed({side: run(side) for side in order}, outputs, dict.fromkeys(order, 0))
    assert found.shape == (2, launch.FRESH)
    assert asked["baseline"] == asked["compressed"] != []
    with pytest.raises(CellFailed, match="request 2 otherwise"):
        launch._warmed({"baseline": run("compressed"), "compressed": run("baseline")}, outputs, dict.fromkeys(order, 0))


def test_both_sides_keep_the_same_answers_of_the_timed_loop(outputs, monkeypatch):
    """What one side keeps, and the other gives back, takes memory from the calls that come after it."""
    alive = {side: [] for side in loading.SIDES}
    monkeypatch.setattr(outputs, "keeper", lambda begin, kept: lambda index, answer: alive[answer["of"]].append((index, id(kept))))
    monkeypatch.setattr(outputs, "check_kept", lambda kept: np.array(len(kept)))
    call = {side: lambda index, side=side: {"of": side} for side in loading.SIDES}
    job = {"seconds": 0.01, "launch": 0, "calls": 3, "quads": 3}
    launch._turns(job, call["baseline"], call["compressed"], outputs, SimpleNamespace(look=lambda: None))
    indices = {side: [index for index, _ in rows] for side, rows in alive.items()}
    assert indices["baseline"] == indices["compressed"] != []
    assert len({kept for rows in alive.values() for _, kept in rows}) == 2, "each has a list of its own"


@pytest.mark.parametrize("size", [1000, 12])
def test_a_machine_that_is_busy_once_makes_no_memory_of_an_artifact(size, monkeypatch):
    asked = []

    def slow_at_first(call, indices, dropped):
        asked.append(indices[0])
        first = asked.count(indices[0]) % 2 == 1
        return [900 if first and len(asked) <= 4 * launch.FRESH else 100]

    monkeypatch.setattr(timing, "block", slow_at_first)
    if size == 12:  # too few items to ask for others
        with pytest.raises(CellFailed, match="takes 11% of the time"):
            launch._probe(lambda index: None, size)
    else:
        assert launch._probe(lambda index: None, size).tolist() == [[100] * launch.FRESH] * 2
        assert len(set(asked)) == 3 * launch.FRESH, "each time other items"


def test_an_artifact_that_remembers_is_found_out():
    work, known = np.ones((300, 300)), {}

    def honest(index):
        return work @ work

    def remembers(index):
        if index not in known:
            known[index] = work @ work
        return known[index]

    times = launch._probe(honest, 100)
    assert times.shape == (2, launch.FRESH)
    assert (times > 0).all()
    with pytest.raises(CellFailed, match="answers from memory") as failed:
        launch._probe(remembers, 100)
    assert failed.value.status == "invalid_output"


def test_what_was_asked_before_is_not_taken_for_new():
    """A process that has asked for the first ten items takes others for the probe."""
    asked = []
    launch._probe(asked.append, 100, known=10)
    assert min(asked) == 11
    assert [asked.count(index) for index in sorted(set(asked))] == [2] * 2 * launch.FRESH


@pytest.mark.parametrize(("number", "first"), [(0, "compressed"), (1, "baseline")])
def test_a_launch_tells_what_the_side_took_that_it_loaded_first(number, first, monkeypatch):
    loaded = []

    def run(job, side):
        loaded.append(side)
        return lambda component, feed: {"y": feed["x"]}

    glue = Glue(SimpleNamespace(request=_request, size=lambda inputs: 4))
    monkeypatch.setattr(loading, "run", run)
    monkeypatch.setattr(loading, "runtime", lambda job: None)
    runs, found = launch._loaded({"launch": number, "footprint": True}, glue, {"x": np.zeros((4, 1))})
    assert loaded == [first, *(side for side in loading.SIDES if side != first)]
    assert set(runs) == set(loading.SIDES)
    assert {name.rpartition(":")[0] for name in found} == {f"footprint:{first}"}
    assert found[f"footprint:{first}:warm_up_ns"].shape == (footprint.REQUESTS,)
    assert launch._loaded({"launch": number}, glue, {"x": np.zeros((4, 1))})[1] == {}, "unless it is asked for, it asks for nothing"
    assert loaded[2:] == loaded[:2]


def test_components_are_timed_apart():
    def run(component, feed):
        return {"y": feed["x"]}

    times = breakdown.components(GLUE, {"x": np.zeros((64, 1))}, run)
    assert list(times) == [("component", "only"), ("first_call", "only")]
    assert {array.shape for array in times.values()} == {(timing.CALLS,)}
    assert (times["component", "only"] > times["first_call", "only"]).all(), "all calls of a request take longer than the first of them"


class _Device:
    """A runner whose device has a clock of its own."""

    def __init__(self):
        self.ns = 0

    def run(self, component, feed):
        return {"y": feed["x"]}

    def device_ns(self, component, feed):
        self.ns += 1
        return self.ns


def test_the_devices_own_clock_is_read_where_there_is_one():
    """Each request calls the component twice: 1 + 2 ns for the first one, 3 + 4 for the next; the first DROPPED are not kept."""
    times = breakdown.on_device(GLUE, {"x": np.zeros((64, 1))}, _Device().run)
    assert times["only"].tolist() == [4 * index + 3 for index in range(timing.DROPPED, timing.DROPPED + timing.CALLS)]
    assert breakdown.on_device(GLUE, {"x": np.zeros((64, 1))}, lambda component, feed: {"y": feed["x"]}) == {}


def test_after_the_last_item_comes_the_first():
    seen = []
    call = loading.call(lambda inputs, index, run: seen.append((inputs, index, run)), 3, "inputs", "run")
    for index in range(5):
        call(index)
    assert seen == [("inputs", index, "run") for index in (0, 1, 2, 0, 1)]
