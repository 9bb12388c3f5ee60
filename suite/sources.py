"""What a result depends on, by content: a plug-in's own files, and what a method uses of the room that methods share."""

import ast
from collections import UserDict
from collections.abc import Callable, Iterator
from functools import cache, partial
from pathlib import Path
from typing import Any

from suite import plugins
from suite.errors import PlugInError
from suite.hashing import hash_file, hash_folder, hash_json

SHARED = "suite.surgery"
ROOM = Path(__file__).parent / "surgery"


class Sources(UserDict[tuple[str, str], str]):
    """(kind, name) -> content hash; of most it is worked out when it is first asked for: a command asks for few."""

    def later(self, key: tuple[str, str], work_out: Callable[..., str], *subjects: Any) -> None:
        """Has a hash worked out when it is asked for."""
        self.data[key] = partial(work_out, *subjects)  # type: ignore[assignment]

    def __getitem__(self, key: tuple[str, str]) -> str:
        found = self.data[key]
        if callable(found):
            self.data[key] = found = found()
        return found


def hash_method(folder: Path) -> str:
    """The content hash of a method's folder; of one that imports from `suite.surgery`, and of those modules and what these import."""
    own, used = hash_folder(folder), shared(folder.glob("*.py"))
    return hash_json([own, used]) if used else own


def hash_single(file: Path, card: Any) -> str:
    """The content of a model in one file, and of the files beside it that its card names."""
    missing = [name for name in card.files if not (file.parent / name).is_file()]
    if missing:
        raise PlugInError("model", card.name, f"its card names the file {missing[0]!r}, which is not beside {file}")
    return hash_json({name: hash_file(file.parent / name) for name in (file.name, *card.files)})


def hash_training(model: str) -> str:
    """What a method that trains depends on beside the model itself: its `train.py`. A model in one file has it in there."""
    script = plugins.model_folder(model) / "train.py"
    return hash_file(script) if model not in plugins.single_files(plugins.PACKAGES["model"]) and script.is_file() else ""


def shared(files: Iterator[Path]) -> dict[str, str]:
    """Module of the shared room -> the hash of its file, for all that these files import, directly or through one another."""
    found: dict[str, str] = {}
    waiting = list(files)
    while waiting:
        for name in _imported(waiting.pop().read_bytes()):
            path = ROOM / f"{name}.py"
            if name not in found and path.is_file():
                found[name] = hash_file(path)
                waiting.append(path)
    return dict(sorted(found.items()))


@cache
def _imported(source: bytes) -> frozenset[str]:
    """The modules of the shared room that a source imports; of one that cannot be parsed, none: whoever imports it reports it.

    What methods share is read again for each of them, and parsing it took longer than all else that finding plug-ins does.
    """
    found: set[str] = set()
    try:
        nodes: list[ast.AST] = [ast.parse(source)]
    except (SyntaxError, ValueError, RecursionError, MemoryError):  # the last two: nested too deeply for the parser
        return frozenset()
    while nodes:
        node = nodes.pop()
        if isinstance(node, ast.ImportFrom) and node.module == SHARED:
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and str(node.module).startswith(f"{SHARED}."):
            found.add(str(node.module).split(".")[2])
        elif isinstance(node, ast.Import):
            found |= {alias.name.split(".")[2] for alias in node.names if alias.name.startswith(f"{SHARED}.")}
        elif not isinstance(node, ast.expr):  # no expression holds an import
            nodes += ast.iter_child_nodes(node)
    return frozenset(found)
