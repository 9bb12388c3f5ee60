"""What a result depends on: a method's own folder, and what it uses of the shared room, through as many steps as it takes."""

import pytest
from conftest import ROOT

from suite import sources
from suite.hashing import hash_folder


@pytest.fixture
def method(tmp_path, monkeypatch):
    """A method that imports `one`, which imports `two`; nobody imports `three`. Returns its hash, and writes into the room."""
    room, folder = tmp_path / "room", tmp_path / "method"
    room.mkdir()
    folder.mkdir()
    monkeypatch.setattr(sources, "ROOM", room)
    texts = {"one": "def f():\n    from suite.surgery.two import g\n", "two": "import suite.surgery.one\n", "three": ""}
    for name, text in texts.items():
        (room / f"{name}.py").write_text(text)
    (folder / "apply.py").write_text("from suite.surgery import one\n")

    def hashed(name=None, text=""):
        if name:
            (room / f"{name}.py").write_text(text)
        return sources.hash_method(folder)

    return hashed


def test_a_method_depends_on_what_it_uses_of_the_shared_room_and_on_nothing_else(method):
    before = method()
    assert method("three", "x = 1\n") == before
    assert method("two", "import suite.surgery.one\nx = 1\n") != before
    assert method("two", "import suite.surgery.one\n") == before
    assert method("one", "") != before


def test_a_method_that_uses_nothing_of_it_is_its_folder():
    folder = ROOT / "methods" / "dynamic_int8"
    assert sources.shared(folder.glob("*.py")) == {}
    assert sources.hash_method(folder) == hash_folder(folder)


def test_methods_that_ship_are_traced():
    used = sources.shared((ROOT / "methods" / "distillation").glob("*.py"))
    assert {"tuning", "blocks", "pruning", "structure", "importance"} <= set(used)


def test_a_file_that_is_no_python_depends_on_nothing(tmp_path):
    (tmp_path / "apply.py").write_text("def (:\n")
    assert sources.shared(tmp_path.glob("*.py")) == {}
