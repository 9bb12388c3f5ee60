"""The exception tree is the one that is drawn, every exception carries its subject, and each message is one sentence with a way out."""

import inspect
from pathlib import Path

import pytest

from suite import errors
from suite.errors import BrokenBundle, BrokenRecord, CellFailed, ConfigError, NotWritable, PlugInError, SqueezemarkError, UnknownName


def _drawn():
    """Class name -> name of its parent, from the tree in the module's docstring."""
    parents, path = {}, []
    for line in errors.__doc__.splitlines():
        name = line.lstrip(" │├└─").split(" ")[0]
        if line.startswith("    ") and name:
            depth = (len(line) - len(line.lstrip(" │├└─")) - 4) // 4
            path[depth:] = [name]
            parents[name] = path[depth - 1] if depth else "Exception"
    return parents


def test_the_tree_is_the_one_in_the_docstring():
    classes = [value for value in vars(errors).values() if inspect.isclass(value) and issubclass(value, Exception)]
    assert {kind.__name__: kind.__base__.__name__ for kind in classes} == _drawn()
    assert len(classes) == 15


def test_an_unknown_name_knows_the_nearest_and_lists_what_there_is():
    error = UnknownName("method", "dynamic_int", ["static_int8", "dynamic_int8", "baseline_fp32"])
    assert (error.kind, error.name, error.nearest) == ("method", "dynamic_int", ["dynamic_int8"])
    assert str(error) == (
        "There is no method 'dynamic_int'. Did you mean 'dynamic_int8'? There are: baseline_fp32, dynamic_int8, static_int8."
    )


def test_nothing_far_fetched_is_suggested():
    error = UnknownName("model", "whisper", iter(["glyph_clip", "scene_vqa"]))
    assert error.nearest == []
    assert str(error) == "There is no model 'whisper'. There are: glyph_clip, scene_vqa."


def test_errors_carry_their_subject():
    plug_in = PlugInError("method", "mine", "importing it raised ValueError")
    assert (plug_in.kind, plug_in.name, plug_in.reason) == ("method", "mine", "importing it raised ValueError")
    assert str(plug_in) == "The method 'mine' cannot be used: importing it raised ValueError."
    broken = BrokenRecord(Path("results/a.json"), "it is cut short")
    assert (broken.path, broken.reason) == (Path("results/a.json"), "it is cut short")
    assert str(broken) == f"{broken.path} is not a readable record (it is cut short); delete it and run again to measure it anew."
    bundle = BrokenBundle(Path("mine.zip"), "its member 'a' is encrypted", "archive")
    assert (bundle.path, bundle.reason, bundle.check) == (Path("mine.zip"), "its member 'a' is encrypted", "archive")
    assert str(bundle).startswith("mine.zip cannot be used as a bundle (its member 'a' is encrypted); ask its author")
    hidden = BrokenRecord(Path("a"), "unknown field `\x1b[2J\u202e\n`")
    assert hidden.reason == "unknown field `\ufffd[2J\ufffd\ufffd`"
    assert str(hidden).isprintable()
    failed = CellFailed("timeout", "it took more than 600 s")
    assert (failed.status, failed.reason, str(failed)) == ("timeout", "it took more than 600 s", "timeout: it took more than 600 s")


@pytest.mark.parametrize(
    "error",
    [
        UnknownName("a", "b", ["c"]),
        ConfigError("d"),
        PlugInError("e", "f", "g"),
        NotWritable("h"),
        BrokenRecord(Path("i"), "j"),
        BrokenBundle(Path("m"), "n"),
        CellFailed("k", "l"),
    ],
    ids=lambda error: type(error).__name__,
)
def test_all_are_caught_by_the_root(error):
    with pytest.raises(SqueezemarkError):
        raise error
