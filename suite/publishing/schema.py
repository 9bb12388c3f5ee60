"""What the downloads consist of, for programs: JSON Schema of a record and of a row, and the rows as a Parquet file."""

import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any, Literal

import msgspec

from suite.record import Record

Kind = Literal["string", "integer", "number", "boolean"]

KINDS: dict[Kind, tuple[str, ...]] = {
    "string": (
        "record", "model", "method", "variant", "component", "target", "tier", "host", "family", "division", "status", "reason",
        "provenance", "ties", "incomparable", "metric", "accuracy_verdict", "score", "speed_verdict", "reference", "host_grade",
        "created", "key",
    ),
    "integer": (
        "test_seed", "rank", "speed_rank", "items", "lost", "gained", "bytes", "zstd_bytes", "parameters", "nonzero_parameters", "macs",
        "nonzero_macs", "bit_operations",
    ),
    "boolean": ("current", "noisy"),
}  # fmt: skip
"""Columns of the downloads that are not plain numbers."""

OF: dict[str, Kind] = {name: kind for kind, names in KINDS.items() for name in names}
NEVER_NULL = frozenset(
    {"record", "model", "method", "variant", "target", "tier", "test_seed", "host", "status", "current", "created", "key"}
)

DIALECT = "https://json-schema.org/draft/2020-12/schema"


def kind(name: str) -> Kind:
    """What a column holds, or null."""
    return OF.get(name, "number")


def of_record() -> bytes:
    """The JSON Schema of `data/<record>.json`."""
    return _text({"$schema": DIALECT, **msgspec.json.schema(Record)})


def of_rows(columns: Iterable[str]) -> bytes:
    """The JSON Schema of `data/results.json` and of its shards."""
    names = list(columns)
    properties = {name: {"type": kind(name) if name in NEVER_NULL else [kind(name), "null"]} for name in names}
    row = {"type": "object", "properties": properties, "required": names, "additionalProperties": False}
    return _text({"$schema": DIALECT, "title": "Rows of the Squeezemark leaderboard", "type": "array", "items": row})


def _text(schema: dict[str, Any]) -> bytes:
    return (json.dumps(schema, indent=1, sort_keys=True) + "\n").encode()


def parquet(shards: Iterable[Path], columns: Iterable[str], out: Path) -> bool:
    """Writes rows that lie as JSON in some files, a row group for each; False where pyarrow is not installed."""
    try:
        import pyarrow as pa
        from pyarrow import parquet as pq
    except ImportError:
        return False
    types = {"string": pa.string(), "integer": pa.int64(), "number": pa.float64(), "boolean": pa.bool_()}
    schema = pa.schema([(name, types[kind(name)]) for name in columns])
    with pq.ParquetWriter(out, schema, compression="zstd") as writer:
        for shard in shards:
            rows = msgspec.json.decode(shard.read_bytes())
            writer.write_table(pa.Table.from_pylist(rows, schema=schema))
    return True
