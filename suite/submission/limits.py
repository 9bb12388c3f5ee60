"""What raw samples cannot be: more than a session gives, or faster than any processor is."""

from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np

from suite.contracts import TargetCard
from suite.record import Part, Record
from suite.submission.texts import shown

Array = np.ndarray[Any, np.dtype[Any]]

COLUMNS, COLUMN_BYTES = 1000, 32 << 20
LAUNCHES, QUADS = 256, 4096
"""Launches of a session, and quads of all of them together: a bootstrap over more would take minutes."""

CORE_BYTES_PER_NS, CORE_MACS_PER_NS = 1_000.0, 6_000.0
"""More than one core does: two loads of 64 bytes a cycle at 6 GHz are 768 bytes a nanosecond; AMX does 1,024 multiply-accumulates of int8
a cycle (Intel 64 and IA-32 Architectures Optimization Reference Manual, chapter on AMX), at 5 GHz 5,120 a nanosecond."""
DEVICE_BYTES_PER_NS, DEVICE_MACS_PER_NS = 100_000.0, 10_000_000.0
"""More than any accelerator does: 8 TB/s of memory and some ten times that of caches; 20 PFLOP/s in 4 bits."""


def problems(columns: Mapping[str, Array]) -> Iterator[str]:
    """What is larger than a session gives."""
    if len(columns) > COLUMNS:
        yield f"it has {len(columns)} columns"
    total = sum(array.nbytes for array in columns.values())
    if total > COLUMN_BYTES:
        yield f"its columns have {total:,} bytes"
    for name, array in columns.items():
        is_time = name.endswith("_ns") and array.ndim == 3
        if array.ndim > 4 or (is_time and (array.shape[0] > LAUNCHES or array.shape[0] * array.shape[1] > QUADS)):
            yield f"the column {shown(name, 60)} has the shape {array.shape}"


def too_fast(record: Record, columns: Mapping[str, Array], target: TargetCard | None) -> Iterator[str]:
    """A single request that took less time than reading the weights, or multiplying by them, would have taken the fastest processor."""
    if record.artifact is None or "compressed_ns" not in columns:
        return
    best = int(columns["compressed_ns"].min())
    cores = _cores(record)
    is_cpu = target is not None and target.device.endswith("CPU")
    peaks = (CORE_BYTES_PER_NS * cores, CORE_MACS_PER_NS * cores) if is_cpu else (DEVICE_BYTES_PER_NS, DEVICE_MACS_PER_NS)
    weights = sum(part.bytes for part in record.artifact.parts.values() if _is_read_whole(part))
    macs = sum(part.nonzero_macs or 0 for part in record.artifact.parts.values())
    for count, peak, doing in ((weights, peaks[0], "reading its weights"), (macs, peaks[1], "multiplying by its weights")):
        if best < count / peak:
            yield f"a request took {best:,} ns, and {doing} takes the fastest processor {count / peak:,.0f}"


def _cores(record: Record) -> int:
    """How many cores may have worked on a request: the threads of the target's settings, and no more than the machine has."""
    threads = record.cell.settings.get("threads")
    return max(1, min(threads, record.environment.cores) if isinstance(threads, int) else record.environment.cores)


def _is_read_whole(part: Part) -> bool:
    """Whether a request reads all of a file: a table of which rows are looked up need not be."""
    return not any(name == "If" or word in name.lower() for name in part.operators for word in ("gather", "embedding", "lookup", "sparse"))
