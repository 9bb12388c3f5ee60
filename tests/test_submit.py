"""What `submit` packs, what it refuses and why, the text that it prints, and the signature."""

import json
import os
import re
import shutil
import subprocess
import sys
import zipfile
from dataclasses import replace as but

import pytest
from bundles import Made, made
from conftest import ROOT
from msgspec.structs import replace

import methods
from suite import registry
from suite.contracts import MethodCard, Variant
from suite.errors import NotWritable, PlugInError, UnknownName, UsageError
from suite.record import encode
from suite.store import Store
from suite.submission import pull_request, signing, source, surroundings, unpack
from suite.submission.collect import collect
from suite.submission.pack import file_name, pack, packed
from suite.submission.texts import markdown, shown
from suite.submission.verify import Verifier

HOSTILE = "<img src=x onerror=alert(1)>|`*_[a](https://evil.example)@everyone\u202e\x1b[2J"


@pytest.fixture(scope="module")
def original(tmp_path_factory):
    """A folder with `methods/mine` and `results` of it."""
    return made(tmp_path_factory.mktemp("original"))


@pytest.fixture
def mine(original, tmp_path):
    """The same with results that may be changed."""
    return Made(original.contents, Store(shutil.copytree(original.store.folder, tmp_path / "results")))


@pytest.fixture(scope="module")
def installed(original):
    """Every plug-in, `mine` among them."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(methods, "__path__", [*methods.__path__, str(original.store.folder.parent / "methods")])
        yield registry.discover()
    for name in [name for name in sys.modules if name.startswith("methods.mine")]:
        del sys.modules[name]
    vars(methods).pop("mine", None)


def test_the_commands_of_the_page_pack_a_method_and_find_nothing_wrong(original, squeezemark):
    """docs/security.md, word by word."""
    folder = original.store.folder.parent
    (block,) = re.findall(r"```sh\n(.*?)```", (ROOT / "docs" / "security.md").read_text(), re.DOTALL)
    submit, verify = (line.split()[1:] for line in block.splitlines())
    done = squeezemark(*submit, cwd=folder)
    assert done.returncode == 0, done.stderr
    (bundle,) = (folder / "submissions").iterdir()
    assert bundle.name in done.stdout
    assert f"Written: submissions/{bundle.name}" in done.stderr
    assert verify.pop() == "submissions/*.squeezemark.zip"
    done = squeezemark(*verify, bundle, cwd=folder)
    assert done.returncode == 0, done.stdout
    assert "3 records, 22 checks, passed." in done.stdout
    assert "Not compared with what is published" in done.stderr
    again = squeezemark(*submit, "--json", cwd=folder)
    assert json.loads(again.stdout)["bundle"] == f"submissions/{bundle.name}"
    assert [path.name for path in (folder / "submissions").iterdir()] == [bundle.name], "the same bytes, so the same name"


def test_a_bundle_holds_records_samples_source_lock_and_surroundings(mine, installed, tmp_path):
    found = collect("mine", mine.store, installed, author="A. Author")
    path = pack(tmp_path / "out", found.manifest, found.contents)
    assert re.fullmatch(r"mine-[0-9a-f]{12}\.squeezemark\.zip", path.name)
    assert Verifier(installed.targets).bundle(path).findings == ()
    with unpack.opened(path) as bundle:
        assert (bundle.manifest.author, bundle.manifest.licence, bundle.manifest.method) == ("A. Author", "MIT", "mine")
        assert bundle.manifest.created == max(record.created for record in found.records)
        names = {entry.name for entry in bundle.manifest.records}
        assert names == {record.name for record in mine.store.records()}
        assert (bundle.methods / "mine" / "apply.py").read_bytes() == mine.contents["method/mine/apply.py"]
        assert (bundle.methods / "baseline_fp32" / "apply.py").read_bytes() == (
            ROOT / "methods" / "baseline_fp32" / "apply.py"
        ).read_bytes()
        lock = (bundle.folder / "constraints.txt").read_text()
        assert re.search(r"^numpy==", lock, re.M)
        assert re.search(r"^torch==", lock, re.M)
        told = json.loads((bundle.folder / "environment.json").read_text())
        assert told.keys() == {"suite_version", "git_commit", "git_dirty", "machine"}
    assert packed(found.manifest, found.contents) == path.read_bytes()
    infos = zipfile.ZipFile(path).infolist()
    assert [info.filename for info in infos] == sorted(info.filename for info in infos)
    assert {info.date_time for info in infos} == {(1980, 1, 1, 0, 0, 0)}


def test_the_name_follows_the_contents(mine, installed):
    found = collect("mine", mine.store, installed)
    other = replace(found.manifest, author="somebody")
    assert file_name(found.manifest) == file_name(collect("mine", mine.store, installed).manifest) != file_name(other)


def test_the_newest_record_of_a_cell_is_taken(mine, installed):
    record = next(record for record in mine.store.records() if record.cell.variant == "one")
    mine.store.put(replace(record, key="e" * 64, created="2026-11-23T10:00:00+00:00"), mine.store.columns(record))
    found = collect("mine", mine.store, installed)
    assert [r.key for r in found.records if r.cell.variant == "one"] == ["e" * 64]
    assert found.manifest.created == "2026-11-23T10:00:00+00:00"


def test_a_bundle_is_of_one_machine(mine, installed, tmp_path):
    for record in list(mine.store.records()):
        other = replace(record, key=f"0{record.key[1:]}", environment=replace(record.environment, cpu="Another CPU"))
        mine.store.put(other, mine.store.columns(record) if record.columns_sha256 else None)
    with pytest.raises(UsageError, match=r"from 2 machines, and a bundle is of one; name one with --machine: Another CPU"):
        collect("mine", mine.store, installed)
    found = collect("mine", mine.store, installed, machine="another")
    assert {record.environment.cpu for record in found.records} == {"Another CPU"}, "the uncompressed model is of that machine too"
    assert len(found.records) == 3
    assert Verifier(installed.targets).bundle(pack(tmp_path, found.manifest, found.contents)).findings == ()
    with pytest.raises(UnknownName, match="no machine that measured 'a third'"):
        collect("mine", mine.store, installed, machine="a third")


def test_an_author_is_named_in_some_words(mine, installed, tmp_path):
    found = collect("mine", mine.store, installed, author="A" * 201)
    (finding,) = Verifier(installed.targets).bundle(pack(tmp_path, found.manifest, found.contents)).findings
    assert "its author is named in 201 characters, and 200 are the most" in finding.problem


def _without(pattern):
    return lambda store: [path.unlink() for path in store.folder.glob(pattern)]


def _with(**changes):
    def change(store):
        for record in [record for record in store.records() if record.cell.method == "mine"]:
            model = changes | ({"provenance": replace(record.provenance, model_sha256="9" * 64)} if not changes else {})
            (store.folder / f"{record.name}.json").write_bytes(encode(replace(record, **model)))

    return change


REFUSED = [
    ("no record", _without("*--mine--*"), "there is no record of it"),
    ("no baseline", _without("*--baseline_fp32--*"), "no record of the uncompressed model"),
    ("no samples", _without("*--mine--*.zst"), "its raw samples are lost or changed"),
    ("another model by now", _with(), "model revision differs"),
    ("no result", _with(status="crashed", reason="it did"), "none of its records is a result"),
]


@pytest.mark.parametrize(("change", "words"), [row[1:] for row in REFUSED], ids=[row[0] for row in REFUSED])
def test_what_cannot_be_published_is_refused_with_what_to_do(change, words, mine, installed):
    change(mine.store)
    with pytest.raises(UsageError, match=words) as raised:
        collect("mine", mine.store, installed)
    assert str(raised.value).startswith(("mine cannot be published", "glyph_clip · mine/"))


def test_source_that_changed_since_is_refused(mine, installed):
    changed = {**installed.sources, ("method", "mine"): "0" * 64}
    with pytest.raises(UsageError, match=r"the source of mine has changed since; run `squeezemark run .*` again"):
        collect("mine", mine.store, but(installed, sources=changed))


def test_a_method_that_is_not_there_is_not_known(mine, installed):
    with pytest.raises(UnknownName, match="Did you mean 'mine'"):
        collect("mime", mine.store, installed)


def test_a_closed_licence_is_refused(mine, installed):
    closed = {**installed.methods, "mine": but(installed.methods["mine"], licence="CC-BY-NC")}
    with pytest.raises(UsageError, match="'CC-BY-NC' is none of the open ones"):
        collect("mine", mine.store, but(installed, methods=closed))


@pytest.mark.parametrize(
    ("name", "data", "words"),
    [
        ("table.npy", b"\x93NUMPY", "may hold a pickle"),
        ("caf\u00e9.py", b"x = 1", "plain letters"),
        ("tool.so", b"\x7fELF", "is of the kind .so"),
    ],
)
def test_source_that_cannot_be_shipped_is_refused_by_name(name, data, words, mine, original, installed):
    file = original.store.folder.parent / "methods" / "mine" / name
    file.write_bytes(data)
    try:
        with pytest.raises(UsageError, match=words):
            collect("mine", mine.store, installed)
    finally:
        file.unlink()


def test_files_that_no_record_hashes_are_refused_and_caches_left_out(tmp_path):
    folder = tmp_path / "mine"
    (folder / "__pycache__").mkdir(parents=True)
    for name in ("__init__.py", "__pycache__/a.pyc", ".hidden"):
        (folder / name).write_text("")
    assert [path.name for path in source.folder_files(folder)] == ["__init__.py"]
    (folder / "link.py").symlink_to("/etc/passwd")
    with pytest.raises(PlugInError, match="is a link or a device"):
        list(source.folder_files(folder))
    (folder / "link.py").unlink()
    (folder / "train.py").write_text("")
    with pytest.raises(PlugInError, match=r"do not hash its train\.py"):
        list(source.folder_files(folder))


def test_a_recipe_is_packed_with_the_source_of_its_steps(tmp_path):
    """The published records of one on one of the machines, if this source is still theirs."""
    found, published, store = registry.discover(), Store(ROOT / "site" / "results"), Store(tmp_path / "results")
    store.prepare()
    for record in published.records():
        if record.cell.method in ("baseline_fp32", "token_merging_int4"):
            store.put(record, published.columns(record) if record.columns_sha256 else None)
    collection = collect("token_merging_int4", store, found, machine="with AMX")
    assert {"recipes/token_merging_int4.toml", "method/token_merging/apply.py", "method/int4_rtn/apply.py"} <= collection.contents.keys()
    path = pack(tmp_path, collection.manifest, collection.contents)
    assert Verifier(found.targets).bundle(path).findings == ()


def test_the_text_shows_what_records_say_and_nothing_as_markup(mine, installed):
    record = next(record for record in mine.store.records() if record.cell.variant == "one")
    failed = replace(
        record, key="f" * 64, status="crashed", reason=HOSTILE, artifact=None, accuracy=None, latency=None, columns_sha256=None,
        cell=replace(record.cell, variant="two", model=HOSTILE), provenance=replace(record.provenance, git_commit=None, git_dirty=True),
        environment=replace(record.environment, cpu=HOSTILE),
    )  # fmt: skip
    collection = collect("mine", mine.store, installed, author=HOSTILE)
    text = pull_request.text(type(collection)(collection.manifest, {}, (*collection.records, failed)), "mine.zip", "0" * 64)
    speed, size = record.latency.speed_up, record.artifact.total("bytes") / 1e6
    assert f"{speed.value:.2f}x [{speed.low:.2f}x, {speed.high:.2f}x]" in text
    assert f"{size:.2f} MB of" in text
    assert f"{record.accuracy.metrics['recall_at_1'].value:.3f} [" in text
    for markup in ("<img", "](http", "@everyone", "\u202e", "\x1b", "://"):
        assert markup not in text
    assert re.sub(r"\\.", "", text).count("`") == 2 * text.count("`mine") + 2 * text.count("`squeezemark ") + 4, "but our own"
    rows = [line for line in text.splitlines() if line.startswith("| ")]
    assert {len(re.findall(r"(?<!\\)\|", row)) for row in rows} == {8}
    assert "changes that are in no commit" in text
    assert "it was no checkout" in text


def test_text_of_strangers_is_one_line_that_ends():
    assert shown("a\nb\x1b[2J\u202e") == "a\ufffdb\ufffd[2J\ufffd"
    assert shown("a" * 1000, 10) == "aaaaaaaaa\u2026"
    assert markdown("a_b@c & <d>") == "a\\_b&#64;c &amp; &lt;d&gt;"


def test_a_folder_that_cannot_be_written_is_a_sentence(mine, installed, tmp_path):
    (tmp_path / "file").write_text("")
    found = collect("mine", mine.store, installed)
    with pytest.raises(NotWritable, match="choose another folder with --out"):
        pack(tmp_path / "file", found.manifest, found.contents)


def test_the_lock_names_what_is_installed_and_not_what_tests_need():
    names = dict(line.split("==") for line in surroundings.lock(["pytest"]).splitlines())
    assert {"numpy", "msgspec", "torch", "onnxruntime", "squeezemark", "pytest"} <= names.keys()
    assert "pytest" not in surroundings.lock()
    assert list(surroundings.problems_of_lock(ROOT / "constraints.txt")) == ["line 1 is not name==version"]


def test_a_card_with_dependencies_has_them_in_its_lock(mine, installed):
    card = MethodCard(
        name="mine", title="M", summary="s", family="quantization", stage="graph", division="data-free", dependencies=("pytest",),
        variants=(Variant(name="one", summary="s"), Variant(name="two", summary="s")),
    )  # fmt: skip
    found = collect("mine", mine.store, but(installed, methods={**installed.methods, "mine": card}))
    assert b"\npytest==" in found.contents["constraints.txt"]


def test_without_a_tool_signing_says_what_to_install(monkeypatch, tmp_path):
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    with pytest.raises(UsageError, match="install minisign"):
        signing.command(tmp_path / "a.zip")


@pytest.mark.parametrize(
    ("code", "words"), [("exit 1", "minisign did not sign"), ("exit 0", "minisign did not sign"), (None, "cannot be started")]
)
def test_a_tool_that_does_not_sign_is_a_sentence(code, words, monkeypatch, tmp_path):
    tool = tmp_path / "minisign"
    tool.write_text(f"#!/bin/sh\n{code}\n" if code else "#!/no/such/shell\n")
    tool.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}{os.pathsep}{os.environ['PATH']}")
    with pytest.raises(UsageError, match=words):
        signing.sign(tmp_path / "a.zip")


@pytest.mark.skipif(shutil.which("minisign") is None, reason="minisign is not installed")
def test_minisign_signs_and_another_byte_is_noticed(monkeypatch, tmp_path):
    monkeypatch.setenv("MINISIGN_CONFIG_DIR", str(tmp_path))
    key, bundle = tmp_path / "key.pub", tmp_path / "a.squeezemark.zip"
    subprocess.run(["minisign", "-G", "-W", "-p", key, "-s", tmp_path / "minisign.key"], check=True, capture_output=True)
    bundle.write_bytes(b"bundle")
    assert signing.sign(bundle).name == "a.squeezemark.zip.minisig"
    check = ["minisign", "-V", "-m", bundle, "-p", key]
    assert subprocess.run(check, capture_output=True).returncode == 0
    bundle.write_bytes(b"bungle")
    assert subprocess.run(check, capture_output=True).returncode != 0
