"""A new model in one file, from the template `my_model.py` beside this module: it runs as it stands."""

import re
import tempfile
from pathlib import Path

from suite import plugins, registry
from suite.contracts import Advance
from suite.errors import ConfigError, PlugInError

TEMPLATE = Path(__file__).with_name("my_model.py")
EXAMPLE = TEMPLATE.stem


def write(name: str, folder: Path, advance: Advance) -> tuple[Path, Path]:
    """Writes `<name>.py` and its weights `<name>.npz` into `folder`, both or neither.

    Raises ConfigError for a name that cannot be used or is taken, and PlugInError if what fits the weights is not installed.
    """
    if not registry.PLAIN_NAME.fullmatch(name):
        raise ConfigError(f"A model cannot be called {name!r}: take lower-case letters, digits and '_', a letter first, such as my_model.")
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
