"""The same content has the same hash wherever and however it lies; any other content has another."""

import hashlib
import os

import numpy as np
import pytest

from suite.hashing import hash_arrays, hash_file, hash_folder, hash_json


@pytest.fixture
def folder(tmp_path):
    """A plug-in's folder."""
    made = tmp_path / "plug_in"
    (made / "kernels").mkdir(parents=True)
    for name, text in {"__init__.py": "CARD = 1\n", "apply.py": "def apply(): ...\n", "kernels/fast.py": "x = 1\n"}.items():
        (made / name).write_text(text)
    return made


def test_a_file_s_hash_is_the_sha256_of_its_bytes(tmp_path):
    path = tmp_path / "file"
    for data in (b"", b"abc", bytes(range(256)) * 5000):
        path.write_bytes(data)
        assert hash_file(path) == hashlib.sha256(data).hexdigest()


def test_a_folder_s_hash_does_not_depend_on_where_or_when_it_was_written(folder, tmp_path):
    other = tmp_path / "copy"
    (other / "kernels").mkdir(parents=True)
    for path in sorted(folder.rglob("*.py"), reverse=True):
        copy = other / path.relative_to(folder)
        copy.write_bytes(path.read_bytes())
        os.utime(copy, (1, 1))
    assert hash_folder(other) == hash_folder(folder)


@pytest.mark.parametrize("name", ["apply.py", "kernels/fast.py", "__init__.py"])
def test_every_byte_of_a_folder_counts(folder, name):
    before = hash_folder(folder)
    (folder / name).write_bytes((folder / name).read_bytes() + b" ")
    assert hash_folder(folder) != before


@pytest.mark.parametrize("name", ["table.bin", "kernels/more.py", "kernels/train.py"])
def test_a_new_file_counts(folder, name):
    before = hash_folder(folder)
    (folder / name).write_text("")
    assert hash_folder(folder) != before


def test_a_file_s_name_counts(folder):
    before = hash_folder(folder)
    (folder / "apply.py").rename(folder / "apply2.py")
    renamed = hash_folder(folder)
    (folder / "apply2.py").rename(folder / "kernels" / "apply.py")
    assert len({before, renamed, hash_folder(folder)}) == 3


@pytest.mark.parametrize(
    "name",
    ["__pycache__/apply.cpython-311.pyc", "kernels/__pycache__/fast.pyc", ".DS_Store", "kernels/.swp", ".ruff_cache/0/x", "train.py"],
)
def test_caches_hidden_files_and_the_training_script_do_not_count(folder, name):
    before = hash_folder(folder)
    (folder / name).parent.mkdir(parents=True, exist_ok=True)
    (folder / name).write_text("anything")
    assert hash_folder(folder) == before


def test_where_a_folder_lies_does_not_hide_its_files(tmp_path):
    hidden = tmp_path / ".venv" / "__pycache__" / "plug_in"
    hidden.mkdir(parents=True)
    (hidden / "__init__.py").write_text("CARD = 1\n")
    assert hash_folder(hidden) != hash_folder(tmp_path / "nothing")


def test_the_order_of_keys_does_not_count_and_everything_else_does():
    value = {"a": [1, 2.0, "x", None, True], "b": {"c": 1, "d": 2}}
    assert hash_json({"b": {"d": 2, "c": 1}, "a": [1, 2.0, "x", None, True]}) == hash_json(value)
    others = [
        {"a": [2.0, 1]},
        {"a": [1, 2]},
        {"a": [1, 2.0]},
        {"a": [1, "2.0"]},
        {"a": [True, 2.0]},
        {"a": [1, 2.0, None]},
        [["a", 1]],
        {},
        [],
    ]
    assert len({hash_json(other) for other in (value, *others)}) == len(others) + 1


def test_tuples_are_lists():
    assert hash_json(("a", (1, 2))) == hash_json(["a", [1, 2]])


def test_the_hash_of_a_json_value_is_for_ever():
    """Keys of records that are already stored depend on it."""
    assert hash_json({"b": [1, 2.5, None], "a": "ü"}) == hashlib.sha256(b'{"a":"\\u00fc","b":[1,2.5,null]}').hexdigest()


def test_the_order_layout_and_byte_order_of_arrays_do_not_count():
    table = np.arange(6, dtype=np.int32).reshape(2, 3)
    wanted = hash_arrays({"a": table, "b": np.ones(2)})
    assert hash_arrays({"b": np.ones(2), "a": table}) == wanted
    assert hash_arrays({"a": np.asfortranarray(table), "b": np.ones(4)[::2]}) == wanted
    assert hash_arrays({"a": table.astype(">i4"), "b": np.ones(2, ">f8")}) == wanted


def test_names_dtypes_shapes_and_values_of_arrays_count():
    table = np.arange(6, dtype=np.int32).reshape(2, 3)
    others = [{"b": table}, {"a": table.astype(np.uint32)}, {"a": table.reshape(3, 2)}, {"a": table + 1}, {"a": table, "b": table}, {}]
    assert len({hash_arrays(arrays) for arrays in ({"a": table}, *others)}) == len(others) + 1


def test_texts_can_be_hashed():
    assert hash_arrays({"a": np.array(["ja", "nein"])}) != hash_arrays({"a": np.array(["ja", "doch"])})
