"""The grade of a session: that of its worst figure, with its reasons; what a platform does not count decides nothing."""

import json
import re
from math import inf, nan

import msgspec
import numpy as np
import pytest
from conftest import ROOT

from suite.figures import GRADES, RANKED, Health
from suite.health import RULES, health, session
from suite.watch import FIGURES, Watch

QUIET = {"wall_s": 0.5, "cpu_wall": 1.0, "waiting": 0.001, "steal": 0.0, "quota": 0.0, "switches": 6.0, "faults": 0.0, "cpu_pressure": 0.01,
         "memory_pressure": 0.0, "io_pressure": 0.0, "run_queue": 0.0, "throttled": 0.0, "frequency_khz": 2e6}  # fmt: skip


def columns(launches=3, looks=3, control=100_000, **figures):
    """A quiet session, but for what is given: a number for all spans or an array of them."""
    found = {f"host:{name}": np.broadcast_to(value, (launches, looks - 1)).astype(float) for name, value in (QUIET | figures).items()}
    return {"control_ns": np.broadcast_to(np.asarray(control), (launches, looks, 25)), **found}


def test_a_quiet_session_is_an_a_and_gives_no_reasons():
    found = health(columns())
    assert (found.grade, found.reasons, found.missing, found.ranked) == ("A", (), (), True)


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.figure)
def test_a_value_at_a_limit_still_has_its_grade_and_one_beyond_it_the_next(rule):
    assert sorted(rule.limits, reverse=rule.lowest) == list(rule.limits)
    for index, limit in enumerate(rule.limits):
        if limit != inf:
            assert rule.grade(limit) <= index
            assert rule.grade(limit + (-1e-9 if rule.lowest else 1e-9)) > index
    assert rule.words.format(0.5)


@pytest.mark.parametrize(
    ("changed", "grade", "reason"),
    [
        ({"waiting": 0.5, "cpu_wall": 0.5}, "E", "its process waited for a core for 50.0% of the time (E)"),
        ({"steal": 0.04}, "C", "the hypervisor took 4.0% of its cores (C)"),
        ({"quota": 0.2}, "E", "the container was held back for 20.0% of the time by its CPU quota (E)"),
        ({"memory_pressure": 0.9}, "F", "tasks waited for memory for 90.0% of the time (F)"),
        ({"cpu_pressure": 1.0}, "B", "tasks waited for a core for 100% of the time, others than this one too (B)"),
        ({"run_queue": 50.0}, "B", "50.0 other tasks ran beside it (B)"),
        ({"frequency_khz": [[2e6, 2e6], [2e6, 1.4e6], [2e6, 2e6]]}, "D", "the clock fell to 70% of its highest (D)"),
        ({"throttled": [[0, 0], [0, 1], [0, 0]]}, "C", "the processor throttled itself in 17% of the parts (C)"),
        ({"control": [[[9]] * 3, [[9]] * 3, [[9], [13.5], [9]]]}, "D", "the machine's own speed changed by 50.0% (control kernel) (D)"),
    ],
)  # fmt: skip
def test_the_worst_figure_grades_a_session(changed, grade, reason):
    found = health(columns(**changed))
    assert found.grade == grade
    assert found.reasons[0] == reason
    assert found.ranked is (grade in RANKED)


def test_the_worst_reason_comes_first():
    found = health(columns(switches=60.0, steal=0.2, waiting=0.06))
    assert [reason[-2] for reason in found.reasons] == ["E", "C", "B"]


def test_several_threads_count_as_no_more_than_a_core():
    assert health(columns(cpu_wall=1.98)).grade == "A"


def test_a_launch_without_its_core_counts_although_the_others_had_theirs():
    had = [[1.0, 1.0], [0.5, 0.5], [1.0, 1.0]]
    assert session(columns(cpu_wall=had))["cpu_wall"] == 0.5


def test_a_span_weighs_as_long_as_it_lasted():
    assert session(columns(wall_s=[[0.9, 0.1]] * 3, waiting=[[0.0, 0.5]] * 3))["waiting"] == pytest.approx(0.05)


def test_one_slow_call_of_the_control_is_no_change_of_speed():
    control = np.full((3, 3, 25), 100)
    control[1, 1, 7] = 900
    assert health(columns(control=control)).grade == "A"


def test_what_is_not_counted_is_named_and_decides_nothing():
    unknown = dict.fromkeys(
        ("waiting", "steal", "quota", "cpu_pressure", "memory_pressure", "io_pressure", "run_queue", "throttled", "frequency_khz"), nan
    )
    found = health(columns(**unknown))
    assert found.grade == "A"
    assert set(found.missing) == (set(unknown) - {"frequency_khz"}) | {"frequency"}
    assert all(found.figures[name] is None for name in found.missing)
    assert health(columns(**unknown | {"cpu_wall": 0.5})).grade == "E"


def test_a_span_that_is_not_counted_leaves_the_others():
    assert session(columns(steal=[[nan, 0.1]] * 3))["steal"] == pytest.approx(0.1)


def test_a_session_that_nobody_watched_has_no_grade():
    assert health({"baseline_ns": np.ones((1, 1, 1))}) is None


def test_what_the_worker_sees_can_be_graded_and_written():
    seen = Watch()
    seen.look()
    seen.look()
    found = health({name: array[None] for name, array in seen.columns().items()})
    assert found.grade in GRADES
    assert msgspec.json.decode(msgspec.json.encode(found), type=Health) == found
    assert all(value is None or np.isfinite(value) for value in json.loads(msgspec.json.encode(found))["figures"].values())


def test_every_rule_has_its_figure_from_the_worker():
    assert {rule.figure for rule in RULES} - {"control_spread", "frequency"} <= set(FIGURES)


def test_the_documents_have_the_limits_that_are_used():
    """docs/measurement.md has one row for each rule that can cost the rank, with its five limits in order."""
    text = (ROOT / "docs" / "measurement.md").read_text(encoding="utf-8").partition("## Host health")[2].partition("## Energy")[0]
    columns = ([cell.strip() for cell in line.strip("| ").split("|")[1:6]] for line in text.splitlines() if line.startswith("| "))
    limits = [row for row in columns if all(re.fullmatch(r"[\d.]+( %)?", cell) for cell in row)]
    told = [tuple(float(cell.removesuffix(" %")) / (100 if "%" in cell else 1) for cell in row) for row in limits]
    for rule in RULES:
        if inf not in rule.limits and rule.figure != "throttled":
            assert any(row == pytest.approx(rule.limits) for row in told), rule.figure
