"""Hostile bundles: each is refused by a named check in one sentence, and leaves nothing behind; a right one opens and goes again."""

import json
import os
import stat
import tempfile

import attacks
import pytest
from bundles import made

from suite.errors import BrokenBundle
from suite.submission import archive, unpack
from suite.submission.verify import Verifier


@pytest.fixture(scope="module")
def right(tmp_path_factory):
    """A bundle that passes every check."""
    return made(tmp_path_factory.mktemp("right"))


@pytest.fixture(scope="module")
def hostile(right):
    """Every attack file by name."""
    return attacks.all_of(right)


@pytest.fixture
def temporary(tmp_path, monkeypatch):
    """The only folder in which anything may be written."""
    folder = tmp_path / "temporary"
    folder.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(folder))
    return folder


def test_a_right_one_opens_and_is_gone_afterwards(right, tmp_path, temporary):
    path = tmp_path / "mine.squeezemark.zip"
    path.write_bytes(right.archive())
    with unpack.opened(path) as bundle:
        assert bundle.folder.parent == temporary
        assert sorted(record.name for record in bundle.store.records()) == sorted(record.name for record in right.store.records())
        files = {str(file.relative_to(bundle.folder)): file for file in bundle.folder.rglob("*") if file.is_file()}
        assert files.keys() == right.contents.keys() | {"manifest.json"}
        assert all(files[name].read_bytes() == data for name, data in right.contents.items() if name != "manifest.json")
        assert not any(stat.S_IMODE(file.stat().st_mode) & 0o111 for file in files.values()), "nothing can be executed"
        assert bundle.methods.is_dir()
        assert len(bundle.sha256) == 64
    assert list(temporary.iterdir()) == []


def test_it_is_gone_too_if_its_reader_fails(right, tmp_path, temporary):
    path = tmp_path / "mine.squeezemark.zip"
    path.write_bytes(right.archive())
    with pytest.raises(ZeroDivisionError), unpack.opened(path):
        raise ZeroDivisionError
    assert list(temporary.iterdir()) == []


def test_deflated_members_open_as_well(right, tmp_path):
    import zipfile

    from bundles import with_manifest, zipped

    path = tmp_path / "again.squeezemark.zip"
    path.write_bytes(zipped(with_manifest(right), kind=zipfile.ZIP_DEFLATED))
    with unpack.opened(path) as bundle:
        assert bundle.manifest == right.manifest()


def test_every_attack_is_refused_by_its_check_and_leaves_nothing(right, hostile, tmp_path, temporary):
    verifier, before = Verifier({}), _everything(tmp_path)
    wrong = {}
    for name, (check, words, data) in hostile.items():
        path = tmp_path / "bundle.squeezemark.zip"
        path.write_bytes(data)
        verdict = verifier.bundle(path)
        path.unlink()
        found = [finding for finding in verdict.findings if finding.check == check and words in finding.problem]
        sentences = all("\n" not in finding.problem and finding.problem.isprintable() for finding in verdict.findings)
        if not found or not sentences or _everything(tmp_path) != before:
            wrong[name] = verdict.findings
    assert wrong == {}
    assert len(hostile) > 100
    assert not os.path.exists("/tmp/squeezemark_evil.py")


def _everything(folder):
    return sorted(str(path) for path in folder.rglob("*"))


def test_a_check_of_the_archive_raises_one_error_with_its_subject(hostile, tmp_path):
    check, _, data = hostile["symbolic link"]
    path = tmp_path / "link.squeezemark.zip"
    path.write_bytes(data)
    with pytest.raises(BrokenBundle, match="a link, a folder or a device") as raised, unpack.opened(path):
        pass
    assert (raised.value.path, raised.value.check) == (path, check)


def test_the_command_refuses_all_of_them_in_one_go_without_a_traceback(hostile, tmp_path, squeezemark):
    work, paths = tmp_path / "work", []
    work.mkdir()
    for place, (_, _, data) in enumerate(hostile.values()):
        paths.append(tmp_path / f"{place}.squeezemark.zip")
        paths[-1].write_bytes(data)
    done = squeezemark("verify", "--json", *paths, cwd=work)
    assert done.returncode == 1, done.stderr
    assert "Traceback" not in done.stderr
    verdicts = json.loads(done.stdout)
    assert len(verdicts) == len(hostile)
    assert not any(verdict["ok"] for verdict in verdicts)
    for verdict, (check, _, _) in zip(verdicts, hostile.values(), strict=True):
        assert next(row for row in verdict["checks"] if row["check"] == check)["problems"]
        if check in ("archive", "names", "limits", "manifest", "files"):
            assert len(verdict["checks"]) == 1, "of a bundle that was not opened nothing else is known"
    assert list(work.iterdir()) == []
    assert "this pickle was loaded" not in done.stdout + done.stderr


@pytest.mark.parametrize("what", ["none", "folder", "pipe"])
def test_what_is_no_file_is_a_sentence(what, tmp_path):
    path = tmp_path / "bundle"
    if what == "folder":
        path.mkdir()
    if what == "pipe":
        os.mkfifo(path)
    with pytest.raises(BrokenBundle, match="it is a folder" if what == "folder" else "there is no such file"):
        archive.read(path)


def test_a_file_that_is_too_large_is_not_read(tmp_path):
    path = tmp_path / "large"
    with path.open("wb") as file:
        file.truncate(archive.FILE_BYTES + 1)
    with pytest.raises(BrokenBundle, match="more than 64 MiB"):
        archive.read(path)


def test_all_together_may_be_no_more_than_so_much(right, tmp_path, monkeypatch):
    monkeypatch.setattr(archive, "TOTAL_BYTES", 10_000)
    with pytest.raises(BrokenBundle, match="it unpacks to more than") as raised:
        unpack.parse(tmp_path, right.archive())
    assert raised.value.check == "limits"
