"""A new model in one file and a new target in a folder, from the templates `my_model.py` and `my_target` beside this module.

Both run as they stand.
"""

import re
import tempfile
from pathlib import Path

from suite import plugins, registry
from suite.cards import PLAIN_NAME
from suite.contracts import Advance
from suite.errors import ConfigError, PlugInError

TEMPLATE = Path(__file__).with_name("my_model.py")
EXAMPLE = TEMPLATE.stem
TARGET = Path(__file__).with_name("my_target")


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
    place.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=place.parent, prefix=f".{name}-") as room:
        made = Path(room) / name
        made.mkdir()
        for file in sorted(TARGET.glob("*.py")):
            text = re.sub(rf"\b{TARGET.name}\b", name, file.read_text(encoding="utf-8"))
            (made / file.name).write_text(text, encoding="utf-8")
        made.rename(place)
    return place


def _check_name(kind: str, name: str) -> None:
    if not PLAIN_NAME.fullmatch(name):
        raise ConfigError(
            f"A {kind} cannot be called {name!r}: take lower-case letters, digits and '_', a letter first, such as my_{kind}."
        )
