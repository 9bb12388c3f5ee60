"""A new model in one file, a new target and a new method in a folder each, from the templates beside this module.

`my_model.py`, `my_target`, and `my_method`, which has a template for each stage: all of them run as they stand.
"""

import re
import tempfile
from pathlib import Path

from suite import plugins, registry
from suite.cards import LONGEST_NAME, PLAIN_NAME
from suite.contracts import Advance
from suite.errors import ConfigError, PlugInError

TEMPLATE = Path(__file__).with_name("my_model.py")
EXAMPLE = TEMPLATE.stem
TARGET = Path(__file__).with_name("my_target")
METHOD = Path(__file__).with_name("my_method")
STAGES = ("graph", "module", "runtime")


def write_model(name: str, folder: Path, advance: Advance) -> tuple[Path, Path]:
    """Writes `<name>.py` and its weights `<name>.npz` into `folder`, both or neither.

    Raises ConfigError for a name that cannot be used or is taken, and PlugInError if what fits the weights is not installed.
    """
    _check_name("model", name)
    wanted = folder / f"{name}.py", folder / f"{name}.npz"
    for path in wanted:
        if path.exists():
            raise ConfigError(f"{path} exists already and is not written over; choose another name or another folder with --out.")
    folder.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=folder, prefix=f".{name}-") as room:
        made = Path(room) / wanted[0].name, Path(room) / wanted[1].name
        text = re.sub(r"  # (type: ignore\[\S+\]|fmt: skip)$", "", TEMPLATE.read_text(encoding="utf-8"), flags=re.MULTILINE)
        made[0].write_text(re.sub(rf"\b{EXAMPLE}\b", name, text), encoding="utf-8")
        made[1].touch()  # the card names it, so it has to be there when the file is read
        registry.extend([], [made[0]])
        try:
            plugins.model_part(name, "train").train(Path(room), advance)
        except ImportError as error:
            raise PlugInError("model", name, f"its weights are fitted with {error.name}: pip install 'squeezemark[run]'") from error
        for source, path in reversed(list(zip(made, wanted, strict=True))):
            source.rename(path)
    return wanted


def write_target(name: str, folder: Path) -> Path:
    """Writes `targets/<name>/` into a folder of plug-ins, whole or not at all; where it is.

    Raises ConfigError for a name that cannot be used or is taken.
    """
    _check_name("target", name)
    place = folder / "targets" / name
    if place.exists():
        raise ConfigError(f"{place} exists already and is not written over; choose another name or another folder with --out.")
    if name in registry.discover().targets:
        raise ConfigError(f"There is a target {name!r} already; choose another name.")
    return _write(TARGET, TARGET.name, name, place)


def write_method(name: str, folder: Path, stage: str) -> Path:
    """Writes `methods/<name>/` into a folder of plug-ins, whole or not at all; where it is. stage: a name of `STAGES`.

    Raises ConfigError for a name that cannot be used or is taken.
    """
    _check_name("method", name)
    place = folder / "methods" / name
    if place.exists():
        raise ConfigError(f"{place} exists already and is not written over; choose another name or another folder with --out.")
    registry.extend([])
    found = registry.discover()
    if name in found.methods or ("method", name) in {(error.kind, error.name) for error in found.broken}:
        raise ConfigError(f"There is a method {name!r} already; choose another name.")
    return _write(METHOD / stage, METHOD.name, name, place)


def _write(template: Path, old: str, name: str, place: Path) -> Path:
    """The files of a template under `place`, with another name in their texts and in their own names."""
    place.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=place.parent, prefix=f".{name}-") as room:
        made = Path(room) / name
        made.mkdir()
        for file in sorted(template.glob("*.py")):
            text = re.sub(rf"\b{old}\b", name, file.read_text(encoding="utf-8"))
            (made / file.name.replace(old, name)).write_text(text, encoding="utf-8")
        made.rename(place)
    return place


def _check_name(kind: str, name: str) -> None:
    if not PLAIN_NAME.fullmatch(name) or len(name) > LONGEST_NAME:
        words = f"take lower-case letters, digits and '_', a letter first, {LONGEST_NAME} at most, such as my_{kind}"
        raise ConfigError(f"A {kind} cannot be called {name!r}: {words}.")
