"""Our loop beside MLPerf LoadGen: the arithmetic and the refusals without it, both loops where it is installed."""

import dataclasses
import importlib.util
import json
import os

import pytest
from conftest import PLUGINS

from suite import crosscheck, registry
from suite.errors import CellFailed, UsageError

TARGET = registry.discover().targets["x86_cpu_ort"]
MISSING = importlib.util.find_spec("mlperf_loadgen") is None


def _result(ours, loadgen, busy=0.95, answers=None):
    times = {"ours_ns": ours, "loadgen_ns": loadgen, "answers_ns": answers or loadgen}
    return {"calls": 64, **times, "ours_cpu_wall": [1.0] * len(ours), "loadgen_cpu_wall": [busy] * len(ours)}


def test_the_difference_is_that_of_the_quads():
    """The machine slows down threefold from the first quad to the last, and LoadGen is 1 % slower all along, at p90 3 %."""
    ours = [[1e6 * pace, 2e6 * pace] for pace in (1, 1, 2, 2, 3, 3)]
    found = crosscheck.summarize(_result(ours, [[p50 * 1.01, p90 * 1.03] for p50, p90 in ours]))
    assert [row.difference for row in found.agreements] == pytest.approx([0.01, 0.03])
    assert [row.ours_ms for row in found.agreements] == [2.0, 4.0]
    assert [row.holds for row in found.agreements] == [True, False]
    assert not found.holds
    assert (found.calls, found.blocks, found.ours_cpu_wall, found.loadgen_cpu_wall) == (64, 6, 1.0, 0.95)
    assert not found.disturbed


def test_what_loadgen_adds_to_its_answers_is_told_apart():
    """The machine slows down threefold; the answers in LoadGen's requests take 1 % longer than ours, and LoadGen adds 30 us and 50 us."""
    ours = [[0.5e6 * pace, 0.6e6 * pace] for pace in (1, 1, 1, 1, 3, 3)]
    answers = [[p50 * 1.01, p90 * 1.01] for p50, p90 in ours]
    found = crosscheck.summarize(_result(ours, [[p50 + 30e3, p90 + 50e3] for p50, p90 in answers], answers=answers))
    assert [row.answers_difference for row in found.agreements] == pytest.approx([0.01, 0.01])
    assert [row.own_us for row in found.agreements] == pytest.approx([30, 50])
    assert [row.answers_ms for row in found.agreements] == pytest.approx([0.505, 0.606])
    assert all(row.answers_hold for row in found.agreements)
    assert not any(row.holds for row in found.agreements)
    assert not found.holds, "the claim is about LoadGen's own figures"


def test_one_disturbed_quad_does_not_decide():
    ours = [[1e6, 1e6]] * 6
    found = crosscheck.summarize(_result(ours, [*ours[:5], [9e6, 9e6]]))
    assert found.holds
    assert found.agreements[0].difference == pytest.approx(0)


def test_a_process_without_its_core_is_said_to_be_disturbed():
    assert crosscheck.summarize(_result([[1e6, 1e6]] * 6, [[1e6, 1e6]] * 6, busy=0.5)).disturbed


@pytest.mark.parametrize("share", [-0.03, 0.03])
def test_being_faster_is_no_agreement_either(share):
    found = crosscheck.summarize(_result([[1e6, 1e6]] * 6, [[1e6 * (1 + share)] * 2] * 6))
    assert not found.holds
    assert not any(row.answers_hold for row in found.agreements)


def test_without_loadgen_one_sentence_says_what_brings_it(monkeypatch):
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    with pytest.raises(UsageError, match=r"pip install 'squeezemark\[loadgen\]'"):
        crosscheck.check_ready(TARGET)


@pytest.mark.parametrize("change", [{"ranks_latency": False}, {"environment": "arm-emulated"}])
def test_where_no_clock_counts_nothing_is_checked(change, monkeypatch):
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: object())
    with pytest.raises(UsageError, match="nothing can be checked"):
        crosscheck.check_ready(dataclasses.replace(TARGET, **change))


@pytest.mark.skipif(not MISSING, reason="LoadGen is installed")
def test_the_command_says_so_too(squeezemark, tmp_path):
    done = squeezemark("crosscheck", "tiny_matcher", "--plugins", PLUGINS, "--work", tmp_path)
    assert done.returncode == 2
    assert "squeezemark[loadgen]" in done.stderr
    assert list(tmp_path.iterdir()) == [], "something was made for nothing"


@pytest.mark.skipif(MISSING, reason="LoadGen is not installed")
def test_both_loops_time_the_same_requests(squeezemark, work):
    """A request of the tiny model takes less than LoadGen's own bookkeeping may differ by, so that nothing is said of the agreement."""
    command = ("crosscheck", "tiny_matcher", "--method", "dynamic_int8/per_channel", "--plugins", PLUGINS, "--work", work, "--seconds", 1)
    done = squeezemark(*command, "--json")
    assert done.returncode in (0, 1), done.stderr
    found = json.loads(done.stdout)
    assert found["name"] == "tiny_matcher · dynamic_int8/per_channel · x86_cpu_ort"
    assert found["blocks"] >= 6
    assert 64 <= found["calls"] <= 1024
    assert [row["percentile"] for row in found["agreements"]] == ["p50", "p90"]
    for row in found["agreements"]:
        assert 0 < row["ours_ms"] < 100
        assert 0 < row["answers_ms"] < row["loadgen_ms"] < 100
        assert row["own_us"] > 0
    table = squeezemark(*command)
    assert "within 2%" in table.stdout or "beyond 2%" in table.stdout
    assert "what it adds to them" in table.stdout
    assert table.stdout.count(" us") == 2
    assert not list(work.glob("cell-*")), "what was made is left behind"


@pytest.mark.skipif(MISSING, reason="LoadGen is not installed")
def test_loadgen_asks_for_the_same_items_each_time_and_ours_answers_them():
    from suite import loadgen

    seen: list[int] = []
    block, asked = loadgen.loadgen(seen.append, 100, 64, os.sched_getaffinity(0))
    assert seen == asked
    assert len(asked) == 64
    assert set(asked) <= set(range(100))
    assert loadgen.loadgen(seen.append, 100, 64, os.sched_getaffinity(0))[1] == asked
    seen.clear()
    mine = loadgen.ours(seen.append, asked)
    assert seen == asked
    assert 0 < mine.ns[0] <= mine.ns[1]
    assert 0 < block.answers_ns[0] < block.ns[0] <= block.ns[1], "an answer is a part of its request"
    assert mine.answers_ns == mine.ns


@pytest.mark.skipif(MISSING, reason="LoadGen is not installed")
def test_loadgens_own_threads_are_not_on_the_core_that_answers():
    """They are born where the thread is that asks, and what they do there is taken from the answers."""
    from suite import loadgen

    cores, known, seen = os.sched_getaffinity(0), set(os.listdir("/proc/self/task")), {}
    if len(cores) < 2:
        pytest.skip("this machine has one core for all threads")
    mine = {max(cores)}

    def answer(item: int) -> None:
        seen.update({name: os.sched_getaffinity(int(name)) for name in set(os.listdir("/proc/self/task")) - known})

    os.sched_setaffinity(0, mine)
    try:
        loadgen.loadgen(answer, 100, 64, cores - mine)
        assert os.sched_getaffinity(0) == mine, "the thread that answers stays"
    finally:
        os.sched_setaffinity(0, cores)
    assert seen, "LoadGen has threads of its own"
    assert all(found == cores - mine for found in seen.values()), seen


@pytest.mark.skipif(MISSING, reason="LoadGen is not installed")
def test_a_test_that_loadgen_calls_invalid_is_refused():
    from suite import loadgen

    lines = ['{"key": "result_validity", "value": "INVALID"}', '{"key": "result_50.00_percentile_latency_ns", "value": 5}']
    with pytest.raises(CellFailed, match="INVALID"):
        loadgen.percentiles("\n".join(f":::MLLOG {line}" for line in lines))
    with pytest.raises(CellFailed, match="unfinished"):
        loadgen.percentiles("")
