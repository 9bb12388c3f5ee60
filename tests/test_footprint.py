"""What is paid before the first answer: read in a process of its own that has loaded nothing yet."""

import multiprocessing
import sys
from types import SimpleNamespace

import numpy as np
import pytest

from suite import arrays, footprint, measure

LINUX = pytest.mark.skipif(sys.platform != "linux", reason="only Linux tells the peak of the resident set")
MIB = 1 << 20


@pytest.fixture
def job(monkeypatch, tmp_path):
    yield from _job(monkeypatch, tmp_path)


def _job(monkeypatch, tmp_path):
    """A model that takes 80 MiB to load, keeps 40 of them, and 100 more for an answer: too much for a heap to have it ready."""
    held = []

    def run(job, side):
        np.ones(80 * MIB, np.uint8)
        held.append(np.ones(40 * MIB, np.uint8))
        return lambda component, feed: np.ones(100 * MIB, np.uint8)

    task = SimpleNamespace(request=lambda inputs, index, run: run("only", {}), size=lambda inputs: 4)
    monkeypatch.setattr(footprint.loading, "run", run)
    monkeypatch.setattr(footprint.loading, "runtime", lambda job: None)
    monkeypatch.setattr(footprint.loading, "model_part", lambda model, part: task)
    arrays.save(tmp_path / "inputs.npz", {"x": np.zeros(4)})
    yield {"model": "any", "threads": 2, "side": "compressed", "inputs": tmp_path / "inputs.npz", "out": tmp_path / "out.npz"}
    held.clear()


def _footprint(folder):
    with pytest.MonkeyPatch.context() as patch:
        for job in _job(patch, folder):
            footprint.footprint(job, lambda *_: None)


@LINUX
def test_memory_is_counted_above_the_process_without_a_model(tmp_path):
    # here, what older tests left would be freed meanwhile
    child = multiprocessing.get_context("spawn").Process(target=_footprint, args=(tmp_path,))
    child.start()
    child.join()
    found = arrays.load(tmp_path / "out.npz")
    assert 78 * MIB < found["load_bytes"] < 95 * MIB
    assert 138 * MIB < found["inference_bytes"] < 155 * MIB, "the 40 that it keeps, and 100 for an answer"


def test_the_first_requests_are_timed_one_by_one(job):
    footprint.footprint(job, lambda *_: None)
    found = arrays.load(job["out"])
    assert found["warm_up_ns"].shape == (footprint.REQUESTS,)
    assert (found["warm_up_ns"] > 0).all()
    assert found["load_ns"] > 0


def test_where_the_platform_tells_no_memory_it_is_not_a_number(job, monkeypatch, tmp_path):
    monkeypatch.setattr(footprint, "STATUS", tmp_path / "none")
    monkeypatch.setattr(footprint, "RESET", tmp_path / "no/such")
    footprint.footprint(job, lambda *_: None)
    found = arrays.load(job["out"])
    assert np.isnan([found["load_bytes"], found["inference_bytes"]]).all()


@pytest.mark.parametrize(("launches", "more"), [(2, ["baseline", "compressed"]), (3, ["baseline"]), (4, []), (7, [])])
def test_launches_that_loaded_a_side_first_are_taken_and_others_only_where_these_are_few(launches, more):
    asked = []

    def launch(do, side):
        asked.append(side)
        return {}, {"load_ns": np.array(1000 + len(asked))}

    session = SimpleNamespace(effort=SimpleNamespace(others=2), launch=launch)
    sides = ("compressed", "baseline")
    paired = [{"baseline_ns": np.array([1]), f"footprint:{sides[n % 2]}:load_ns": np.array(n)} for n in range(launches)]
    found = measure._footprints(session, paired)
    assert asked == more
    assert {name: array.shape for name, array in found.items()} == {f"footprint:{side}:load_ns": (2,) for side in sides}
    assert found["footprint:compressed:load_ns"][0] == 0
    assert found["footprint:baseline:load_ns"][0] == 1
