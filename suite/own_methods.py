"""Methods that lie outside of the package: folders that are named (`--method-path`), and those that a distribution brings.

A distribution names them in its metadata, `name = "package.module"` in the group `squeezemark.methods`; the module is the method's folder,
and its last part is the method's name. Either way it becomes `methods.<name>`, as if it lay there: its card, source hash and record are
those of any method.
"""

import importlib
import importlib.util
from collections.abc import Iterable, Iterator, Mapping
from importlib.metadata import EntryPoint, entry_points
from pathlib import Path

from suite import plugins
from suite.cards import PLAIN_NAME
from suite.errors import ConfigError, PlugInError
from suite.plugins import INIT, PACKAGES

GROUP = "squeezemark.methods"


def named(folders: Iterable[Path], others: Mapping[str, str]) -> dict[str, str]:
    """Name -> `__init__.py` of each method in these folders, and the others. Raises ConfigError."""
    found = dict(others)
    for folder in folders:
        for method in _methods(folder):
            if not PLAIN_NAME.fullmatch(method.name):
                raise ConfigError(f"The method folder {method} needs a name of lower-case letters, digits and '_', such as my_method.")
            file, taken = str(method / INIT), taken_by(method) or found.get(method.name)
            if taken and taken != file:
                raise ConfigError(
                    f"Two methods of the name {method.name!r} were found, {Path(taken).parent} and {method}; rename one of them."
                )
            if method.parent not in _places():  # otherwise it is found there
                found[method.name] = file
    return found


def _methods(folder: Path) -> list[Path]:
    if not folder.is_dir():
        raise ConfigError(f"There is no folder {folder}: name one that holds methods, or that is one.")
    folder = folder.resolve()
    if (folder / INIT).is_file() and (folder / "apply.py").is_file():
        return [folder]
    found = sorted(path.parent for path in folder.glob(f"*/{INIT}") if not path.parent.name.startswith("."))
    if not found:
        words = f"a method is a folder with {INIT} and apply.py, which squeezemark new-method writes"
        raise ConfigError(f"The folder {folder} is no method and holds none: {words}.")
    return found


def _places() -> list[Path]:
    """The folders of methods that are known: the package's own, and those of `--plugins`."""
    return [Path(place).resolve() for place in importlib.import_module(PACKAGES["method"]).__path__]


def taken_by(method: Path) -> str | None:
    """The `__init__.py` of another method of that name among those that lie in folders of methods; None if there is no other."""
    for place in _places():
        file = place / method.name / INIT
        if file.is_file() and file.parent != method:
            return str(file)
    return None


def installed() -> tuple[dict[str, str], tuple[PlugInError, ...]]:
    """Name -> `__init__.py` of each method that a distribution brings, and what is wrong with those that cannot be had."""
    found: dict[str, str] = {}
    broken: list[PlugInError] = []
    for point in sorted(entry_points(group=GROUP), key=lambda point: (point.name, point.value)):
        try:
            folder = _folder(point)
            taken = taken_by(folder) or found.get(point.name)
            if taken and taken != str(folder / INIT):
                raise PlugInError("method", point.name, f"two of that name were found, {Path(taken).parent} and that of {_brought(point)}")
            found[point.name] = str(folder / INIT)
        except PlugInError as error:
            found.pop(point.name, None)
            broken.append(error)
    return found, tuple(broken)


def _brought(point: EntryPoint) -> str:
    return f"the distribution {point.dist.name} {point.dist.version}" if point.dist else "an installed distribution"


def _folder(point: EntryPoint) -> Path:
    """Where the module of an entry point lies, found without importing any of it. Raises PlugInError."""
    top, *rest = point.module.split(".")
    folders = [root.joinpath(*rest) for root in _roots(top)]
    folder = next((folder.resolve() for folder in folders if (folder / INIT).is_file()), None)
    if folder is None:
        raise PlugInError("method", point.name, f"{_brought(point)} names {point.module!r}, and there is no such folder with {INIT}")
    if folder.name != point.name or not PLAIN_NAME.fullmatch(point.name):
        words = "the last part of the module has to be the method's name, of lower-case letters, digits and '_'"
        raise PlugInError("method", point.name, f"{_brought(point)} names {point.module!r}; {words}")
    return folder


def _roots(top: str) -> Iterator[Path]:
    try:
        spec = importlib.util.find_spec(top)
    except (ImportError, ValueError):
        return
    if spec is not None:
        yield from map(Path, spec.submodule_search_locations or ())


def where(name: str) -> Path | None:
    """The folder of a method that has been found, whether it can be imported or not; None if it has none."""
    single = plugins.single_files(PACKAGES["method"]).get(name)
    folders = [*([single.parent] if single else []), *(place / name for place in _places())]
    return next((folder for folder in folders if (folder / INIT).is_file()), None)
