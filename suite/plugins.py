"""Imports plug-ins, here and in every process of a run: folders of them, single folders, and models in one file. Standard library only."""

import importlib
import sys
from collections.abc import Mapping, Sequence
from importlib.machinery import ModuleSpec, SourceFileLoader
from importlib.util import spec_from_file_location
from pathlib import Path
from types import ModuleType
from typing import Literal, NoReturn

PACKAGES = {"model": "suite.models", "method": "methods", "target": "targets"}
INIT = "__init__.py"

Part = Literal["card", "network", "task", "data", "train"]

Paths = Mapping[str, Sequence[str]]
"""Package -> what a run adds to it: folders that hold plug-ins, and files `<name>.py` and `<name>/__init__.py` that each are one."""


class _Source(SourceFileLoader):
    """Reads a file as it is now: no bytecode is kept beside it, which an edit within the same second would leave in force."""

    def path_stats(self, path: str) -> NoReturn:
        raise OSError


class _Files:
    """Finds the modules that lie in files of their own, wherever those are."""

    def __init__(self) -> None:
        self.paths: dict[str, str] = {}

    def find_spec(self, name: str, path: object = None, target: object = None) -> ModuleSpec | None:
        if name not in self.paths:
            return None
        file = Path(self.paths[name])
        inside = [str(file.parent)] if file.name == INIT else None
        return spec_from_file_location(name, file, loader=_Source(name, str(file)), submodule_search_locations=inside)


_files = _Files()


def add(paths: Paths) -> None:
    """Lets the plug-ins of a run be imported, however often it is called."""
    if _files not in sys.meta_path:
        sys.meta_path.insert(0, _files)
    for package, places in paths.items():
        known = importlib.import_module(package).__path__
        for place in places:
            if place.endswith(".py"):
                _files.paths[f"{package}.{called(Path(place))}"] = place
            elif place not in known:
                known.append(place)


def called(file: Path) -> str:
    """The name of the plug-in that a file is; of a folder's `__init__.py`, that of the folder."""
    return file.parent.name if file.name == INIT else file.stem


def single_files(package: str) -> dict[str, Path]:
    """Name -> file of each plug-in of a package that `add` was given as a file; of a folder, its `__init__.py`."""
    return {name.rpartition(".")[2]: Path(path) for name, path in _files.paths.items() if name.rpartition(".")[0] == package}


def model_part(model: str, part: Part) -> ModuleType:
    """A module of a model: that of its folder, or the one file that is all of it. Raises what importing it raises."""
    whole = importlib.import_module(f"{PACKAGES['model']}.{model}")
    return importlib.import_module(f"{whole.__name__}.{part}") if hasattr(whole, "__path__") and part != "card" else whole


def model_folder(model: str) -> Path:
    """The folder that holds a model's weights."""
    return Path(str(importlib.import_module(f"{PACKAGES['model']}.{model}").__file__)).resolve().parent
