"""What a bundle holds: its manifest, the places that there are in it, and how large anything in it may be.

manifest.json                      this, and the sha256 and size of every other file
environment.json                   the machine and the source tree that it was packed on
constraints.txt                    name==version of what was installed there
records/<record>.json              records, as the store writes them
records/<record>.columns.zst       their raw samples and predictions
method/<name>/...                  the source of every method that the records name, text files only
recipes/<name>.toml                the recipe, if what is submitted is one
"""

import json
import re
from collections import Counter
from collections.abc import Mapping

import msgspec

from suite.submission.texts import problem_of_text, shown

FORMAT = 1
SUFFIX = ".squeezemark.zip"
MANIFEST, ENVIRONMENT, LOCK = "manifest.json", "environment.json", "constraints.txt"

KB, MB = 1 << 10, 1 << 20
LIMITS: Mapping[str, int] = {
    MANIFEST: MB,
    ENVIRONMENT: 64 * KB,
    LOCK: 64 * KB,
    "records/*.json": 256 * KB,
    "records/*.columns.zst": 8 * MB,
    "method/": MB,
    "recipes/": 64 * KB,
}
"""Bytes that one file of each kind may have."""

WORD = r"[A-Za-z0-9_][A-Za-z0-9_.-]*"
NAME = re.compile(rf"{WORD}(?:/{WORD})*")
"""Of a member: so plain that it means the same file on every system."""
DEVICES = frozenset({"con", "prn", "aux", "nul", *(f"{port}{n}" for port in ("com", "lpt") for n in range(1, 10))})
LONGEST_NAME, DEEPEST = 240, 8
LONGEST_AUTHOR = 200

SOURCES = frozenset({".py", ".pyi", ".toml", ".md", ".txt", ".rst", ".json", ".csv", ".yaml", ".yml", ".cfg", ".ini", ".typed", ".c", ".h"})
"""Suffixes of source. What is made from it, weights included, is made anew and never shipped."""
PICKLES = frozenset({".pkl", ".pickle", ".pt", ".pth", ".bin", ".ckpt", ".joblib", ".npy", ".npz", ".dill", ".marshal", ".pyc"})


class Entry(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A record of the bundle: its name in a store, and its content key."""

    name: str
    key: str


class File(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What a file of the bundle is."""

    sha256: str
    bytes: int


class Manifest(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """The table of contents.

    method: what is submitted, a method or a recipe. created: when its newest record was made, so that packing twice gives the same bytes.
    author: free text, or None. licence: of the method's source, an SPDX identifier, from its card. files: every other member by path.
    """

    format: int = FORMAT
    method: str
    created: str
    licence: str
    records: tuple[Entry, ...]
    files: dict[str, File]
    author: str | None = None


def encode(manifest: Manifest) -> bytes:
    """Indented JSON, UTF-8."""
    return msgspec.json.format(msgspec.json.encode(manifest, order="deterministic"), indent=1) + b"\n"


def decode(data: bytes) -> Manifest:
    """Raises ValueError with a reason in words."""
    try:
        version = msgspec.json.decode(data, type=_Versioned).format
        if version != FORMAT:
            raise ValueError(f"its format is {version}, and this squeezemark reads {FORMAT}")
        found = msgspec.json.decode(data, type=Manifest)
        json.loads(data, object_pairs_hook=_once)
        if len(found.author or "") > LONGEST_AUTHOR:
            raise ValueError(f"its author is named in {len(found.author or ''):,} characters, and {LONGEST_AUTHOR} are the most")
        return found
    except (msgspec.MsgspecError, RecursionError, UnicodeDecodeError) as error:
        raise ValueError(f"its manifest cannot be read: {error}") from error


def _once(pairs: list[tuple[str, object]]) -> None:
    """Raises ValueError for a name that one object has twice: of its values readers take the first or the last, as they like."""
    repeated = next((name for name, count in Counter(name for name, _ in pairs).items() if count > 1), None)
    if repeated is not None:
        raise ValueError(f"its manifest names {shown(repeated, 80)!r} twice")


class _Versioned(msgspec.Struct):
    format: int


def problem_of_name(name: str) -> str | None:
    """What is wrong with a member's name, or None."""
    if "\0" in name or any(ord(letter) < 32 or ord(letter) == 127 for letter in name):
        return "has a control character in its name"
    if "\\" in name:
        return "has a backslash in its name"
    if name.startswith("/") or re.match(r"[A-Za-z]:", name):
        return "has an absolute name"
    if ".." in name.split("/"):
        return "leaves the bundle by '..'"
    if name.endswith("/"):
        return "is a folder: a bundle names files alone"
    if len(name) > LONGEST_NAME or name.count("/") >= DEEPEST:
        return f"has a name of more than {LONGEST_NAME} letters or {DEEPEST} levels"
    if not NAME.fullmatch(name):
        return "has a name that is not of plain letters, digits, '_', '-' and '.'"
    if any(part.endswith(".") or part.partition(".")[0].lower() in DEVICES for part in name.split("/")):
        return "has a name that some systems cannot write"
    return None


def kind_of(name: str) -> str | None:
    """The place of a member, a key of LIMITS; None where a bundle has no place for it."""
    folder, _, rest = name.partition("/")
    if name in LIMITS:
        return name
    if folder == "records" and "/" not in rest:
        return next((f"records/*{suffix}" for suffix in (".json", ".columns.zst") if rest.endswith(suffix)), None)
    if folder == "method" and "/" in rest:
        return "method/"
    return "recipes/" if folder == "recipes" and re.fullmatch(r"[a-z0-9_]+\.toml", rest) else None


def problem_of_source(name: str, data: bytes) -> str | None:
    """What is wrong with a file of source, or None: text alone, and nothing that is a program, a pickle or a graph."""
    last = name.rpartition("/")[2].lower()
    suffix = last[last.rindex(".") :] if "." in last else ""
    if suffix in PICKLES:
        return f"may hold a pickle ({suffix}), which runs code when it is read"
    if suffix == ".onnx":
        return "is an ONNX graph, which may name data outside: artifacts are made anew, and never submitted"
    if suffix and suffix not in SOURCES:
        return f"is of the kind {suffix}: the source of a method is text"
    return problem_of_text(data)
