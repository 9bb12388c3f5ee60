"""Runs a worker on another machine over SSH: each job travels whole, in one link, and leaves nothing behind there.

The machine needs an SSH server, Python and what its target needs (numpy and onnxruntime), no package of ours. `ssh` itself is the
client, so that keys, jump hosts and pinned host keys are those of the user's own configuration.
"""

import base64
import contextlib
import functools
import importlib
import io
import json
import os
import shlex
import subprocess
import tarfile
import tempfile
import time
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from suite.config import Config
from suite.contracts import Skip, TargetCard
from suite.errors import HostError
from suite.executors import agent, local
from suite.plugins import model_part
from suite.protocol import Progress

ROOT = Path(__file__).resolve().parents[2]
OPTIONS = ("-oBatchMode=yes", "-oConnectTimeout=20", "-oServerAliveInterval=10", "-oServerAliveCountMax=3")
"""Nobody is there to type a password; a link that says nothing for half a minute is gone."""
ATTEMPTS, PAUSE_S = 3, 5.0
FACTS_S, PREPARE_S = 120.0, 1800.0


class LinkLost(Exception):
    """The link ended before the job did."""


VENV = "$HOME/.local/share/squeezemark/venv"
"""Where `prepare` makes a virtual environment there."""
DEVICES = {"x86 CPU": ("x86_64", "amd64"), "ARM CPU": ("aarch64", "arm64")}


@dataclass(frozen=True)
class Remote:
    """A machine as `ssh` knows it (`pi@board`). python: the interpreter there; none: that of the environment which `prepare` makes, if it
    is there, and python3 otherwise. options: more options of `ssh`."""

    host: str
    python: str = ""
    options: tuple[str, ...] = ()

    @cached_property
    def facts(self) -> dict[str, Any]:
        """What that machine is, see `suite.facts`. Raises HostError."""
        found = self.run("suite.facts", {}, (), FACTS_S, lambda done, total, text: None)
        missing = [name for name in ("numpy", "onnxruntime") if name not in found["libraries"]]
        if missing:
            raise HostError(self.host, f"its Python has no {missing[0]}; squeezemark env host {self.host} makes an environment there")
        found.pop("event")
        return found

    def run(self, module: str, job: Mapping[str, Any], models: Iterable[str], timeout_s: float, progress: Progress) -> dict[str, Any]:
        """The result of `python -m module` for `job`, there. models: whose glue it needs.

        Files that the job names are sent; the one that it names as `out` is written here. A link that is lost is tried again. Raises
        CellFailed as a local run does, and HostError where the machine cannot be reached or cannot do it.
        """
        head, archive, out = self._packed(module, job, models)
        for attempt in range(1, ATTEMPTS + 1):
            try:
                return self._once(head, archive, out, timeout_s, progress)
            except LinkLost as lost:
                reason = str(lost)
                time.sleep(PAUSE_S * (attempt < ATTEMPTS))
        raise HostError(self.host, f"{reason} ({ATTEMPTS} attempts); what is recorded is kept, run the same command again")

    def probe(self, card: TargetCard) -> Skip | None:
        """Why a target does not run there, or None."""
        machine = str(self.facts["machine"])
        if card.environment is not None:
            return Skip("it runs in an environment of this machine, not on another one")
        if machine.lower() not in DEVICES.get(card.device, ()):
            return Skip(f"{self.host} is {machine}, not {card.device}")
        if card.runtime not in self.facts["libraries"]:
            return Skip(f"{card.runtime} is not installed on {self.host}")
        return None

    def prepare(self, wanted: Mapping[str, str]) -> str:
        """Makes a virtual environment there with these versions of libraries; what was printed. Raises HostError."""
        pins = " ".join(f"{name}=={version}" for name, version in wanted.items())
        script = f'set -e; python3 -m venv "{VENV}"; "{VENV}/bin/python" -m pip install --quiet --disable-pip-version-check {pins}'
        try:
            done = subprocess.run(
                ["ssh", *OPTIONS, *self.options, self.host, script],
                capture_output=True,
                text=True,
                timeout=PREPARE_S,
                stdin=subprocess.DEVNULL,
            )
        except (OSError, subprocess.TimeoutExpired) as error:
            raise HostError(self.host, str(error)) from error
        if done.returncode:
            lines = (done.stderr.strip() or done.stdout.strip() or f"it exited with {done.returncode}").splitlines()
            raise HostError(self.host, lines[-1])
        return done.stdout

    @property
    def _interpreter(self) -> str:
        """For the shell there."""
        own = f"{VENV}/bin/python"
        return shlex.quote(self.python) if self.python else f'$(if [ -x "{own}" ]; then echo "{own}"; else echo python3; fi)'

    def _packed(self, module: str, job: Mapping[str, Any], models: Iterable[str]) -> tuple[bytes, bytes, Path | None]:
        """The line that opens the link, the tar after it, and where what comes back is written."""
        targets = {str(part["target"]) for part in (job, job.get("reference", {})) if "target" in part}
        files = dict(_sources(models, targets))
        sent = _staged(job, files)
        out = Path(str(job["out"])) if "out" in job else None
        if out is not None:
            sent["out"] = f"{agent.HERE}{out.name}"
        archive = _tar(files)
        head = {"module": module, "job": sent, "outs": [out.name] if out else [], "tar": len(archive), "environ": local.ONE_THREAD}
        return json.dumps(head).encode() + b"\n", archive, out

    def _once(self, head: bytes, archive: bytes, out: Path | None, timeout_s: float, progress: Progress) -> dict[str, Any]:
        script = shlex.quote(Path(agent.__file__).read_text(encoding="utf-8"))
        command = ["ssh", *OPTIONS, *self.options, self.host, f"{self._interpreter} -c {script}"]
        with tempfile.TemporaryFile("w+", encoding="utf-8", errors="replace") as errors:
            try:
                process = subprocess.Popen(
                    command,
                    stdin=subprocess.PIPE,
                    stdout=subprocess.PIPE,
                    stderr=errors,
                    text=True,
                    encoding="utf-8",
                    start_new_session=True,
                )
            except OSError as error:
                raise HostError(self.host, f"there is no ssh on this machine ({error.strerror})") from error
            try:
                _send(process, head + archive)
                return self._listen(process, errors, out, timeout_s, progress)
            finally:
                local.kill(process)
                with contextlib.suppress(OSError):
                    process.stdin.close()  # type: ignore[union-attr]

    def _listen(
        self, process: "subprocess.Popen[str]", errors: Any, out: Path | None, timeout_s: float, progress: Progress
    ) -> dict[str, Any]:
        result: dict[str, Any] | None = None
        failure: Exception | None = None
        for message in local.messages(local.pumped(process), timeout_s):
            kind = message.get("event")
            if kind == "progress":
                progress(message["done"], message["total"], message["text"])
            elif kind == "result":
                result = message
            elif kind == "failed":
                failure = local.told(message["status"], message["reason"])
            elif kind == "refused":
                raise HostError(self.host, str(message["reason"]))
            elif kind == "file" and out is not None and message["name"] == out.name:
                out.write_bytes(base64.b64decode(message["data"]))
            elif kind == "ended":
                if failure is not None:
                    raise failure
                return result if result is not None else local.died(int(message["status"]), str(message["stderr"]))
        process.wait()
        raise self._lost(process.returncode, errors)

    def _lost(self, status: int, errors: Any) -> Exception:
        """What ssh says of a link that ended; its own failures exit with 255, anything else is the shell's there."""
        errors.seek(0)
        lines = [line.strip() for line in errors.read().splitlines() if line.strip()]
        said = lines[-1] if lines else f"the link ended with {status}"
        never = ("permission denied", "host key verification failed", "could not resolve", "not found", "no such file")
        if any(words in " ".join(lines).lower() for words in never):
            return HostError(self.host, said)
        return LinkLost(said)


@functools.cache
def _known(host: str, python: str, options: tuple[str, ...]) -> Remote:
    return Remote(host, python, options)


def of(config: Config) -> Remote | None:
    """The machine that a config names, the same object each time, so that it is asked only once what it is; None for this one."""
    return _known(config.host, config.host_python, config.ssh_options) if config.host else None


def _send(process: "subprocess.Popen[str]", data: bytes) -> None:
    """stdin stays open: its end is how the machine there learns that nobody listens any more."""
    assert process.stdin is not None
    try:
        process.stdin.buffer.write(data)  # type: ignore[attr-defined]
        process.stdin.flush()
    except BrokenPipeError:
        pass  # how the link ended is told by whoever listens


def _sources(models: Iterable[str], targets: Iterable[str]) -> Iterator[tuple[str, Path]]:
    """What a worker imports: the suite's own modules, the glue of models, the runners of targets."""
    for path in [*(ROOT / "suite").glob("*.py"), *(ROOT / "suite" / "contracts").glob("*.py"), ROOT / "suite" / "models" / "__init__.py"]:
        yield str(path.relative_to(ROOT)), path
    for model in models:
        for part in ("card", "task"):
            module = model_part(model, part)
            path = Path(str(module.__file__))
            inside = f"suite/models/{model}/{path.name}" if path.parent.name == model else f"suite/models/{path.name}"
            yield inside, path
    yield "targets/__init__.py", ROOT / "targets" / "__init__.py"
    for target in targets:
        module = importlib.import_module(f"targets.{target}")
        for path in Path(str(module.__file__)).parent.glob("*.py"):
            yield f"targets/{target}/{path.name}", path


def _staged(job: Mapping[str, Any], files: dict[str, Path]) -> dict[str, Any]:
    """The job with every file that it names replaced by its place there; `files` gets them. Of the same bytes one copy is sent."""
    known: dict[str, str] = {}

    def place(value: Any) -> Any:
        if isinstance(value, Mapping):
            return {name: place(inner) for name, inner in value.items()}
        if isinstance(value, str) and os.path.isabs(value) and os.path.isfile(value):
            name = known.setdefault(value, f"files/{len(known)}-{Path(value).name}")
            files[name] = Path(value)
            return f"{agent.HERE}{name}"
        return value

    return {name: place(value) for name, value in job.items() if name not in ("paths", "out")}


def _tar(files: Mapping[str, Path]) -> bytes:
    """Plain files, owned by nobody in particular."""
    stream = io.BytesIO()
    with tarfile.open(fileobj=stream, mode="w") as archive:
        for name, path in sorted(files.items()):
            data, entry = path.read_bytes(), tarfile.TarInfo(name)
            entry.size = len(data)
            archive.addfile(entry, io.BytesIO(data))
    return stream.getvalue()
