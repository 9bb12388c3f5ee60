"""Opens a bundle in a temporary folder that is deleted afterwards. What is opened is whole and as its manifest says."""

import hashlib
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from suite.errors import BrokenBundle
from suite.store import Store
from suite.submission import archive
from suite.submission.manifest import MANIFEST, Manifest, decode, problem_of_source
from suite.submission.texts import problem_of_text


@dataclass(frozen=True, slots=True)
class Bundle:
    """A bundle's files under `folder`, and its manifest. sha256: of the archive as it was handed in."""

    path: Path
    folder: Path
    manifest: Manifest
    sha256: str

    @property
    def store(self) -> Store:
        """Its records."""
        return Store(self.folder / "records")

    @property
    def methods(self) -> Path:
        """The folder of the source of its methods, each in a folder of its name. Nothing in there has been imported."""
        return self.folder / "method"


@contextmanager
def opened(path: Path) -> Iterator[Bundle]:
    """Raises BrokenBundle for anything that `submit` would not have written. Nothing is written outside the temporary folder."""
    data = archive.read(path)
    contents = dict(archive.members(path, data))
    manifest = _manifest(path, contents)
    check_files(path, manifest, contents)
    with tempfile.TemporaryDirectory(prefix="squeezemark-bundle-") as name:
        folder = Path(name)
        for member, content in contents.items():
            place = folder / member
            place.parent.mkdir(parents=True, exist_ok=True)
            with place.open("xb") as file:
                file.write(content)
        yield Bundle(path, folder, manifest, hashlib.sha256(data).hexdigest())


def _manifest(path: Path, contents: Mapping[str, bytes]) -> Manifest:
    if MANIFEST not in contents:
        raise BrokenBundle(path, "it has no manifest.json", "manifest")
    try:
        return decode(contents[MANIFEST])
    except ValueError as error:
        raise BrokenBundle(path, str(error), "manifest") from error


def check_files(path: Path, manifest: Manifest, contents: Mapping[str, bytes]) -> None:
    """Every file is in the manifest with its size and hash, nothing else is, and what is text is text. Raises BrokenBundle."""
    there, named = contents.keys() - {MANIFEST}, manifest.files.keys()
    for name in sorted(there ^ named):
        where = "is not in its manifest" if name in there else "is in its manifest and not there"
        raise BrokenBundle(path, f"the file {name[:120]!r} {where}", "manifest")
    for name in sorted(there):
        data, known = contents[name], manifest.files[name]
        if (len(data), hashlib.sha256(data).hexdigest()) != (known.bytes, known.sha256):
            raise BrokenBundle(path, f"the file {name!r} is not the one that its manifest names", "files")
        problem = problem_of_source(name, data) if name.startswith(("method/", "recipes/")) else None
        if problem is None and not name.endswith(".zst"):
            problem = problem_of_text(data)
        if problem:
            raise BrokenBundle(path, f"the file {name!r} {problem}", "files")
    _check_records(path, manifest)


def _check_records(path: Path, manifest: Manifest) -> None:
    """The manifest's list of records is the list of files under records/; columns need not be there, for a cell that failed has none."""
    names = [entry.name for entry in manifest.records]
    files = {name for name in manifest.files if name.startswith("records/")}
    allowed = {f"records/{name}{suffix}" for name in names for suffix in (".json", ".columns.zst")}
    missing = sorted({f"records/{name}.json" for name in names} - files)
    if len(set(names)) != len(names) or missing or files - allowed:
        which = missing or sorted(files - allowed) or sorted(names)
        raise BrokenBundle(path, f"its list of records does not fit its files ({which[0][:120]!r})", "manifest")
