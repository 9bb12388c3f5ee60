"""Debian packages of any architecture, unpacked into a folder: no root, and nothing of this machine's own packages is touched.

apt gets a configuration of its own, whose list of sources is derived from the machine's, so that mirrors and proxies work.
"""

import re
import shutil
import subprocess
import tempfile
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path

from suite.errors import UsageError

Say = Callable[[str], None]
SOURCES = Path("/etc/apt")
SECONDS = 900.0


class Apt:
    """apt-get for one architecture, in a folder of its own."""

    def __init__(self, room: Path, architecture: str) -> None:
        self.room, self.architecture = room, architecture
        for name in ("state/lists/partial", "cache/archives/partial", "log", "sources.d"):
            (room / name).mkdir(parents=True)
        (room / "status").touch()
        _copy_sources(room)
        self.options = [f"-o{name}={value}" for name, value in self._settings().items()]

    def _settings(self) -> dict[str, str]:
        room = self.room
        return {
            "APT::Architecture": self.architecture,
            "APT::Architectures": self.architecture,
            "APT::Sandbox::User": "root",
            "Acquire::Languages": "none",
            "Debug::NoLocking": "true",
            "Dir::Etc::sourcelist": f"{room}/sources.list",
            "Dir::Etc::sourceparts": f"{room}/sources.d",
            "Dir::State": f"{room}/state",
            "Dir::State::status": f"{room}/status",
            "Dir::Cache": f"{room}/cache",
            "Dir::Log": f"{room}/log",
        }

    def update(self) -> None:
        """Fetches what the sources offer. Raises UsageError."""
        run(["apt-get", *self.options, "-qq", "update"], f"apt-get could not read what is offered for {self.architecture}")

    def depends(self, package: str) -> str:
        """The lines that say what a package depends on. Raises UsageError."""
        shown = run(["apt-cache", *self.options, "show", package], f"there is no package {package} for {self.architecture}")
        return "\n".join(line for line in shown.splitlines() if line.startswith(("Depends:", "Pre-Depends:")))

    def unpack(self, packages: Iterable[str], folder: Path) -> dict[str, str]:
        """Puts packages and all that they depend on into a folder; name -> version of each. Raises UsageError."""
        run(
            ["apt-get", *self.options, "-qq", "--yes", "--download-only", "--no-install-recommends", "install", *packages],
            f"apt-get could not fetch {', '.join(packages)} for {self.architecture}",
        )
        found = {}
        for file in sorted((self.room / "cache/archives").glob("*.deb")):
            run(["dpkg-deb", "--extract", str(file), str(folder)], f"{file.name} could not be unpacked")
            name, version, _ = file.stem.split("_")
            found[name] = version.replace("%3a", ":")
        return found


def fetch(packages: Sequence[str], architecture: str, folder: Path) -> dict[str, str]:
    """Unpacks packages of an architecture into a folder, see `Apt.unpack`. Raises UsageError."""
    with tempfile.TemporaryDirectory() as room:
        apt = Apt(Path(room), architecture)
        apt.update()
        return apt.unpack(packages, folder)


def native() -> str:
    """The architecture of this machine, as Debian calls it. Raises UsageError where there is no apt."""
    if shutil.which("apt-get") is None or shutil.which("dpkg-deb") is None:
        raise UsageError("This needs apt-get and dpkg-deb, which Debian and Ubuntu have.")
    return run(["dpkg", "--print-architecture"], "dpkg does not say which architecture this machine has").strip()


def run(command: Sequence[str], failure: str) -> str:
    """What a command prints. Raises UsageError: `failure`, and the last line that it complained with."""
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=SECONDS, stdin=subprocess.DEVNULL)
    except (OSError, subprocess.TimeoutExpired) as error:
        raise UsageError(f"{failure[0].upper()}{failure[1:]}: {error}.") from error
    if done.returncode:
        last = (done.stderr.strip() or done.stdout.strip() or f"it exited with {done.returncode}").splitlines()[-1]
        raise UsageError(f"{failure[0].upper()}{failure[1:]}: {last}")
    return done.stdout


def _copy_sources(room: Path) -> None:
    """The machine's own sources, without what restricts them to an architecture."""
    (room / "sources.list").write_text(_any_architecture(SOURCES / "sources.list"))
    for file in [*(SOURCES / "sources.list.d").glob("*.list"), *(SOURCES / "sources.list.d").glob("*.sources")]:
        (room / "sources.d" / file.name).write_text(_any_architecture(file))


def _any_architecture(file: Path) -> str:
    if not file.is_file():
        return ""
    text = re.sub(r"(?m)^Architectures:.*\n", "", file.read_text(encoding="utf-8"))
    return re.sub(r"(?m)^(deb(?:-src)?\s+)\[([^\]]*)\]\s*", lambda found: found[1] + _options(found[2]), text)


def _options(given: str) -> str:
    kept = [option for option in given.split() if not option.startswith(("arch=", "arch+=", "arch-="))]
    return f"[{' '.join(kept)}] " if kept else ""
