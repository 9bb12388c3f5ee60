"""Processes that wait for their job: they are ready before they are asked, they are each asked once, and none is left behind."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest
from conftest import PLUGINS, ROOT

from suite.errors import CellFailed
from suite.executors import local
from suite.executors.standby import Standby
from suite.store import Store

MODULE = """
import os, sys, time
from pathlib import Path
from suite.protocol import serve
def early():
    {body}
def tell(job, progress):
    return {{'pid': os.getpid(), 'twice': 2 * job['x']}}
if __name__ == '__main__':
    serve({{'tell': tell}}, 'crashed', early)
"""
SPEAKS = "[os.write(fd, b'3\\n') for fd in range(3, 9) if os.path.exists(f'/proc/self/fd/{fd}')]"


@pytest.fixture
def module(tmp_path, monkeypatch):
    """Writes a module that does `body` before it is ready, and whose job tells its process; returns its name."""
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join([str(tmp_path), *sys.path]))

    def write(body: str) -> str:
        (tmp_path / "waiting.py").write_text(MODULE.format(body=body))
        return "waiting"

    return write


@pytest.fixture
def standby():
    """Nothing of it outlives the test."""
    held = Standby()
    yield held
    held.dismiss()


def _asked(started, module: str, x: int):
    return local.run(module, {"do": "tell", "x": x}, 60.0, lambda *step: None, started=started)


def test_each_that_waits_is_asked_once_and_ends(module, standby):
    name = module("pass")
    standby.fill(2, local.HERE, name)
    told = []
    for x in (1, 2):
        started = standby.take(local.HERE, name, alone=True)
        assert started is not None
        found = _asked(started, name, x)
        assert (found["pid"], found["twice"]) == (started.process.pid, 2 * x)
        assert started.process.poll() is not None
        told.append(found["pid"])
    assert len(set(told)) == 2
    assert standby.take(local.HERE, name, alone=True) is None


def test_beside_one_that_times_none_is_starting(module, standby, tmp_path):
    """Each leaves a file when it is ready; without `alone` the first to be ready need not wait for the others."""
    name = module(f"time.sleep(0.5); Path({str(tmp_path)!r}, str(os.getpid())).touch()")
    standby.fill(3, local.HERE, name)
    pids = [own.process.pid for own in standby.starting]
    first = standby.take(local.HERE, name, alone=False)
    assert len(standby.starting) == 2
    second = standby.take(local.HERE, name, alone=True)
    assert not standby.starting
    assert all((tmp_path / str(pid)).exists() for pid in pids)
    assert [_asked(started, name, 1)["pid"] for started in (first, second)] == pids[:2]


@pytest.mark.parametrize("body", ["os._exit(3)", "sys.exit(3)", "os.kill(os.getpid(), 11)", SPEAKS])
def test_one_that_does_not_come_to_wait_is_given_up_and_its_job_tells_why(body, module, standby):
    name = module(body)
    standby.fill(1, local.HERE, name)
    started = standby.starting[0]
    assert standby.take(local.HERE, name, alone=True) is None
    assert started.process.poll() is not None
    with pytest.raises(CellFailed):
        _asked(None, name, 1)


def test_what_fails_before_there_is_a_job_is_for_the_job_to_tell(module, standby):
    name = module("import nothing_of_that_name")
    standby.fill(1, local.HERE, name)
    started = standby.take(local.HERE, name, alone=True)
    assert _asked(started, name, 4)["twice"] == 8


def test_one_that_died_while_it_waited_is_not_asked(module, standby):
    name = module("pass")
    standby.fill(2, local.HERE, name)
    assert _asked(standby.take(local.HERE, name, alone=True), name, 1)["twice"] == 2
    standby.ready[0].process.kill()
    standby.ready[0].process.wait()
    assert standby.take(local.HERE, name, alone=True) is None


def test_where_no_more_processes_are_to_be_had_nothing_fails(module, standby):
    standby.fill(3, local.Interpreter(("/no/such/program",)), module("pass"))
    assert not standby.starting


def test_those_of_another_command_are_ended(module, standby):
    name = module("pass")
    standby.fill(1, local.HERE, name)
    (before,) = standby.starting
    assert standby.take(local.HERE, name, "argument", alone=True) is None
    assert before.process.poll() is not None
    assert before.errors.closed


def test_they_end_with_the_one_that_started_them(module, tmp_path):
    name = module("pass")
    script = (
        "from suite.executors.standby import Standby\nfrom suite.executors.local import HERE\nimport time\n"
        f"held = Standby(); held.fill(2, HERE, {name!r}); held.take(HERE, {name!r}, alone=True)\n"
        "print(held.ready[0].process.pid, flush=True); time.sleep(600)"
    )
    with subprocess.Popen([sys.executable, "-c", script], stdout=subprocess.PIPE, text=True, cwd=ROOT) as parent:
        assert parent.stdout is not None
        waiting = psutil.Process(int(parent.stdout.readline()))
        parent.send_signal(signal.SIGKILL)
    end = time.monotonic() + 30
    while waiting.is_running() and waiting.status() != psutil.STATUS_ZOMBIE and time.monotonic() < end:
        time.sleep(0.05)
    assert not waiting.is_running() or waiting.status() == psutil.STATUS_ZOMBIE


CARD = """
from suite.contracts import TargetCard
CARD = TargetCard(name='telling', title='For a test', summary='For a test.', device='x86 CPU', runtime='none', formats=('onnx',),
    settings={'threads': 1, 'graph_optimization': 'all', 'batch_size': 1})
def probe():
    return None
"""
RUNNER = """
import os, sys
import onnxruntime
print(os.getpid(), len(sys.argv) > 1, file=open({log!r}, 'a'))

class Runner:
    def __init__(self, files, settings):
        self.sessions = {{name: onnxruntime.InferenceSession(path) for name, path in files.items()}}
    def run(self, component, inputs):
        session = self.sessions[component]
        return dict(zip([output.name for output in session.get_outputs()], session.run(None, dict(inputs))))
"""


def test_a_cell_is_measured_by_processes_that_waited_for_it(squeezemark, tmp_path, work):
    """The accuracy run, three launches and one more that loads the other side first, each a process of its own; all are gone afterwards."""
    folder, log = tmp_path / "own" / "targets" / "telling", tmp_path / "log"
    folder.mkdir(parents=True)
    (folder / "__init__.py").write_text(CARD)
    (folder / "runner.py").write_text(RUNNER.format(log=str(log)))
    done = squeezemark(
        "run", "--plugins", PLUGINS, "--plugins", tmp_path / "own", "--models", "tiny_matcher", "--methods", "dynamic_int8/per_tensor",
        "--targets", "telling", "--tier", "quick", "--results", tmp_path / "results", "--work", work, cwd=tmp_path,
    )  # fmt: skip
    (record,) = Store(tmp_path / "results").records()
    assert record.status == "ok", (record.reason, done.stderr)
    pids, waited = zip(*(line.split() for line in Path(log).read_text().splitlines()), strict=True)
    assert len(set(pids)) == len(pids) == 5
    assert set(waited) == {"True"}
    assert not any(psutil.pid_exists(int(pid)) for pid in pids)
