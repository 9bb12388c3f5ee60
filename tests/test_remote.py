"""Measuring on another machine: against a real sshd on this one, with a throw-away key and a pinned host key."""

import getpass
import os
import shutil
import socket
import subprocess
import sys
import threading
import time
from pathlib import Path

import numpy as np
import pytest
from conftest import PLUGINS

from suite import registry as registries
from suite.contracts import TargetCard
from suite.errors import CellFailed, HostError
from suite.executors import remote
from suite.executors.remote import Remote
from suite.store import Store

SSHD = shutil.which("sshd") or "/usr/sbin/sshd"
HAVE = os.access(SSHD, os.X_OK) and shutil.which("ssh") and shutil.which("ssh-keygen")
pytestmark = pytest.mark.skipif(not HAVE, reason="there is no OpenSSH server and client here: apt install openssh-server openssh-client")

CARD = """
from suite.contracts import TargetCard
CARD = TargetCard(name='sleeper', title='T', summary='', device='x86 CPU', runtime='onnxruntime', formats=('onnx',))
def probe():
    return None
"""


class Server:
    """An sshd of this test's own. `room`: what it gives as TMPDIR, where jobs live."""

    def __init__(self, folder: Path, room: Path) -> None:
        self.folder, self.room = folder, room
        for name in ("host", "user", "stranger"):
            subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", folder / name], check=True)
        shutil.copy(folder / "user.pub", folder / "authorized")
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self.port = free.getsockname()[1]
        (folder / "known").write_text(f"[127.0.0.1]:{self.port} {(folder / 'host.pub').read_text()}")
        (folder / "config").write_text(
            f"Port {self.port}\nListenAddress 127.0.0.1\nHostKey {folder}/host\nAuthorizedKeysFile {folder}/authorized\n"
            f"StrictModes no\nUsePAM no\nPasswordAuthentication no\nPermitRootLogin yes\nPidFile none\nSetEnv TMPDIR={room}\n"
        )
        if os.getuid() == 0:
            Path("/run/sshd").mkdir(exist_ok=True)
        self.log = (folder / "log").open("w")
        self.process = subprocess.Popen([SSHD, "-D", "-e", "-f", folder / "config"], stderr=self.log, start_new_session=True)
        self._wait()

    def _wait(self) -> None:
        for _ in range(100):
            with socket.socket() as probe:
                if probe.connect_ex(("127.0.0.1", self.port)) == 0:
                    return
            time.sleep(0.1)
        pytest.fail(f"sshd did not start: {(self.folder / 'log').read_text()}")

    @property
    def name(self) -> str:
        return f"{getpass.getuser()}@127.0.0.1"

    def options(self, key: str = "user", known: str = "known") -> tuple[str, ...]:
        """Those that `ssh` needs."""
        files = f"-oUserKnownHostsFile={self.folder / known}", f"-i{self.folder / key}"
        return (f"-p{self.port}", *files, "-oIdentitiesOnly=yes", "-oStrictHostKeyChecking=yes", "-oGlobalKnownHostsFile=/dev/null")

    def closed(self) -> str:
        """Why plain ssh cannot log in, as where the account is locked; nothing if it can."""
        done = subprocess.run(["ssh", "-oBatchMode=yes", *self.options(), self.name, "true"], capture_output=True, text=True, timeout=60)
        return done.stderr.strip() if done.returncode else ""

    def remote(self, **changes: str) -> Remote:
        return Remote(self.name, sys.executable, self.options(**changes))

    def left(self) -> list[str]:
        """What jobs left behind."""
        return [path.name for path in self.room.iterdir()]

    def cut(self) -> None:
        """Ends every link that is open, and goes on listening."""
        subprocess.run(["pkill", "-KILL", "-P", str(self.process.pid)], check=False)

    def stop(self) -> None:
        self.process.kill()
        self.process.wait()
        self.log.close()


@pytest.fixture
def server(tmp_path):
    (tmp_path / "sshd").mkdir()
    (tmp_path / "room").mkdir()
    made = Server(tmp_path / "sshd", tmp_path / "room")
    try:
        if reason := made.closed():
            pytest.skip(f"nobody can log in to an sshd of one's own here: {reason}")
        yield made
    finally:
        made.stop()


def nothing_left(server):
    """A job's folder goes within seconds, also when nobody waits for it."""
    for _ in range(100):
        if not server.left():
            return True
        time.sleep(0.1)
    print([str(path) for path in server.room.rglob("*")][:20])
    return False


def test_the_same_answers_as_here_and_nothing_is_left(server, squeezemark, work, tmp_path):
    methods = ("--models", "tiny_matcher", "--plugins", PLUGINS, "--methods", "baseline_fp32,dynamic_int8/per_channel", "--work", work)
    link = ("--host", server.name, "--host-python", sys.executable, *(f"--ssh-option={option}" for option in server.options()))
    assert squeezemark("run", *methods, "--results", tmp_path / "here").returncode == 0
    done = squeezemark("run", *methods, *link, "--results", tmp_path / "there")
    assert done.returncode == 0, done.stdout + done.stderr
    here, there = ({r.cell.method: r for r in Store(tmp_path / place).records()} for place in ("here", "there"))
    assert set(here) == set(there) == {"baseline_fp32", "dynamic_int8"}
    for method, record in there.items():
        assert record.status == "ok"
        mine, theirs = Store(tmp_path / "there").columns(record), Store(tmp_path / "here").columns(here[method])
        answers = [name for name, array in mine.items() if array.shape[:1] == (record.accuracy.items,)]
        assert len(answers) >= 2
        assert all(np.array_equal(mine[name], theirs[name]) for name in answers)
        assert record.latency.launches == here[method].latency.launches
        assert any(name.endswith(": onnxruntime") for name in record.environment.libraries)
        assert record.key != here[method].key, "where it was measured is part of what it is"
    assert nothing_left(server)
    again = squeezemark("run", *methods, *link, "--results", tmp_path / "there")
    assert "2 recorded already, 0 to do" in again.stdout


@pytest.mark.parametrize(
    ("changes", "python", "words"),
    [
        ({"key": "stranger"}, sys.executable, "Permission denied"),
        ({"known": "nobody"}, sys.executable, "Host key verification failed"),
        ({}, "/nowhere/python3", "/nowhere/python3"),
    ],
)
def test_what_cannot_be_reached_is_one_sentence_and_a_failure(changes, python, words, server, squeezemark, work, tmp_path):
    options = [f"--ssh-option={option}" for option in server.options(**changes)]
    command = ("run", "--models", "tiny_matcher", "--plugins", PLUGINS, "--methods", "baseline_fp32", "--work", work)
    done = squeezemark(*command, "--host", server.name, "--host-python", python, *options, "--results", tmp_path / "results")
    assert done.returncode == 1
    assert done.stderr.startswith(f"Error: Nothing can be measured on {server.name}: ")
    assert words in done.stderr
    assert len(done.stderr.strip().splitlines()) == 1
    assert not (tmp_path / "results").exists() or not list((tmp_path / "results").iterdir())
    assert nothing_left(server)


@pytest.fixture
def sleeping(server, tmp_path, monkeypatch):
    """A job that takes a minute: its target sleeps when it is loaded."""
    folder = tmp_path / "plugins" / "targets" / "sleeper"
    folder.mkdir(parents=True)
    (folder / "__init__.py").write_text(CARD)
    (folder / "runner.py").write_text("import time\ntime.sleep(60)\n")
    registries.extend([PLUGINS, tmp_path / "plugins"])
    monkeypatch.setattr(remote, "PAUSE_S", 0.1)
    np.savez(tmp_path / "inputs.npz", x=np.zeros(1))
    job = {"do": "evaluate", "model": "tiny_matcher", "target": "sleeper", "settings": {}, "compressed": {}, "items": 1}
    return job | {"inputs": str(tmp_path / "inputs.npz")}


def run_in_background(far, job, timeout_s=50.0):
    found = []

    def run():
        try:
            far.run("suite.worker", job, ("tiny_matcher",), timeout_s, lambda *_: None)
        except Exception as error:
            found.append(error)

    thread = threading.Thread(target=run)
    thread.start()
    return thread, found


def wait_for_job(server):
    for _ in range(200):
        if any((server.room / name / "suite").is_dir() for name in server.left()):
            return
        time.sleep(0.05)
    pytest.fail("the job did not arrive")


def test_a_link_that_is_cut_is_tried_again_and_then_told(server, sleeping, monkeypatch):
    monkeypatch.setattr(remote, "ATTEMPTS", 2)
    thread, found = run_in_background(server.remote(), sleeping)
    for _ in range(2):
        wait_for_job(server)
        server.cut()
        assert nothing_left(server), "the job outlived its link"
    thread.join(30)
    assert isinstance(found[0], HostError)
    assert "(2 attempts); what is recorded is kept, run the same command again" in str(found[0])


def test_a_job_that_takes_too_long_ends_there_too(server, sleeping):
    with pytest.raises(CellFailed, match="it did not end within 3 s"):
        server.remote().run("suite.worker", sleeping, ("tiny_matcher",), 3.0, lambda *_: None)
    assert nothing_left(server)


def test_a_worker_that_dies_there_is_told_by_its_signal(server, sleeping):
    runner = next(Path(place) / "sleeper" / "runner.py" for place in __import__("targets").__path__ if (Path(place) / "sleeper").is_dir())
    runner.write_text("import os, signal\nos.kill(os.getpid(), signal.SIGSEGV)\n")
    with pytest.raises(CellFailed, match="it died of SIGSEGV"):
        server.remote().run("suite.worker", sleeping, ("tiny_matcher",), 30.0, lambda *_: None)
    assert nothing_left(server)


def test_a_full_disk_there_is_one_sentence(server, tmp_path):
    mounted = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=64k", "tmpfs", server.room], capture_output=True)
    if mounted.returncode:
        pytest.skip("a small file system can only be mounted by root")
    try:
        with pytest.raises(HostError, match=r"its disk is full \(No space left on device\)"):
            _ = server.remote().facts
        assert nothing_left(server)
    finally:
        subprocess.run(["umount", server.room], check=True)


def test_it_says_which_targets_the_machine_can_be(server):
    far = server.remote()
    machine = far.facts["machine"]

    def card(device, **more):
        return TargetCard(name="t", title="T", summary="", device=device, runtime="onnxruntime", formats=("onnx",), **more)

    own, other = ("x86 CPU", "ARM CPU") if machine in ("x86_64", "amd64") else ("ARM CPU", "x86 CPU")
    assert far.probe(card(own)) is None
    assert far.probe(card(other)).reason == f"{server.name} is {machine}, not {other}"
    assert "environment of this machine" in far.probe(card(own, environment="arm-emulated")).reason
    assert far.facts["libraries"]["numpy"] == np.__version__
