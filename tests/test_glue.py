"""The glue of a model with its defaults, and each thing that it can do wrong in words."""

from types import SimpleNamespace

import numpy as np
import pytest

from suite.errors import CellFailed
from suite.glue import Glue, words

INPUTS = {"x": np.arange(8.0).reshape(4, 2), "y": np.zeros((4, 1))}


def _request(inputs, index, run):
    return {"sum": run("only", {"x": inputs["x"][index : index + 1]})["s"][0]}


def _run(component, feed):
    return {"s": feed["x"].sum(1)}


def glue(**functions):
    return Glue(SimpleNamespace(request=_request, **functions))


def test_request_is_enough():
    told = []
    found = glue().predict(INPUTS, 3, _run, told.append)
    assert {name: column.tolist() for name, column in found.items()} == {"sum": [1.0, 5.0, 9.0]}
    assert told == [1, 2, 3]
    assert glue().size(INPUTS) == 4
    assert glue().slices({}) == {}
    assert words(SimpleNamespace(), {}, found) is None
    assert not glue().streams


def test_what_a_model_has_of_its_own_is_used():
    own = glue(
        size=lambda inputs: 2,
        predict=lambda inputs, items, run, advance: {"one": np.ones(items)},
        slices=lambda labels: {"half": np.array(["a", "b"])},
        stream=lambda inputs, index, run: iter([index]),
    )
    assert own.size(INPUTS) == 2
    assert own.predict(INPUTS, 3, _run, print)["one"].tolist() == [1, 1, 1]
    assert own.slices({})["half"].tolist() == ["a", "b"]
    said = SimpleNamespace(truths=lambda labels: ["yes", "no", "no"], answers=lambda labels, predictions: ["no", "no"])
    assert words(said, {}, {}) == (["yes", "no"], ["no", "no"])
    assert own.streams
    assert list(own.stream(INPUTS, 5, _run)) == [1]


def test_after_the_last_item_comes_the_first():
    assert glue().request(INPUTS, 4, _run)["sum"] == glue().request(INPUTS, 0, _run)["sum"] == 1


@pytest.mark.parametrize(
    ("predict", "sentence"),
    [
        (lambda *_: None, "predicts nothing"),
        (lambda *_: {}, "predicts nothing"),
        (lambda *_: {"a": [1, 2, 3]}, "'a' is not an array of numbers"),
        (lambda *_: {"a": np.array(["x", "y", "z"])}, "words belong into answers"),
        (lambda *_: {"a": np.zeros(2)}, "'a' has 2 rows for 3 items"),
        (lambda *_: {"a": np.zeros(3, np.uint64)}, "'a' is uint64, which no record holds"),
    ],
)
def test_predictions_that_are_none(predict, sentence):
    with pytest.raises(CellFailed, match=sentence) as failed:
        glue(predict=predict).predict(INPUTS, 3, _run, print)
    assert failed.value.status == "invalid_output"


def test_answers_of_different_shapes_cannot_be_stacked():
    uneven = Glue(SimpleNamespace(request=lambda inputs, index, run: {"ids": np.zeros(index + 1)}))
    with pytest.raises(CellFailed, match=r"ids \(1,\) and ids \(2,\)"):
        uneven.predict(INPUTS, 2, _run, lambda done: None)


@pytest.mark.parametrize(
    ("scores", "sentence"),
    [
        (None, "gives nothing for top_1"),
        ({"other": np.ones(2, bool)}, "gives nothing for top_1"),
        ({"top_1": np.ones(3, bool)}, r"in the shape \(3,\), not \(2,\)"),
        ({"top_1": np.ones(2, int)}, "as int64, not as bool or float64"),
        ({"top_1": np.array([0.5, np.nan])}, "NaN or infinity"),
    ],
)
def test_scores_that_are_none(scores, sentence):
    with pytest.raises(CellFailed, match=sentence):
        glue(score=lambda labels, predictions: scores).score({}, {"a": np.zeros(2)}, ("top_1",))


def test_labels_out_of_range_are_told():
    names = np.array(["zero", "one"])
    own = glue(score=lambda labels, predictions: {"top_1": names[predictions["a"]] == names[labels["digit"]]})
    with pytest.raises(CellFailed, match="scoring the predictions raised IndexError: index 7 is out of bounds"):
        own.score({"digit": np.array([0, 7])}, {"a": np.zeros(2, int)}, ("top_1",))


def test_scores_keep_their_kind():
    own = glue(score=lambda labels, predictions: {"right": np.array([True, False]), "degree": np.array([0.25, 1], np.float32), "more": 1})
    found = own.score({}, {"a": np.zeros(2)}, ("right", "degree"))
    assert {name: column.dtype for name, column in found.items()} == {"right": bool, "degree": np.float64}


def test_data_without_inputs():
    with pytest.raises(CellFailed, match="no inputs at all"):
        glue().size({})
