"""The worker: what it refuses in an accuracy run, and which answers it keeps for the timed one."""

from types import SimpleNamespace

import numpy as np
import pytest

from suite import arrays, worker
from suite.errors import CellFailed


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_an_output_that_is_not_finite_is_refused(value):
    run = worker._finite(lambda component, feed: {"y": np.array([1.0, value])})
    with pytest.raises(CellFailed, match="'vision' gave NaN or infinity in 'y'"):
        run("vision", {})


@pytest.mark.parametrize("timed", [True, False])
def test_answers_are_kept_of_requests_from_all_over_the_test(monkeypatch, tmp_path, timed):
    """Whichever part of the items a launch times, some of them can be compared; where nothing will be timed, none is asked for."""
    task = SimpleNamespace(
        predict=lambda inputs, items, run, advance: {"y": np.zeros(items)},
        request=lambda inputs, index, run: {"y": inputs["x"][index : index + 1]},
    )
    monkeypatch.setattr(worker.loading, "run", lambda job, side: None)
    monkeypatch.setattr(worker.loading, "model_part", lambda model, part: task)
    arrays.save(tmp_path / "inputs.npz", {"x": np.arange(1000.0)})
    job = {"model": "any", "inputs": tmp_path / "inputs.npz", "items": 640, "out": tmp_path / "out.npz", "timed": timed}
    worker.evaluate(job, lambda *_: None)
    found = arrays.load(tmp_path / "out.npz")
    kept = {int(name.split(":")[1]): array for name, array in found.items() if name.startswith("request:")}
    assert sorted(kept) == (list(range(0, 640, 10)) if timed else [])
    assert all(array == [index] for index, array in kept.items())
