"""Requests together: stacked call by call, checked against the same requests alone, refused where they cannot be stacked."""

from types import SimpleNamespace

import numpy as np
import pytest

from suite import arrays, scenarios
from suite.contracts import Component, NotApplicable, Tensor
from suite.glue import Glue

STEPS = np.array([1, 3, 2, 3])
"""Decoder calls of each item."""

CARD = {
    "encoder": Component("encoder", "vision", (Tensor("x", "float32", ("batch", 2)),), (Tensor("h", "float32", ("batch", 2)),)),
    "decoder": Component(
        "decoder",
        "decoder",
        (Tensor("h", "float32", ("batch", 2)), Tensor("past", "float32", ("batch", "past"))),
        (Tensor("present", "float32", ("batch", "present")),),
    ),
}


def _request(inputs, index, run):
    """An encoder, then a decoder that reads what it wrote before, as often as the item says."""
    h = run("encoder", {"x": inputs["x"][index : index + 1]})["h"]
    past = np.zeros((1, 0), np.float32)
    for _ in range(STEPS[index]):
        past = run("decoder", {"h": h, "past": past})["present"]
    return {"y": past}


def _run(component, feed):
    if component == "encoder":
        return {"h": feed["x"] * 2}
    return {"present": np.concatenate([feed["past"], feed["h"].sum(1, keepdims=True)], 1)}


GLUE = Glue(SimpleNamespace(request=_request))
INPUTS = {"x": np.arange(8, dtype=np.float32).reshape(4, 2)}


def test_calls_are_stacked_turn_by_turn_as_far_as_each_request_has_one():
    (stacked, turns), *_ = scenarios._groups(GLUE, INPUTS, _run, CARD, 4)
    assert [name for name, _ in stacked] == ["encoder", "decoder", "decoder", "decoder"]
    assert [len(turn) for turn in turns] == [4, 4, 3, 2]
    assert np.array_equal(stacked[0][1]["x"], INPUTS["x"])
    assert [feed["past"].shape for _, feed in stacked[1:]] == [(4, 0), (3, 1), (2, 2)]
    assert scenarios._deviation(_run, stacked, turns) == 0.0


def test_how_far_outputs_lie_from_those_of_the_same_request_alone():
    """Something that depends on the whole batch, as the range of dynamic quantization does."""
    ((stacked, turns), *_) = scenarios._groups(GLUE, INPUTS, _run, CARD, 4)

    def shifted(component, feed):
        outputs = _run(component, feed)
        return {name: array + (0.01 * array.max() if component == "encoder" else 0) for name, array in outputs.items()}

    assert scenarios._deviation(shifted, stacked, turns) == pytest.approx(0.01, rel=1e-5)


@pytest.mark.parametrize(
    ("shape", "feeds", "reason"),
    [
        (("batch", "words"), [np.zeros((1, 3)), np.zeros((1, 4))], "differs in length"),
        (("words",), [np.zeros(3), np.zeros(3)], "has no axis named batch"),
    ],
)
def test_what_cannot_be_stacked_is_a_reason(shape, feeds, reason):
    component = Component("text", "text", (Tensor("ids", "float32", shape),), ())
    with pytest.raises(NotApplicable, match=reason):
        scenarios._stacked(component, [{"ids": feed} for feed in feeds])


def test_one_request_needs_no_batch():
    component = Component("text", "text", (Tensor("ids", "float32", ("words",)),), ())
    assert scenarios._stacked(component, [{"ids": np.arange(3)}])["ids"].tolist() == [0, 1, 2]


def test_an_output_that_does_not_grow_with_the_batch_is_a_reason():
    ((stacked, turns), *_) = scenarios._groups(GLUE, INPUTS, _run, CARD, 4)
    with pytest.raises(NotApplicable, match="does not grow with the batch"):
        scenarios._deviation(lambda component, feed: {name: array[:1] for name, array in _run(component, feed).items()}, stacked, turns)


def test_both_sides_are_timed_in_groups_of_their_own(monkeypatch, tmp_path):
    batches = {"baseline": set(), "compressed": set()}

    def loaded(job, side):
        def run(component, feed):
            batches[side].add(len(next(iter(feed.values()))))
            return _run(component, feed)

        return run

    task = SimpleNamespace(request=_request, CARD=SimpleNamespace(components=tuple(CARD.values())))
    monkeypatch.setattr(scenarios.loading, "run", loaded)
    for module in (scenarios, scenarios.loading):
        monkeypatch.setattr(module, "model_part", lambda model, part: task)
    arrays.save(tmp_path / "inputs.npz", INPUTS)
    job = {"model": "any", "threads": 2, "batch": 2, "seconds": 0.01, "inputs": tmp_path / "inputs.npz", "out": tmp_path / "out.npz"}
    said = scenarios.scenario(job, lambda *_: None)
    found = arrays.load(job["out"])
    assert found["baseline_ns"].shape == found["compressed_ns"].shape == (said["quads"], 2 * said["calls"])
    assert batches == {"baseline": {1, 2}, "compressed": {1, 2}}, "alone to record, together to be timed"
    assert {"host:cpu_wall", "host:waiting", "deviation"} < set(found)
