"""The doctor's sentences about the machine: what is as it should be, what is not, and what to do about it."""

import json
import os
import subprocess
import sys
from math import nan

import psutil
import pytest
from msgspec.structs import replace

from suite import disturbances, environment
from suite.disturbances import Process, busy, findings, session
from suite.figures import GRADES, Health

GRADE = Health("A", (), {"memory_pressure": 0.0}, ())


@pytest.fixture
def told(monkeypatch):
    """The words about one thing for an environment and a state of the machine, and whether it is fine."""

    def look(name, *, isolated="", cores=(0, 1), processes=(), swap=0, throttles=nan, grade=GRADE, **changes):
        monkeypatch.setattr(disturbances.facts, "text", lambda path: isolated if path.endswith("isolated") else None)
        monkeypatch.setattr(disturbances, "_last_core", lambda: max(cores) if cores else None)
        monkeypatch.setattr(disturbances, "busy", lambda: processes)
        monkeypatch.setattr(disturbances, "session", lambda: grade)
        monkeypatch.setattr(disturbances, "counters", lambda: {"throttles": throttles})
        monkeypatch.setattr(psutil, "swap_memory", lambda: type("Swap", (), {"used": swap}))
        now = replace(environment.read(), cores=len(cores) or 2, **changes)
        (found,) = (finding for finding in findings(now) if finding.name == name)
        return found.fine, found.words

    return look


@pytest.mark.parametrize(
    ("name", "state", "fine", "words"),
    [
        ("turbo", {"turbo": True}, False, "no_turbo"),
        ("turbo", {"turbo": False}, True, "off"),
        ("turbo", {"turbo": None}, True, "not to be read here"),
        ("smt", {"smt": True}, False, "/sys/devices/system/cpu/smt/control"),
        ("smt", {"smt": False}, True, "off"),
        ("smt", {"smt": None}, True, "not to be read"),
        ("cores", {"cores": (0, 1, 5)}, True, "timed on core 5: keep other work off it (`taskset`, or boot with isolcpus=5)"),
        ("cores", {"cores": (0, 5), "isolated": "2-3,5"}, True, "core 5, which is isolated"),
        ("cores", {"cores": (0, 1), "isolated": "2-3"}, False, "core 3 is isolated and not used: start it as `taskset -c 0,3 "),
        ("cores", {"cores": (3,)}, False, "only core 3 may be used"),
        ("cores", {"cores": ()}, True, "pins no process"),
        ("quota", {"cpu_quota": None}, True, "no CPU quota"),
        ("quota", {"cpu_quota": 2.0}, True, "2 cores' worth of time for 2 cores"),
        ("quota", {"cpu_quota": 0.5}, False, "may use 0.5 cores' worth of time on 2 cores"),
        ("processes", {}, True, "nothing else is at work"),
        ("processes", {"processes": (Process("gcc", 12, 0.97),)}, False, "gcc (pid 12) 97% of a core; wait for them, stop them"),
        ("swap", {"swap": 0}, True, "not in use"),
        ("swap", {"swap": 1 << 20}, True, "1 MiB in use"),
        ("swap", {"swap": 1 << 30}, False, "1024 MiB in use: close what holds the memory"),
        ("memory pressure", {"grade": Health("C", ("x",), {"memory_pressure": 0.04}, ())}, False, "4.0% of the time: too little"),
        ("memory pressure", {"grade": Health("A", (), {"memory_pressure": None}, ())}, True, "not counted"),
        ("throttling", {}, True, "not counted here"),
        ("throttling", {"throttles": 0.0}, True, "never"),
        ("throttling", {"throttles": 7.0}, False, "7 times since the machine was started"),
        ("grade", {}, True, "A, of a session of a second just now: nothing disturbs it"),
        ("grade", {"grade": Health("D", ("why (D)",), {"memory_pressure": 0.0}, ())}, False, "now: why (D). A latency that is taken"),
    ],
)  # fmt: skip
def test_what_is_found_and_what_to_do(name, state, fine, words, told):
    found = told(name, **state)
    assert found[0] is fine
    assert words in found[1]


def test_a_process_that_is_at_work_is_named_and_this_one_is_not():
    child = subprocess.Popen([sys.executable, "-c", "while True: pass"])
    try:
        found = busy(0.3)
    finally:
        child.kill()
        child.wait()
    assert os.getpid() not in [process.pid for process in found]
    assert len(found) <= disturbances.MOST
    assert [process.share for process in found] == sorted((process.share for process in found), reverse=True)
    assert child.pid in [process.pid for process in found] or len(found) == disturbances.MOST


def test_a_process_that_ends_meanwhile_is_left_out(monkeypatch):
    class Gone:
        pid = -1

        def cpu_times(self):
            raise psutil.NoSuchProcess(self.pid)

    monkeypatch.setattr(psutil, "process_iter", lambda: [Gone()])
    assert busy(0.01) == ()


def test_a_session_has_a_grade_and_leaves_the_cores_as_they_were():
    before = os.sched_getaffinity(0) if hasattr(os, "sched_getaffinity") else None
    found = session(0.1)
    assert found.grade in GRADES
    assert found.figures["control_spread"] >= 0
    assert before is None or os.sched_getaffinity(0) == before


def test_the_doctor_tells_all_of_it(squeezemark):
    rows = {row["name"]: row for row in json.loads(squeezemark("doctor", "--json").stdout) if row["kind"] == "host"}
    assert {"governor", "turbo", "smt", "cores", "quota", "processes", "swap", "memory pressure", "throttling", "grade"} <= rows.keys()
    assert rows["grade"]["reason"][0] in GRADES
    assert all(row["state"] in ("ok", "warning") and row["reason"] for row in rows.values())
