"""The source that is submitted, held against what records hash and say. It is read as text and parsed, and never imported."""

import ast
from collections.abc import Iterable, Iterator
from pathlib import Path

from suite.errors import PlugInError
from suite.recipes import RecipeTable, decode
from suite.record import Record
from suite.sources import hash_method
from suite.submission.checks import Finding
from suite.submission.manifest import Manifest
from suite.submission.texts import shown

CACHE = "__pycache__"

LICENCES = frozenset({
    "0BSD", "AFL-3.0", "AGPL-3.0-only", "AGPL-3.0-or-later", "Apache-2.0", "Artistic-2.0", "BlueOak-1.0.0", "BSD-2-Clause",
    "BSD-3-Clause", "BSL-1.0", "CECILL-2.1", "ECL-2.0", "EPL-2.0", "EUPL-1.2", "GPL-2.0-only", "GPL-2.0-or-later", "GPL-3.0-only",
    "GPL-3.0-or-later", "ISC", "LGPL-2.1-only", "LGPL-2.1-or-later", "LGPL-3.0-only", "LGPL-3.0-or-later", "MIT", "MIT-0", "MPL-2.0",
    "MulanPSL-2.0", "NCSA", "OSL-3.0", "PostgreSQL", "Python-2.0", "Unlicense", "UPL-1.0", "Zlib",
})  # fmt: skip
"""SPDX identifiers of licences that the Open Source Initiative approves (https://opensource.org/licenses)."""


def problem_of_licence(licence: str) -> str | None:
    """What is wrong with an SPDX identifier, or None."""
    if licence in LICENCES:
        return None
    return f"the licence {shown(licence, 60)!r} is none of the open ones that squeezemark knows, such as Apache-2.0, MIT or BSD-3-Clause"


def folder_files(folder: Path) -> Iterator[Path]:
    """What of a method's folder is submitted: what records hash. Raises PlugInError for what they do not, and a method could yet use."""
    for path in sorted(folder.rglob("*")):
        relative = path.relative_to(folder)
        if any(part == CACHE or part.startswith(".") for part in relative.parts) or path.is_dir():
            continue
        if path.is_symlink() or not path.is_file():
            raise PlugInError("method", folder.name, f"its {relative} is a link or a device, and no file")
        if relative == Path("train.py"):
            raise PlugInError("method", folder.name, "records do not hash its train.py; give that file another name and measure again")
        yield path


def findings(manifest: Manifest, folder: Path, records: Iterable[Record]) -> Iterator[Finding]:
    """What is wrong with the source under `folder` (a bundle's), against the records that were measured with it."""
    found, methods = list(records), folder / "method"
    names = {step.method for record in found for step in record.cell.recipe}
    there = {path.name for path in methods.iterdir()} if methods.is_dir() else set()
    for name in sorted(there ^ names):
        yield Finding("source", shown(name, 80), "no record names it" if name in there else "its source is not there")
    for name in sorted(there & names):
        yield from _of_method(methods / name, found)
    if manifest.method in there:
        yield from _card(manifest, methods / manifest.method / "__init__.py")
    recipe = folder / "recipes" / f"{manifest.method}.toml"
    if (recipe.exists(), manifest.method in there) not in ((True, False), (False, True)):
        yield Finding("source", manifest.method, "it is a method with its folder, or a recipe with its file: one of them")
    elif recipe.exists():
        yield from _of_recipe(recipe, manifest, found)
    yield from (_alone(record) for record in found if not recipe.exists() and _alone(record).problem)


def _of_method(folder: Path, records: list[Record]) -> Iterator[Finding]:
    unhashed = [path for path in folder.rglob("*") if path.is_file() and CACHE in path.relative_to(folder).parts]
    if unhashed or (folder / "train.py").exists():
        yield Finding("source", folder.name, "it has files that records do not hash")
    digest = hash_method(folder)
    measured = {step.source_sha256: record for record in records for step in record.cell.recipe if step.method == folder.name}
    for other, record in sorted(measured.items()):
        if other != digest:
            reason = f"its source ({digest[:12]}) is not the one that {shown(record.name, 160)} was measured with ({shown(other, 12)})"
            version = record.provenance.suite_version
            yield Finding("source", folder.name, f"{reason}, or suite.surgery is not that of {shown(version, 20)}")


def _card(manifest: Manifest, card: Path) -> Iterator[Finding]:
    """The licence that the card names in so many words is the manifest's."""
    try:
        tree = ast.parse(card.read_bytes())
    except (OSError, SyntaxError, ValueError, RecursionError, MemoryError):
        yield Finding("source", manifest.method, "its card is no Python")
        return
    calls = [node for node in ast.walk(tree) if isinstance(node, ast.Call) and ast.unparse(node.func).endswith("MethodCard")]
    words = {key.arg: key.value.value for call in calls for key in call.keywords if isinstance(key.value, ast.Constant)}
    for name, expected in (("name", manifest.method), ("licence", manifest.licence)):
        if name in words and words[name] != expected:
            yield Finding("licence" if name == "licence" else "source", manifest.method, f"its card says {name}={shown(words[name], 60)!r}")


def _of_recipe(file: Path, manifest: Manifest, records: list[Record]) -> Iterator[Finding]:
    try:
        table = decode(file)
    except PlugInError as error:
        yield Finding("source", manifest.method, shown(error.reason))
        return
    for record in records:
        if record.cell.method == manifest.method and not _follows(record, table):
            yield Finding("source", record.name, "its steps are not those of the recipe")


def _follows(record: Record, table: RecipeTable) -> bool:
    """All steps of the variant in their order; of a cell of one component, those that touch it."""
    steps = [(step.method, step.variant) for variant in table.variants if variant.name == record.cell.variant for step in variant.steps]
    mine = [(step.method, step.variant) for step in record.cell.recipe]
    if record.cell.component is None:
        return bool(steps) and (mine == steps or record.status == "unsupported")
    rest = iter(steps)
    return bool(mine) and all(step in rest for step in mine)


def _alone(record: Record) -> Finding:
    """A method that is no recipe is one step, of its own name and variant."""
    own = [(record.cell.method, record.cell.variant)]
    steps = [(step.method, step.variant) for step in record.cell.recipe]
    right = steps == own or (not steps and record.status == "unsupported")
    return Finding("cells", record.name, "" if right else "its steps are not the method that it is of")
