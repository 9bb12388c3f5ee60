"""Columns files give back what was packed, refuse what cannot be stored, and meet foreign bytes with a ValueError alone."""

import hashlib
import json

import numpy as np
import pytest
import zstandard

from suite import columns
from suite.columns import DTYPES, digest, pack, unpack

SHAPES = [(), (0,), (1,), (7,), (3, 0, 2), (2, 3, 4)]


def same(found, wanted):
    """Names in their order, dtypes, shapes and bytes."""
    assert list(found) == list(wanted)
    for name, array in wanted.items():
        assert (found[name].dtype, found[name].shape) == (array.dtype, array.shape)
        assert found[name].tobytes() == array.tobytes()


@pytest.mark.parametrize("shape", SHAPES, ids=str)
@pytest.mark.parametrize("dtype", sorted(DTYPES))
def test_what_is_packed_comes_back(dtype, shape):
    values = np.random.default_rng(1).integers(-100, 100, shape)
    arrays = {"first": np.asarray(values).astype(dtype), "second": np.asarray(values % 2 == 0)}
    same(unpack(pack(arrays)), arrays)


def test_nothing_can_be_packed():
    assert unpack(pack({})) == {}


def test_numbers_at_their_limits_come_back():
    arrays = {"floats": np.array([np.nan, np.inf, -0.0, 5e-324]), "integers": np.array([2**63 - 1, -(2**63)])}
    same(unpack(pack(arrays)), arrays)


def test_names_may_hold_any_text():
    arrays = {"component:vision:größe\n": np.arange(3), "": np.arange(2), '"': np.arange(1)}
    same(unpack(pack(arrays)), arrays)


def test_other_byte_orders_and_layouts_are_stored_as_little_endian_rows():
    table = np.arange(12, dtype=">i4").reshape(3, 4)
    found = unpack(pack({"turned": table.T, "every other": np.arange(10)[::2]}))
    assert found["turned"].dtype.str == "<i4"
    assert found["turned"].tolist() == table.T.tolist()
    assert found["every other"].tolist() == [0, 2, 4, 6, 8]


@pytest.mark.parametrize(
    "array",
    [
        np.array([{}]),
        np.array(["a"]),
        np.array([b"a"]),
        np.array([1j]),
        np.array(["2026-11-22"], "M8[D]"),
        np.zeros(2, "f4,i4"),
        np.zeros(2, "u8"),
    ],
    ids=lambda array: str(array.dtype),
)
def test_what_is_not_a_plain_number_is_refused(array):
    with pytest.raises(ValueError, match=r"'answers'.*cannot be stored"):
        pack({"answers": array})


def test_every_cut_of_a_file_is_a_value_error():
    data = pack({"times": np.arange(50, dtype=np.uint32), "right": np.ones(9, bool)})
    for length in range(len(data)):
        with pytest.raises(ValueError, match="column"):
            unpack(data[:length])


def test_a_flipped_byte_is_a_value_error_or_other_numbers():
    """The digest tells that it was flipped; here it must only do no harm."""
    data = pack({"times": np.arange(50, dtype=np.uint32), "right": np.ones(9, bool)})
    refused = 0
    for position in range(len(data)):
        try:
            unpack(data[:position] + bytes([data[position] ^ 0xFF]) + data[position + 1 :])
        except ValueError:
            refused += 1
    assert refused > 4


def _file(header, body=b""):
    line = header if isinstance(header, bytes) else json.dumps(header).encode()
    return zstandard.compress(line + b"\n" + body)


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"not zstd at all",
        zstandard.compress(b""),
        zstandard.compress(b"\xff\xfe\n"),
        _file(b"[" * 100_000),
        _file(None),
        _file(3),
        _file({"times": "<i4"}),
        _file([["times"]]),
        _file([["times", ["<i4"], [1]]], b"abcd"),
        _file([[1, "<i4", [1]]], b"abcd"),
        _file([["times", "<i4", ["1"]]], b"abcd"),
        _file([["times", "<i4", 1]], b"abcd"),
        _file([["times", "<i4", [1.5]]], b"abcdef"),
        _file([["times", "<i4", [-1]]], b"abcd"),
        _file([["times", "<i4", [2]]], b"abcd"),
        _file([["times", "<i4", [1]]], b"abcdabcd"),
        _file([["times", "<i4", [10**30]]], b"abcd"),
        _file([["times", "<i4", [1 << 62, 4]]], b""),
        _file([["times", "|O", [1]]], b"abcdabcd"),
        _file([["times", "<U1", [1]]], b"abcd"),
        _file([["times", "no dtype", [1]]], b"abcd"),
    ],
)
def test_foreign_bytes_are_a_value_error(data):
    with pytest.raises(ValueError, match="column"):
        unpack(data)


@pytest.mark.parametrize("says_its_size", [True, False])
def test_no_more_than_the_limit_is_unpacked(monkeypatch, says_its_size):
    body = json.dumps([["zeros", "|u1", [100_000]]]).encode() + b"\n" + bytes(100_000)
    data = zstandard.ZstdCompressor(write_content_size=says_its_size).compress(body)
    monkeypatch.setattr(columns, "LIMIT", len(body))
    assert unpack(data)["zeros"].size == 100_000
    monkeypatch.setattr(columns, "LIMIT", len(body) - 1)
    with pytest.raises(ValueError, match="columns file"):
        unpack(data)


def test_the_digest_is_sha256():
    assert digest(b"abc") == hashlib.sha256(b"abc").hexdigest()


def test_the_same_columns_give_the_same_bytes():
    arrays = {"times": np.arange(50), "right": np.ones(9, bool)}
    assert pack(arrays) == pack({name: array.copy() for name, array in arrays.items()})
