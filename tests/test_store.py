"""A store holds whole records or none, says what is wrong with each other file, and gives back exactly the columns of a record."""

import hashlib
import os
from pathlib import Path

import msgspec
import numpy as np
import pytest

from suite.columns import pack
from suite.errors import BrokenRecord, NotWritable
from suite.record import SCHEMA, decode, encode
from suite.store import COLUMNS, Store

GOLDEN = Path(__file__).parent / "golden/tiny_matcher--dynamic_int8--per_channel--x86_cpu_ort--7102ccf09a37.json"
RAW = {"baseline_ns": np.arange(24, dtype=np.uint32).reshape(2, 3, 4), "recall_at_1": np.array([True, False])}
NEWER = SCHEMA + 1

replace = msgspec.structs.replace


@pytest.fixture
def record():
    return decode(GOLDEN.read_bytes())


@pytest.fixture
def store(tmp_path):
    made = Store(tmp_path / "results")
    made.prepare()
    return made


def _files(store):
    return sorted(path.name for path in store.folder.iterdir())


def test_what_is_put_comes_back(store, record):
    written = store.put(record, RAW)
    assert [written] == list(store.records())
    assert store.keys() == {record.key: written}
    assert store.broken() == ()
    found = store.columns(written)
    assert {name: array.tolist() for name, array in found.items()} == {name: array.tolist() for name, array in RAW.items()}
    assert written == replace(record, columns_sha256=written.columns_sha256)
    assert written.columns_sha256 != record.columns_sha256


def test_a_record_without_columns_names_none(store, record):
    failed = replace(record, status="crashed", reason="why", columns_sha256=None)
    assert store.put(failed) == failed
    assert _files(store) == [f"{record.name}.json"]
    with pytest.raises(BrokenRecord, match="No such file"):
        store.columns(failed)


def test_two_puts_of_a_key_leave_one_record(store, record):
    store.put(record, RAW)
    second = store.put(replace(record, created="2027-01-01T00:00:00+00:00"), {**RAW, "recall_at_1": np.array([True, True])})
    assert list(store.records()) == [second]
    assert store.columns(second)["recall_at_1"].all()
    assert _files(store) == [record.name + COLUMNS, f"{record.name}.json"]


def test_a_file_is_readable_by_everyone(store, record):
    store.put(record, RAW)
    assert {path.stat().st_mode & 0o777 for path in store.folder.iterdir()} == {0o644}


def test_records_come_in_the_order_of_their_names(store, record):
    keys = [f"{number:x}" * 64 for number in (9, 2, 12, 0)]
    for key in keys:
        store.put(replace(record, key=key))
    assert [found.key for found in store.records()] == sorted(keys)


def test_a_folder_that_is_not_there_holds_nothing(tmp_path):
    assert list(Store(tmp_path / "nowhere").records()) == []
    assert Store(tmp_path / "nowhere").broken() == ()
    assert not (tmp_path / "nowhere").exists()


def test_prepare_makes_the_folder_and_leaves_nothing_in_it(tmp_path):
    folder = tmp_path / "deep" / "results"
    Store(folder).prepare()
    Store(folder).prepare()
    assert list(folder.iterdir()) == []


@pytest.mark.parametrize("below", ["file", "file/results", "file/deep/results"])
def test_a_folder_that_cannot_be_made_is_not_writable(tmp_path, record, below):
    (tmp_path / "file").write_text("a regular file")
    store = Store(tmp_path / below)
    with pytest.raises(NotWritable, match="choose another folder with --results") as caught:
        store.prepare()
    assert str(store.folder) in str(caught.value)
    with pytest.raises(NotWritable, match=r"could not be written to .*(Not a directory|No such file)"):
        store.put(record, RAW)
    assert (tmp_path / "file").read_text() == "a regular file"


@pytest.mark.parametrize("breaking", ["replace", "fsync", "chmod"])
def test_a_write_that_fails_leaves_what_was_there(store, record, monkeypatch, breaking):
    first = store.put(record, RAW)
    before = {path.name: path.read_bytes() for path in store.folder.iterdir()}

    def fail(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, breaking, fail)
    with pytest.raises(NotWritable, match="No space left on device"):
        store.put(replace(record, created="2027-01-01T00:00:00+00:00"), {**RAW, "more": np.arange(3)})
    assert {path.name: path.read_bytes() for path in store.folder.iterdir()} == before
    assert list(store.records()) == [first]


def test_a_write_that_is_interrupted_leaves_nothing(store, record, monkeypatch):
    def interrupt(*_):
        raise KeyboardInterrupt

    monkeypatch.setattr(os, "replace", interrupt)
    with pytest.raises(KeyboardInterrupt):
        store.put(record, RAW)
    assert _files(store) == []


def test_columns_are_written_before_the_record_that_names_them(store, record, monkeypatch):
    order = []
    rename = os.replace
    monkeypatch.setattr(os, "replace", lambda old, new: (order.append(Path(new).name), rename(old, new)))
    store.put(record, RAW)
    assert order == [record.name + COLUMNS, f"{record.name}.json"]


def test_other_files_are_no_records(store, record):
    store.put(record, RAW)
    (store.folder / ".half-written.part").write_bytes(b"{")
    (store.folder / "notes.txt").write_text("mine")
    (store.folder / "folder.json").mkdir()
    assert len(store.keys()) == 1
    assert store.broken() == ()


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (lambda data: data[: len(data) // 2], "truncated"),
        (lambda data: b"", "truncated"),
        (lambda data: b"\xff\xfe garbage", "malformed"),
        (lambda data: b"[]", "Expected `object`"),
        (lambda data: b"{}", "missing required field `schema`"),
        (lambda data: b'{"schema": 1}', "missing required field"),
        (lambda data: b'{"x": ' + b"[" * 100_000, "recursion"),
        (lambda data: data.replace(b'"schema": 1', b'"schema": %d' % NEWER), f"schema {NEWER} is newer than this squeezemark's {SCHEMA}"),
        (lambda data: data.replace(b'"schema": 1', b'"schema": 99, "new field": 1'), "its schema 99 is newer"),
        (lambda data: data.replace(b'"items": 600', b'"items": 600, "new field": 1'), "unknown field `new field`"),
        (lambda data: data.replace(b'"seconds": ', b'"seconds": -'), "compress_s cannot be"),
        (lambda data: data.replace(b'"kernel": "', b'"kernel": "\xff'), "(?i)utf"),
    ],
)  # fmt: skip
def test_a_file_that_is_no_record_is_reported_and_the_rest_still_read(store, record, content, words):
    whole = store.put(replace(record, key="f" * 64), RAW)
    path = store.folder / "a broken one.json"
    path.write_bytes(content(encode(record)))
    assert list(store.records()) == [whole]
    (error,) = store.broken()
    assert error.path == path
    assert str(path) in str(error)
    with pytest.raises(BrokenRecord, match=words):
        store.read(path)


def test_missing_columns_are_a_broken_record(store, record):
    written = store.put(record, RAW)
    path = store.folder / (record.name + COLUMNS)
    path.unlink()
    with pytest.raises(BrokenRecord, match="No such file") as caught:
        store.columns(written)
    assert caught.value.path == path


@pytest.mark.parametrize("other", [{**RAW, "recall_at_1": np.array([True, True])}, {}], ids=["a flipped answer", "nothing"])
def test_tampered_columns_are_a_broken_record(store, record, other):
    written = store.put(record, RAW)
    (store.folder / (record.name + COLUMNS)).write_bytes(pack(other))
    with pytest.raises(BrokenRecord, match="not those that the record names"):
        store.columns(written)


def test_columns_that_are_none_are_a_broken_record_even_if_named(store, record):
    written = store.put(record, RAW)
    (store.folder / (record.name + COLUMNS)).write_bytes(b"garbage")
    with pytest.raises(BrokenRecord, match="not a columns file"):
        store.columns(replace(written, columns_sha256=hashlib.sha256(b"garbage").hexdigest()))
