"""Processes of the protocol: what they say is heard, and how they end is told in words."""

import os
import sys
import time
from pathlib import Path

import pytest

from suite import protocol
from suite.errors import CellFailed, NotWritable
from suite.executors import local


@pytest.fixture
def process(tmp_path, monkeypatch):
    """Writes a module and returns its name; its handler is the function `work(job, progress)`."""
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join([str(tmp_path), *sys.path]))

    def write(body: str) -> str:
        (tmp_path / "subject.py").write_text(
            f"import os, sys, time\nfrom suite.protocol import serve\n{body}\nif __name__ == '__main__':\n"
            "    serve({'work': work}, 'compress_failed')\n"
        )
        return "subject"

    return write


def _run(module, timeout=60.0, **job):
    told = []
    return local.run(module, {"do": "work", **job}, timeout, lambda *step: told.append(step)), told


def test_results_and_progress_come_back_whatever_else_is_printed(process):
    module = process(
        "def work(job, progress):\n    print('noise')\n    os.system('echo more noise')\n    progress(1, 2, 'half')\n"
        "    return {'twice': job['x'] * 2}"
    )
    result, told = _run(module, x=21)
    assert result["twice"] == 42
    assert told == [(1, 2, "half")]


def test_a_step_of_many_items_is_told_of_from_time_to_time(monkeypatch):
    """An item takes a 64th of a second: one in seven of them is told, the first and the last of each step always."""
    told, clock = [], iter(range(10**6))
    monkeypatch.setattr(protocol.time, "monotonic", lambda: next(clock) / 64)
    tell = protocol._seldom(lambda *step: told.append(step))
    for text in ("exporting", "evaluating"):
        for done in range(1, 26):
            tell(done, 25, text)
    assert [done for done, _, text in told if text == "exporting"] == [1, 8, 15, 22, 25]
    assert [done for done, _, text in told if text == "evaluating"] == [1, 8, 15, 22, 25]


FAILED = "from suite.errors import CellFailed\ndef work(job, progress):\n    "


def _speaks(line):
    """Writes a line to wherever the protocol's own stdout is."""
    where = "[fd for fd in range(3, 64) if os.path.exists(f'/proc/self/fd/{fd}')]"
    return f"def work(job, progress):\n    for fd in {where}:\n        os.write(fd, {line.encode()!r} + b'\\n')\n    return {{}}"


@pytest.mark.parametrize(
    ("body", "status", "words"),
    [
        ("def work(job, progress):\n    raise KeyError('lost')", "compress_failed", "KeyError: 'lost'"),
        ("def work(job, progress):\n    sys.exit(4)", "compress_failed", "SystemExit: 4"),
        ("def work(job, progress):\n    raise MemoryError", "out_of_memory", "more memory"),
        ("def work(job, progress):\n    raise RuntimeError('std::bad_alloc')", "out_of_memory", "more memory"),
        ("def work(job, progress):\n    os.kill(os.getpid(), 9)", "out_of_memory", "SIGKILL"),
        ("def work(job, progress):\n    os.abort()", "crashed", "SIGABRT"),
        ("def work(job, progress):\n    os._exit(7)", "crashed", "exited with 7"),
        ("def work(job, progress):\n    os.kill(os.getpid(), 40)", "crashed", "it died of signal 40"),
        ("raise ImportError('nothing of that name')", "crashed", "nothing of that name"),
        ("def work(job, progress):\n    sys.stderr.write('y' * 10**7 + ' the end')\n    os.abort()", "crashed", "y the end"),
        (
            "def work(job, progress):\n    raise ValueError('\\x1b[2J\\n\\udcff\\u202e')",
            "compress_failed",
            "ValueError: \ufffd[2J \ufffd\ufffd",
        ),
        (f"{FAILED}raise CellFailed('ok', 'fine')", "crashed", "it reports the failure 'ok', which there is not: fine"),
        (f"{FAILED}raise CellFailed('charmed', 'fine')", "crashed", "it reports the failure 'charmed', which there is not: fine"),
        (f"{FAILED}raise CellFailed('timeout', '')", "timeout", "it gives no reason"),
        (_speaks("3"), "crashed", "it printed what is not of the protocol: '3"),
        (_speaks("{}"), "crashed", "it printed what is not of the protocol: '{}"),
        (_speaks('{"event": "progress"}'), "crashed", "it printed what is not of the protocol"),
        (_speaks('{"event": "failed", "status": "crashed", "reason": 3}'), "crashed", "it printed what is not of the protocol"),
        (_speaks("[" * 100_000), "crashed", "it printed what is not of the protocol"),
    ],
)
def test_every_end_has_a_status_and_a_reason(body, status, words, process):
    with pytest.raises(CellFailed) as failed:
        _run(process(body))
    assert failed.value.status == status
    assert words in failed.value.reason
    assert "\n" not in failed.value.reason


@pytest.mark.parametrize(("status", "words"), [(134, "it died of SIGABRT"), (200, "it exited with 200")])
def test_what_a_sandbox_relays_is_a_signal_where_there_is_one_of_that_number(status, words, process):
    module = process(f"def work(job, progress):\n    os._exit({status})")
    with pytest.raises(CellFailed, match=words):
        local.run(module, {"do": "work"}, 60.0, lambda *step: None, local.Interpreter(relays=True))


def test_a_line_without_an_end_is_not_waited_for(process, monkeypatch):
    monkeypatch.setattr(local, "LINE", 1000)
    module = process(_speaks("x" * 5000).replace(" + b'\\n'", "").replace("return {}", "time.sleep(60)"))
    with pytest.raises(CellFailed, match="not of the protocol") as failed:
        _run(module, timeout=30)
    assert failed.value.status == "crashed"


def test_a_reason_is_no_longer_than_anybody_reads(process):
    with pytest.raises(CellFailed, match="ValueError: xxx") as failed:
        _run(process("def work(job, progress):\n    raise ValueError('x' * 5_000_000)"))
    assert len(failed.value.reason) == local.REASON


def test_a_full_disk_is_nobody_s_failure_and_ends_the_run(process):
    module = process("import errno\ndef work(job, progress):\n    raise OSError(errno.ENOSPC, 'No space left on device')")
    with pytest.raises(NotWritable, match="The disk is full"):
        _run(module)


@pytest.mark.skipif(sys.platform != "linux", reason="address space is limited on Linux alone")
def test_memory_is_limited(process):
    module = process("def work(job, progress):\n    hoard = bytearray(2 << 30)\n    return {}")
    assert _run(module, memory_bytes=8 << 30)[0]
    with pytest.raises(CellFailed, match="more memory") as failed:
        _run(module, memory_bytes=1 << 30)
    assert failed.value.status == "out_of_memory"


@pytest.mark.skipif(sys.platform != "linux", reason="processes are looked up in /proc")
def test_a_process_that_hangs_is_ended_with_everything_it_started(process, tmp_path):
    module = process(
        "import subprocess\ndef work(job, progress):\n"
        "    child = subprocess.Popen([sys.executable, '-c', 'import time; time.sleep(600)'])\n"
        f"    open({str(tmp_path / 'pid')!r}, 'w').write(str(child.pid))\n    time.sleep(600)"
    )
    with pytest.raises(CellFailed, match="within 3 s") as failed:
        _run(module, timeout=3.0)
    assert failed.value.status == "timeout"
    pid, end = (tmp_path / "pid").read_text(), time.monotonic() + 30
    stat = Path(f"/proc/{pid}/stat")
    while stat.exists() and stat.read_text().split()[2] != "Z":
        assert time.monotonic() < end, "what it started goes on"
        time.sleep(0.05)
