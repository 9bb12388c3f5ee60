"""A folder of records: one JSON file each, raw columns beside it, written atomically, named by content key."""

import os
import tempfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgspec
import numpy as np

from suite import columns as column_files
from suite.errors import BrokenRecord, NotWritable
from suite.record import SCHEMA, Record, decode, encode

Array = np.ndarray[Any, np.dtype[Any]]

COLUMNS = ".columns.zst"

LOCAL = "local-"
"""Before the key of a record that lies in an overlay: the same cell may have been published, and has the same key."""


@dataclass(frozen=True, slots=True)
class Store:
    """Records under `folder`. Nothing is ever half-written: a file appears under its name whole, or not at all.

    local: an overlay, one's own results beside the published ones; the keys of its records are read with LOCAL before them.
    """

    folder: Path
    local: bool = False

    def prepare(self) -> None:
        """Creates the folder and tries it. Raises NotWritable."""
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            with tempfile.TemporaryFile(dir=self.folder):
                pass
        except OSError as error:
            raise NotWritable(
                f"Results cannot be written to {self.folder} ({_reason(error)}); choose another folder with --results."
            ) from error

    def keys(self) -> dict[str, Record]:
        """Every readable record by content key; broken ones are left to `broken`."""
        return {record.key: record for record in self.records()}

    def records(self) -> Iterator[Record]:
        """Readable records, by file name."""
        for path in self._files():
            try:
                yield self.read(path)
            except BrokenRecord:
                continue

    def broken(self) -> tuple[BrokenRecord, ...]:
        """What is wrong with each file that is not a readable record."""
        found = []
        for path in self._files():
            try:
                self.read(path)
            except BrokenRecord as error:
                found.append(error)
        return tuple(found)

    def read(self, path: Path) -> Record:
        """One record. Raises BrokenRecord."""
        try:
            record = parse(path, path.read_bytes())
            return msgspec.structs.replace(record, key=LOCAL + record.key) if self.local else record
        except OSError as error:
            raise BrokenRecord(path, _reason(error)) from error

    def columns(self, record: Record) -> dict[str, Array]:
        """A record's raw samples and predictions. Raises BrokenRecord if they are missing or not those of the record."""
        path = self.folder / (self.stem(record) + COLUMNS)
        try:
            data = path.read_bytes()
            if column_files.digest(data) != record.columns_sha256:
                raise BrokenRecord(path, "its bytes are not those that the record names")
            return column_files.unpack(data)
        except (OSError, ValueError) as error:
            raise BrokenRecord(path, _reason(error)) from error

    def stem(self, record: Record) -> str:
        """The name of a record's files, as they lie in the folder."""
        return msgspec.structs.replace(record, key=record.key.removeprefix(LOCAL)).name if self.local else record.name

    def stems(self) -> tuple[str, ...]:
        """The names of all files that may be records, in their order."""
        return tuple(path.name.removesuffix(".json") for path in self._files())

    def columns_path(self, stem: str) -> Path:
        """The file of raw columns of that name."""
        return self.folder / (stem + COLUMNS)

    def path(self, stem: str) -> Path:
        """The file of that name."""
        return self.folder / f"{stem}.json"

    def put(self, record: Record, columns: Mapping[str, Array] | None = None) -> Record:
        """Writes a record, its columns first, and returns it as written. Raises NotWritable."""
        try:
            if columns is not None:
                data = column_files.pack(columns)
                record = msgspec.structs.replace(record, columns_sha256=column_files.digest(data))
                write(self.folder / (record.name + COLUMNS), data)
            write(self.folder / (record.name + ".json"), encode(record))
        except OSError as error:
            raise NotWritable(f"The record {record.name} could not be written to {self.folder} ({_reason(error)}).") from error
        return record

    def _files(self) -> list[Path]:
        return sorted(path for path in self.folder.glob("*.json") if path.is_file()) if self.folder.is_dir() else []


def parse(path: Path, data: bytes) -> Record:
    """The record that a file's bytes are. Raises BrokenRecord."""
    try:
        try:
            record = decode(data)
            version = record.schema
        except msgspec.ValidationError:  # which a record of a newer schema may well be
            version = msgspec.json.decode(data, type=_Versioned).schema
            if version <= SCHEMA:
                raise
        if version > SCHEMA:
            raise BrokenRecord(path, f"its schema {version} is newer than this squeezemark's {SCHEMA}")
        return record
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
        raise BrokenRecord(path, _reason(error)) from error


class _Versioned(msgspec.Struct):
    schema: int


def _reason(error: Exception) -> str:
    return (error.strerror or str(error)) if isinstance(error, OSError) else str(error)


def write(path: Path, data: bytes) -> None:
    """Whole or not at all, also if the machine loses power: synced under another name, then renamed."""
    with tempfile.NamedTemporaryFile(dir=path.parent, prefix=".", suffix=".part", delete=False) as file:
        try:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
            os.chmod(file.name, 0o644)
            os.replace(file.name, path)
        except BaseException:
            Path(file.name).unlink(missing_ok=True)
            raise
