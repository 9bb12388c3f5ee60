"""A bundle is run again, in a sandbox, on a test set that nobody could know: the honest is granted, what is learnt by heart is not."""

import json
import os
import re
import shutil
import subprocess
import sys

import pytest
from cheats import Lair
from conftest import PLUGINS, ROOT
from msgspec.structs import replace

from suite.errors import UsageError
from suite.provenance import REPRODUCED, REPRODUCTIONS, SELF, read
from suite.store import Store
from suite.submission import sandbox
from suite.submission.reproduce import Reproduction, Result
from suite.submission.unpack import opened
from suite.workspace import openly

pytestmark = pytest.mark.skipif(sandbox.missing() is not None, reason=f"no sandbox here: {sandbox.missing()}")


@pytest.fixture(scope="module")
def lair(tmp_path_factory, work):
    found = Lair(tmp_path_factory.mktemp("two"), work)
    found.target("untimed")
    found.two_faced()
    (found.folder / "trusted").mkdir()
    shutil.copytree(found.plugins / "targets", found.folder / "trusted" / "targets")
    return found


@pytest.fixture(scope="module")
def run(lair):
    """The command, in the folder of a newcomer."""

    def call(*arguments):
        command, known = [sys.executable, "-m", "suite", *map(str, arguments)], os.environ | {"PYTHONPATH": str(ROOT)}
        return subprocess.run(command, cwd=lair.folder, capture_output=True, text=True, timeout=280, env=known, check=False)

    return call


@pytest.fixture(scope="module")
def way(lair, run):
    """Goes a step of docs/submit.md as it is written, with a model and a method for tests, and options more."""
    block = next(text for text in re.findall(r"```sh\n(.*?)```", (ROOT / "docs" / "submit.md").read_text(), re.DOTALL) if "verify" in text)
    lines = {line.split()[1]: line.split()[1:] for line in block.splitlines()}
    assert list(lines) == ["new-method", "check", "run", "report", "submit", "verify", "reproduce"]

    def go(step, *more, method="two_faced"):
        words = [word.replace("my_method", method).replace("audio_visual_digits", "tiny_matcher") for word in lines[step]]
        words = [str(found) for word in words for found in (sorted(lair.folder.glob(word)) if "*" in word else [word])]
        return run(*words, *more)

    return go


@pytest.fixture(scope="module")
def bundle(lair, way):
    for step, more in {
        "run": ("--plugins", PLUGINS, "--targets", "untimed", "--work", lair.work),
        "report": ("--no-published",),
        "submit": ("--plugins", PLUGINS),
        "verify": (),
    }.items():
        done = way(step, *more)
        assert done.returncode == 0, done.stdout + done.stderr
    assert "two_faced" in (lair.folder / "report.html").read_text()
    return next(lair.folder.glob("submissions/*.squeezemark.zip"))


@pytest.fixture(scope="module")
def reproduced(lair, way, bundle):
    """What the command said, as JSON, and its exit code."""
    done = way(
        "reproduce", "--plugins", PLUGINS, "--plugins", lair.folder / "trusted", "--results", lair.folder / "board",
        "--work", lair.work, "--by", "Ada", "--accept", "--json",
    )  # fmt: skip
    assert done.stdout, done.stderr
    return json.loads(done.stdout), done


def test_the_way_of_the_page_begins_with_a_method_that_is_checked(way, lair):
    """That what new-method writes conforms is tested in tests/test_docs.py, which follows docs/methods.md."""
    done = way("new-method", method="my_method")
    assert done.returncode == 0, done.stdout + done.stderr
    done = way("check", "--help", method="my_method")
    assert done.returncode == 0, done.stdout + done.stderr
    assert (lair.plugins / "methods" / "my_method" / "apply.py").is_file()


def _of(found, variant):
    return next(row for row in found["records"] if f"--{variant}--" in row["record"])


def test_a_test_set_learnt_by_heart_is_of_no_use_on_another(lair, bundle, reproduced):
    told = {record.cell.variant: record for record in Store(lair.results).records()}
    assert told["by_heart"].accuracy.metrics["recall_at_1"].value == 1.0, "the attack works on the published test set"
    row = _of(reproduced[0], "by_heart")
    assert row["outcome"] == "differs"
    assert {check["name"]: check["agrees"] for check in row["checks"]} == {
        "test set": True, "accuracy": False, "size": True, "claims": True, "artifact": True, "speed-up": None,
    }  # fmt: skip


def test_the_exit_code_says_that_something_differs(reproduced):
    assert reproduced[1].returncode == 1


@pytest.mark.parametrize("variant", ["honest", "fp32"])
def test_what_is_honest_is_reproduced(variant, reproduced):
    row = _of(reproduced[0], variant)
    assert row["outcome"] == "reproduced", row
    assert {check["name"]: check["agrees"] for check in row["checks"]}["artifact"] is True


def test_the_grant_names_who_and_what_bears_it_out(lair, reproduced):
    board = Store(lair.folder / "board")
    known = read(board)
    tiers = {record.cell.variant: known.tier(record) for record in board.records()}
    assert tiers == {"fp32": REPRODUCED, "honest": REPRODUCED}, "what differs is not accepted"
    (grant,) = {grant.at: grant for grant in known.grants.values()}.values()
    assert grant.by == "Ada"
    fresh = {record.key: record for record in Store(board.folder / REPRODUCTIONS).records()}
    keys = {key for granted in grant.records for key in granted.reproduced_by}
    assert keys < fresh.keys()
    assert {record.cell.test_seed for record in fresh.values()}.isdisjoint({0}), "a hidden seed"
    assert len({record.cell.test_seed for record in fresh.values()}) == 1


@pytest.mark.parametrize("taken", [False, True])
def test_what_is_published_as_ours_was_measured_here(taken, lair, bundle, reproduced, tmp_path, monkeypatch):
    """A submitted record of the same cell has the same name: it is never taken for ours, and never replaced."""
    board = Store(tmp_path / "board")
    with opened(bundle) as known:
        submitted = sorted(known.store.records(), key=lambda record: record.name)
        run = Reproduction(known, board, tmp_path / "work", openly, None)
        if taken:
            run.accept([Result(record, "reproduced") for record in submitted])

        def measure(cells, store):
            assert store.folder != board.folder
            return {record.key: store.put(replace(record, created="2026-01-01T00:00:00+00:00")) for record in submitted}

        store = run.place / "own"
        store.mkdir(parents=True)
        monkeypatch.setattr(run, "_execute", measure)
        assert len(run.publish()) == (0 if taken else len(submitted))
    assert {record.created == "2026-01-01T00:00:00+00:00" for record in board.records()} == {not taken}


def test_a_reproduction_leaves_nothing_in_the_working_folder(lair, reproduced):
    assert not list(lair.work.glob("reproduce-*")), "the next one has a seed of its own"


def test_without_a_sandbox_nothing_is_granted_and_the_hidden_seed_survives_a_stop(lair, bundle, tmp_path):
    found = list(Store(lair.results).records())
    with opened(bundle) as known:
        run = Reproduction(known, Store(tmp_path / "board"), tmp_path / "work", openly, None)
        assert run.grant([Result(found[0], "reproduced", again=found[1])], "Ada") is None
        seed = run.seed(None)
        assert seed == run.seed(None) != 0, "the same command goes on where it was stopped"
        assert run.seed(7) == 7
        run.forget()
    assert not (tmp_path / "board").exists()


def test_a_bundle_cannot_bring_another_method_under_the_name_of_ours(bundle, tmp_path):
    with opened(bundle) as known:
        (known.methods / "two_faced").rename(known.methods / "dynamic_int8")
        with pytest.raises(UsageError, match="'dynamic_int8' is not the one of that name here"):
            Reproduction(known, Store(tmp_path / "board"), tmp_path / "work", openly, None)


def test_a_model_that_is_not_ours_is_not_run(lair, run, bundle):
    done = run("reproduce", bundle, "--results", lair.folder / "none", "--work", lair.work)
    assert done.returncode == 1
    assert "the model 'tiny_matcher' is not one of the suite's own" in done.stdout
    assert read(Store(lair.folder / "none")).grants == {}


def test_without_bubblewrap_it_refuses_and_says_what_to_do(lair, run, bundle, monkeypatch):
    monkeypatch.setenv("PATH", "/nowhere")
    done = run("reproduce", bundle, "--results", lair.folder / "none", "--work", lair.work)
    assert done.returncode == 2
    assert done.stderr.count("\n") == 1
    assert "apt-get install bubblewrap" in done.stderr
    assert "--no-sandbox" in done.stderr


def test_a_broken_bundle_is_not_run(run, lair, tmp_path):
    (tmp_path / "x.squeezemark.zip").write_bytes(b"PK\x05\x06" + bytes(18))
    done = run("reproduce", tmp_path / "x.squeezemark.zip", "--results", lair.folder / "none", "--work", lair.work)
    assert done.returncode == 1
    assert "cannot be used as a bundle" in done.stderr


def test_unpack_writes_out_what_can_be_read_and_leaves_out_our_own(lair, run, bundle):
    done = run("unpack", bundle, "--out", "unpacked")
    assert done.returncode == 0, done.stderr
    assert [path.name for path in (lair.folder / "unpacked" / "methods").iterdir()] == ["two_faced"]
    source = (lair.folder / "unpacked" / "methods" / "two_faced" / "apply.py").read_bytes()
    assert source == (lair.plugins / "methods" / "two_faced" / "apply.py").read_bytes()
    again = run("unpack", bundle, "--out", "unpacked")
    assert (again.returncode, again.stderr.count("\n")) == (2, 1)


def test_vouch_says_what_is_ones_own(lair, run, bundle):
    done = run("vouch", "--results", lair.results, "--by", "us")
    assert done.returncode == 0, done.stderr
    known = read(Store(lair.results))
    assert SELF not in {known.tier(record) for record in Store(lair.results).records()}
    assert run("vouch", "--results", lair.results).stdout == "Every record has a tier already.\n"
