"""A bundle that passes every check, for the tests to break: synthetic times and answers through the real records and statistics."""

import io
import zipfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from msgspec import structs
from site_store import Plan, make

from suite.hashing import hash_folder, hash_json
from suite.record import Record
from suite.store import COLUMNS, Store
from suite.submission import surroundings
from suite.submission.manifest import ENVIRONMENT, LOCK, MANIFEST, Entry, Manifest, encode
from suite.submission.pack import manifest_of, packed

CARD = """from suite.contracts import MethodCard, Variant
CARD = MethodCard(name="mine", title="Mine", summary="For a test", family="quantization", stage="graph", division="data-free",
    licence="MIT", variants=(Variant(name="one", summary="the first"), Variant(name="two", summary="the second")))
"""
BASELINE = Path(__file__).resolve().parent.parent / "methods" / "baseline_fp32"
APPLY = "def apply(model, parameters, context):\n    return model\n"

PLANS = (Plan("baseline_fp32", "fp32", 1.0, 1.0, 1.0), Plan("mine", "one", 0.99, 0.27, 2.1), Plan("mine", "two", 0.98, 0.26, 1.4))


@dataclass(frozen=True)
class Made:
    """The files of a bundle but its manifest, its store on disk, and how to make the archive of them."""

    contents: dict[str, bytes]
    store: Store

    def manifest(self, contents: Mapping[str, bytes] | None = None, licence: str = "MIT") -> Manifest:
        """Of these contents, or of others."""
        files = dict(self.contents if contents is None else contents)
        records = list(self.store.records())
        entries = [Entry(record.name, record.key) for record in records if f"records/{record.name}.json" in files]
        created = max(record.created for record in records)
        return manifest_of(files, method="mine", created=created, licence=licence, records=entries)

    def archive(self, changes: Mapping[str, bytes] | None = None, without: tuple[str, ...] = ()) -> bytes:
        """With files changed or added, and a manifest that fits."""
        files = {name: data for name, data in {**self.contents, **(changes or {})}.items() if name not in without}
        return packed(self.manifest(files), files)


def made(folder: Path) -> Made:
    """The bundle of the method `mine` on one model."""
    own = folder / "methods" / "mine"
    own.mkdir(parents=True)
    (own / "__init__.py").write_text(CARD)
    (own / "apply.py").write_text(APPLY)
    contents = {f"method/{place.name}/{file.name}": file.read_bytes() for place in (own, BASELINE) for file in sorted(place.glob("*.py"))}
    hashes = {place.name: hash_folder(place) for place in (own, BASELINE)}
    store = Store(folder / "results")
    store.prepare()
    for plan in PLANS:
        record, columns = make("glyph_clip", plan, 200, (3, 4, 12))
        put(store, record, columns, hashes[plan.method])
    for path in store.folder.iterdir():
        contents[f"records/{path.name}"] = path.read_bytes()
    contents[LOCK] = b"numpy==2.4.6\n"
    contents[ENVIRONMENT] = surroundings.encode(surroundings.packing())
    return Made(contents, store)


def put(store: Store, record: Record, columns: Mapping[str, np.ndarray], source: str) -> Record:
    """Writes a record whose hashes are as those of a real one."""
    step = structs.replace(record.cell.recipe[0], source_sha256=source)
    artifact = hash_json({name: part.sha256 for name, part in record.artifact.parts.items()})
    provenance = structs.replace(record.provenance, artifact_sha256=artifact)
    return store.put(structs.replace(record, cell=structs.replace(record.cell, recipe=(step,)), provenance=provenance), columns)


def changed(
    made: Made, change: Callable[[Record], Record], columns: Callable[[dict], dict] | None = None, *, method: str = "mine",
    variant: str | None = None,
) -> bytes:  # fmt: skip
    """The archive with the first record of a method changed, and its raw samples too."""
    record = next(record for record in made.store.records() if record.cell.method == method and variant in (None, record.cell.variant))
    raw = made.store.columns(record)
    folder = Store(made.store.folder.parent / "changed")
    folder.prepare()
    new = folder.put(change(record), columns(raw) if columns else raw)
    old = {f"records/{record.name}{suffix}" for suffix in (".json", COLUMNS)}
    files = {name: data for name, data in made.contents.items() if name not in old}
    files |= {f"records/{new.name}{suffix}": (folder.folder / (new.name + suffix)).read_bytes() for suffix in (".json", COLUMNS)}
    records = [other for other in made.store.records() if other.name != record.name]
    entries = [Entry(other.name, other.key) for other in [*records, new]]
    created = max(other.created for other in [*records, new])
    return packed(manifest_of(files, method="mine", created=created, licence="MIT", records=entries), files)


def zipped(
    files: Mapping[str, bytes], change: Callable[[zipfile.ZipInfo], None] = lambda info: None, kind: int = zipfile.ZIP_STORED
) -> bytes:
    """A zip of files as they are, each header changed."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        for name, data in files.items():
            info = zipfile.ZipInfo(name)
            info.compress_type = kind
            change(info)
            archive.writestr(info, data)
    return buffer.getvalue()


def with_manifest(made: Made, changes: Mapping[str, bytes] | None = None) -> dict[str, bytes]:
    """All files, the manifest among them."""
    files = {**made.contents, **(changes or {})}
    return {**files, MANIFEST: encode(made.manifest(files))}
