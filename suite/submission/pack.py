"""Writes a bundle: the same contents give the same bytes, on every machine."""

import hashlib
import io
import zipfile
from collections.abc import Iterable, Mapping
from pathlib import Path

from suite.errors import NotWritable
from suite.store import write
from suite.submission.manifest import MANIFEST, SUFFIX, Entry, File, Manifest, encode

EPOCH = (1980, 1, 1, 0, 0, 0)
"""The first date that a zip can hold."""


def manifest_of(
    contents: Mapping[str, bytes], *, method: str, created: str, licence: str, records: Iterable[Entry], author: str | None = None
) -> Manifest:
    """The manifest of files by path."""
    files = {name: File(hashlib.sha256(data).hexdigest(), len(data)) for name, data in sorted(contents.items())}
    entries = tuple(sorted(records, key=lambda entry: entry.name))
    return Manifest(method=method, created=created, licence=licence, author=author, records=entries, files=files)


def packed(manifest: Manifest, contents: Mapping[str, bytes]) -> bytes:
    """The archive. Members are stored, not deflated: what zlib makes of the same bytes differs from version to version, and columns are
    compressed already."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_STORED) as archive:
        for name, data in sorted({**contents, MANIFEST: encode(manifest)}.items()):
            info = zipfile.ZipInfo(name, EPOCH)
            info.create_system, info.external_attr = 3, 0o100644 << 16
            archive.writestr(info, data)
    return buffer.getvalue()


def file_name(manifest: Manifest) -> str:
    """NAME-<hash12>.squeezemark.zip, the hash that of the manifest, which holds those of all other files."""
    return f"{manifest.method}-{hashlib.sha256(encode(manifest)).hexdigest()[:12]}{SUFFIX}"


def pack(out: Path, manifest: Manifest, contents: Mapping[str, bytes]) -> Path:
    """Writes the bundle into the folder `out`, whole or not at all, and returns its path. Raises NotWritable."""
    path = out / file_name(manifest)
    try:
        out.mkdir(parents=True, exist_ok=True)
        write(path, packed(manifest, contents))
    except OSError as error:
        raise NotWritable(
            f"The bundle cannot be written to {out} ({error.strerror or error}); choose another folder with --out."
        ) from error
    return path
