"""Instructions of single requests: which are counted, in which order, and how the marks of the emulator are read."""

import json

import numpy as np
import pytest
from conftest import PLUGINS

from suite import arrays, counting, plugins
from suite.errors import CellFailed

LINES = [{"all": 1000}, {"all": 1100, "fmla": 10}, {"all": 1200, "fmla": 10}, {"all": 1250, "fmla": 10, "dot": 4}]
"""The marks around a baseline's request and those around an artifact's."""


def write(path, lines):
    path.write_text("".join(json.dumps(line) + "\n" for line in lines))
    return path


def later(lines, turns):
    """The same counts for each request in turn, on counters that go on; like the plug-in, without those that are zero."""
    steps = {"all": 300, "fmla": 10, "dot": 4}
    counts = [{name: line.get(name, 0) + turn * step for name, step in steps.items()} for turn in range(turns) for line in lines]
    return [{name: count for name, count in line.items() if count} for line in counts]


def test_counts_are_those_between_two_marks(tmp_path):
    found = counting.read(write(tmp_path / "counts", later(LINES, counting.REQUESTS)))
    assert found["baseline"] == {"all": [100] * 3, "fmla": [10, 10, 10]}
    assert found["compressed"] == {"all": [50] * 3, "dot": [4, 4, 4]}, "what the other side did before does not count"


@pytest.mark.parametrize("lines", [[], LINES])
def test_marks_that_are_missing_are_no_counts(lines, tmp_path):
    with pytest.raises(CellFailed, match=f"wrote {len(lines)} counts for 12 marks"):
        counting.read(write(tmp_path / "counts", lines))


def test_without_an_emulator_nothing_is_counted(tmp_path):
    counting.mark()
    with pytest.raises(CellFailed, match="wrote 0 counts"):
        counting.read(tmp_path / "counts")


def test_both_sides_answer_the_same_different_requests_in_turn_after_some_that_are_not_counted(tmp_path, monkeypatch):
    plugins.add({"suite.models": [str(PLUGINS / "models")]})
    asked = []
    monkeypatch.setattr(counting, "mark", lambda: asked.append("mark"))
    monkeypatch.setattr(counting, "read", lambda path: {"path": path})
    glue = counting.loading.glue({"model": "tiny_matcher"})
    monkeypatch.setattr(glue.module, "request", lambda inputs, index, run: asked.append((run("side", {}), index)))
    arrays.save(tmp_path / "inputs.npz", {"images": np.zeros((5, 2)), "names": np.zeros((5, 2))})
    monkeypatch.setattr(type(glue), "size", lambda self, inputs: 5)
    monkeypatch.setattr(counting.loading, "run", lambda job, side: lambda component, feed: side)
    job = {"model": "tiny_matcher", "inputs": str(tmp_path / "inputs.npz"), "counts": "somewhere"}
    found = counting.count(job, lambda done, total, text: None)
    assert str(found["counts"]["path"]) == "somewhere"
    turns = [["mark", (side, index), "mark"] for index in range(3) for side in counting.SIDES]
    warm_up = [(side, index) for index in (3, 4) for side in counting.SIDES]
    assert asked == [*warm_up, *(step for turn in turns for step in turn)]
