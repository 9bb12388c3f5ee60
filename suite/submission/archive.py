"""Reads a zip from a stranger. What its headers say is never believed: sizes are counted while bytes are read.

`zipfile` of the standard library reads it, and what `submit` never writes is refused before: another end of the file than its own, zip64,
comments, extra fields, encryption, links, members that lie over each other.
"""

import io
import stat
import struct
import zipfile
import zlib
from collections.abc import Iterator
from pathlib import Path

from suite.errors import BrokenBundle
from suite.submission.manifest import LIMITS, MB, kind_of, problem_of_name

MEMBERS = 4000
FILE_BYTES, TOTAL_BYTES = 64 * MB, 256 * MB
RATIO, FREE = 200, 64 << 10
"""A member may unpack to FREE bytes and RATIO times what it takes in the archive."""
BLOCK = 64 << 10
HEADER_BYTES = 30
"""Of a member, before its name."""

END = struct.Struct("<4s4H2LH")
FLAGS = 0x800 | 0x6
"""Names in UTF-8, and how hard a deflated member was pressed. Anything else means encryption, or sizes that come later."""


def read(path: Path) -> bytes:
    """The bytes of a file that is no larger than a bundle may be. Raises BrokenBundle."""
    try:
        if not path.is_file():
            raise BrokenBundle(path, "it is a folder" if path.is_dir() else "there is no such file")
        with path.open("rb") as file:
            data = file.read(FILE_BYTES + 1)
    except (OSError, ValueError) as error:
        raise BrokenBundle(path, f"it cannot be read: {error}") from error
    if len(data) > FILE_BYTES:
        raise BrokenBundle(path, f"it has more than {FILE_BYTES // MB} MiB", "limits")
    return data


def members(path: Path, data: bytes) -> Iterator[tuple[str, bytes]]:
    """Name and content of each, in the order of the archive `data`. Raises BrokenBundle; nothing is written."""
    try:
        table = _check_end(path, data)
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            infos = archive.infolist()
            _check_headers(path, infos, table)
            total = 0
            for info in infos:
                content = _read(path, archive, info, TOTAL_BYTES - total)
                total += len(content)
                yield info.filename, content
    except (zipfile.BadZipFile, zlib.error, NotImplementedError, EOFError, UnicodeDecodeError, struct.error, ValueError) as error:
        raise BrokenBundle(path, f"it is not a whole zip archive: {error}") from error


def _check_end(path: Path, data: bytes) -> int:
    """Where the table of the members begins. The last 22 bytes are all that says so: it cannot have two, nor be hidden in another file."""
    if len(data) < END.size:
        raise BrokenBundle(path, "it is not a zip archive")
    signature, disk, first, here, entries, length, offset, comment = END.unpack(data[-END.size :])
    if signature != b"PK\5\6" or comment:
        raise BrokenBundle(path, "it does not end as a zip archive without a comment does")
    if 0xFFFF in (disk, first, here, entries) or 0xFFFFFFFF in (length, offset):
        raise BrokenBundle(path, "it is a zip64 archive, which no bundle needs to be")
    if disk or first or here != entries or offset + length + END.size != len(data):
        raise BrokenBundle(path, "something lies before or behind its members")
    if entries > MEMBERS or length > MB:
        raise BrokenBundle(path, f"it has more than {MEMBERS} members", "limits")
    return int(offset)


def _check_headers(path: Path, infos: list[zipfile.ZipInfo], table: int) -> None:
    """Every header is one that `submit` writes, and the members lie one behind the other from the first byte to the table."""
    seen: dict[str, tuple[str, bool]] = {}
    reached = 0
    for info in infos:
        name = info.orig_filename
        problem = problem_of_name(name) or _problem_of_header(info)
        if problem:
            raise BrokenBundle(path, f"its member {name[:80]!r} {problem}", "names" if problem_of_name(name) else "archive")
        if info.header_offset != reached:
            raise BrokenBundle(path, f"its member {name!r} does not begin where the one before it ends")
        reached += HEADER_BYTES + len(name) + info.compress_size
        _check_unlike(path, name, seen)
    if reached != table:
        raise BrokenBundle(path, "something lies between its members and their table")


def _check_unlike(path: Path, name: str, seen: dict[str, tuple[str, bool]]) -> None:
    """No two names are one on any system. seen: a name in lower case -> as it was written, and whether it is a file."""
    parts = name.split("/")
    for depth in range(1, len(parts) + 1):
        part, is_file = "/".join(parts[:depth]), depth == len(parts)
        if part.lower() not in seen:
            seen[part.lower()] = part, is_file
            continue
        other, was_file = seen[part.lower()]
        if other != part:
            raise BrokenBundle(path, f"its member {name!r} differs from {other!r} in case alone", "names")
        if is_file or was_file:
            raise BrokenBundle(path, f"its member {part!r} is there twice", "names")


def _problem_of_header(info: zipfile.ZipInfo) -> str | None:
    mode = info.external_attr >> 16
    if info.flag_bits & 0x1 or info.flag_bits & 0x2040:
        return "is encrypted"
    if info.flag_bits & ~FLAGS:
        return "does not say its size where it begins"
    if stat.S_IFMT(mode) not in (0, stat.S_IFREG) or info.external_attr & 0x10:
        return "is a link, a folder or a device, and no file"
    if info.extra or info.comment:
        return "has an extra field or a comment"
    if info.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
        return "is compressed in another way than by deflate"
    return None if kind_of(info.filename) else "is nothing that a bundle has a place for"


def _read(path: Path, archive: zipfile.ZipFile, info: zipfile.ZipInfo, left: int) -> bytes:
    """All of it, counted as it comes: its header is not asked how long it is."""
    kind = kind_of(info.filename)
    assert kind is not None, "checked before"
    parts: list[bytes] = []
    count = 0
    with archive.open(info) as member:
        while block := member.read(BLOCK):
            count += len(block)
            if count > LIMITS[kind]:
                raise BrokenBundle(path, f"its member {info.filename!r} has more than {LIMITS[kind]:,} bytes", "limits")
            if count > FREE + RATIO * info.compress_size:
                raise BrokenBundle(path, f"its member {info.filename!r} unpacks to more than {RATIO} times its size", "limits")
            if count > left:
                raise BrokenBundle(path, f"it unpacks to more than {TOTAL_BYTES // MB} MiB", "limits")
            parts.append(block)
    return b"".join(parts)
