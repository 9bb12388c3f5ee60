"""Raw samples and predictions in one small file: named numpy arrays, zstd-compressed, no pickle.

Layout, after decompression: one line of JSON `[[name, dtype, shape], ...]`, then the arrays' bytes in that order, little-endian.
"""

import hashlib
import json
import math
from collections.abc import Mapping
from typing import Annotated, Any

import msgspec
import numpy as np
import zstandard

Array = np.ndarray[Any, np.dtype[Any]]

DTYPES = frozenset({"|b1", "|u1", "|i1", "<i2", "<u2", "<i4", "<u4", "<i8", "<f2", "<f4", "<f8"})
LIMIT = 1 << 28
"""No more bytes than this are unpacked from one file."""

Header = list[tuple[str, str, list[Annotated[int, msgspec.Meta(ge=0)]]]]


def pack(columns: Mapping[str, Array]) -> bytes:
    """The file's bytes. Raises ValueError for a dtype that is not a plain number."""
    arrays = {name: np.asarray(array, array.dtype.newbyteorder("<"), order="C") for name, array in columns.items()}
    header = [[name, array.dtype.str, list(array.shape)] for name, array in arrays.items()]
    for name, dtype, _ in header:
        if dtype not in DTYPES:
            raise ValueError(f"column {name!r} has the dtype {dtype}, which cannot be stored")
    body = json.dumps(header).encode() + b"\n" + b"".join(array.tobytes() for array in arrays.values())
    return zstandard.ZstdCompressor(level=19).compress(body)


def unpack(data: bytes) -> dict[str, Array]:
    """The arrays of a file. Raises ValueError for bytes that are not one."""
    try:
        if zstandard.frame_content_size(data) > LIMIT:  # the decompressor believes this size, whatever its own limit
            raise ValueError(f"it unpacks to more than {LIMIT} bytes")
        body = zstandard.ZstdDecompressor().decompress(data, max_output_size=LIMIT)
        line, _, rest = body.partition(b"\n")
        header = msgspec.json.decode(line, type=Header)
    except (zstandard.ZstdError, msgspec.MsgspecError, ValueError) as error:
        raise ValueError(f"not a columns file: {error}") from error
    columns, offset = {}, 0
    for name, dtype, shape in header:
        if dtype not in DTYPES:
            raise ValueError(f"column {name!r} has the dtype {dtype}, which cannot be stored")
        count = math.prod(shape)
        if count * np.dtype(dtype).itemsize > len(rest) - offset:
            raise ValueError(f"column {name!r} is cut short")
        columns[name] = np.frombuffer(rest, dtype, count, offset).reshape(shape)
        offset += columns[name].nbytes
    if offset != len(rest):
        raise ValueError(f"{len(rest) - offset} bytes belong to no column")
    return columns


def digest(data: bytes) -> str:
    """The sha256 of a file's bytes, in hexadecimal."""
    return hashlib.sha256(data).hexdigest()
