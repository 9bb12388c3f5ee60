"""Environments of their own that the workers of some targets run in: what is missing, how one is made, what runs Python there.

Each is a folder under `home()`, made whole or not at all, and never changed afterwards. Nothing of it is in the repository, and no
package host is named: apt and pip fetch from wherever this machine is set up to.
"""

import json
import os
import shutil
import tempfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from types import MappingProxyType

from suite.contracts import Skip, TargetCard
from suite.environments import emulated, executorch, litert
from suite.errors import NotWritable, UsageError
from suite.executors.local import HERE, Interpreter

Say = Callable[[str], None]
FACTS = "environment.json"


@dataclass(frozen=True, slots=True)
class Kind:
    """How one environment is made and used.

    found: what it is made of, by name, if this machine has it without anything being made. build: fills an empty folder and returns
    what it is made of. interpreter: what runs Python in it, for the settings of a target. counter: the same where instructions are
    counted, or why they are not.
    """

    summary: str
    found: Callable[[], Mapping[str, str] | None]
    build: Callable[[Path, Say], Mapping[str, str]]
    interpreter: Callable[[Path, Mapping[str, object]], Interpreter]
    counter: Callable[[Path, Mapping[str, object]], Interpreter | Skip]


KINDS: Mapping[str, Kind] = {
    "arm-emulated": Kind(
        "An ARM system in a folder, with Python and ONNX Runtime, and QEMU to run it.",
        lambda: None,
        emulated.build_arm,
        emulated.arm_interpreter,
        emulated.arm_counter,
    ),
    "x86-emulated": Kind(
        "QEMU, which runs this machine's own Python as an x86 processor of another kind would.",
        emulated.installed,
        emulated.build_x86,
        emulated.x86_interpreter,
        emulated.x86_counter,
    ),
    "litert": Kind(
        "LiteRT and what converts torch modules to it, whose pins conflict with the suite's own.",
        lambda: None,
        litert.build,
        litert.interpreter,
        litert.counter,
    ),
    "executorch": Kind(
        "ExecuTorch with the XNNPACK kernels and what lowers torch modules to it, whose pins are many.",
        lambda: None,
        executorch.build,
        executorch.interpreter,
        executorch.counter,
    ),
    "arm-litert-emulated": Kind(
        "The ARM system of arm-emulated with LiteRT besides, which runs what the environment litert makes.",
        lambda: None,
        emulated.build_arm_litert,
        emulated.arm_interpreter,
        emulated.arm_counter,
    ),
}
NAMES = tuple(KINDS)


def home() -> Path:
    """The folder of all environments: `$SQUEEZEMARK_HOME/environments`, by default under ~/.local/share/squeezemark."""
    base = os.environ.get("SQUEEZEMARK_HOME") or Path(os.environ.get("XDG_DATA_HOME") or Path.home() / ".local/share") / "squeezemark"
    return Path(base) / "environments"


def missing(name: str) -> Skip | None:
    """Why an environment cannot be used yet, and the command that makes it; None if it can."""
    made, remedy = versions(name), f"squeezemark env create {name}"
    if not made:
        return Skip(f"its environment is not there: {remedy}")
    pins = emulated.pins()
    stale = next((library for library, version in pins.items() if made.get(library, version) != version), None)
    if stale is not None:
        return Skip(f"its environment has {stale} {made[stale]}, and here is {pins[stale]}: squeezemark env remove {name}, then {remedy}")
    return None


def versions(name: str) -> dict[str, str]:
    """What an environment is made of, name -> version; empty if it is not there."""
    try:
        return dict(json.loads((home() / name / FACTS).read_text())["versions"])
    except (OSError, ValueError, KeyError):
        return dict(KINDS[name].found() or {})


def interpreter(card: TargetCard) -> Interpreter:
    """What runs a target's worker."""
    return python(card.environment, card.settings)


def python(name: str | None, settings: Mapping[str, object] = MappingProxyType({})) -> Interpreter:
    """What runs Python in an environment, or without a name here."""
    return HERE if name is None else KINDS[name].interpreter(home() / name, settings)


def counting_interpreter(card: TargetCard) -> Interpreter | Skip:
    """What runs a target's worker and counts its instructions; or why nothing does."""
    if card.environment is None:
        return Skip("it runs in no environment that counts instructions")
    return KINDS[card.environment].counter(home() / card.environment, card.settings)


def create(name: str, say: Say) -> Path:
    """Makes an environment; its folder. `say` is told each step. Raises UsageError where one step fails, and NotWritable."""
    folder = _known(name)
    if folder.is_dir():
        raise UsageError(f"The environment {name} is there already, in {folder}; squeezemark env remove {name} removes it.")
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=folder.parent, prefix=f".{name}-") as room:
            made = Path(room) / name
            made.mkdir()
            facts = {"created": datetime.now(UTC).isoformat(timespec="seconds"), "versions": dict(KINDS[name].build(made, say))}
            (made / FACTS).write_text(json.dumps(facts, indent=1) + "\n", encoding="utf-8")
            made.rename(folder)
    except OSError as error:
        raise NotWritable(
            f"The environment {name} cannot be written to {folder.parent} ({error.strerror}); set SQUEEZEMARK_HOME to another folder."
        ) from error
    return folder


def remove(name: str) -> Path:
    """Removes an environment; where it was. Raises UsageError if it is not there."""
    folder = _known(name)
    if not folder.is_dir():
        raise UsageError(f"There is no environment {name} in {folder.parent}.")
    shutil.rmtree(folder)
    return folder


def _known(name: str) -> Path:
    if name not in KINDS:
        raise UsageError(f"There is no environment {name!r}. There are: {', '.join(NAMES)}.")
    return home() / name
