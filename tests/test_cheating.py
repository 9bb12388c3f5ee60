"""Each way to cheat that we know of, really tried, and the check that it does not get past."""

import json
import os
import socket
from pathlib import Path

import cheats
import psutil
import pytest
from cheats import Lair

from suite.submission import sandbox

IN_SANDBOX = pytest.mark.skipif(sandbox.missing() is not None, reason=f"no sandbox here: {sandbox.missing()}")


@pytest.fixture
def lair(tmp_path, work):
    found = Lair(tmp_path, work)
    found.target("untimed")
    return found


@pytest.fixture(scope="module")
def burglary(tmp_path_factory, work):
    """What a method saw of the machine, with a sandbox and without, and the records of both."""
    found = {}
    with socket.create_server(("127.0.0.1", 0)) as server:
        for inside in (True, False) if sandbox.missing() is None else (False,):
            lair = Lair(tmp_path_factory.mktemp("burglar"), work)
            lair.target("curious", cheats.CURIOUS)
            lair.results.mkdir()
            (lair.folder / "private.txt").write_text("a file of whoever runs the suite")
            known = {
                "WORK": str(work),
                "RESULTS": str(lair.results),
                "PRIVATE": str(lair.folder / "private.txt"),
                "PORT": server.getsockname()[1],
            }
            lair.method("burglar", "".join(f"{name} = {value!r}\n" for name, value in known.items()) + cheats.BURGLAR)
            record = lair.run("burglar", "curious", sandbox=inside)
            (Path("/tmp") / "hint.txt").unlink(missing_ok=True)
            found[inside] = record, _report(lair), (lair.results / "forged.json").exists()
    return found


def _report(lair):
    import onnx

    return json.loads(onnx.load(lair.artifact / "vision.onnx").doc_string)


def _inside(burglary):
    if True not in burglary:
        pytest.skip(f"no sandbox here: {sandbox.missing()}")
    return burglary[True]


def test_the_burglar_is_a_real_one(burglary):
    """Without a sandbox it gets everything: the test split, the network, the secrets, the results."""
    record, report, forged = burglary[False]
    assert {Path(path).name for path in report["test split"]} == {"labels.npz", "inputs.npz"}
    assert (report["network"], report["results"], report["source"]) == ("connected", "written", "opened")
    assert (report["secret"], report["private"]) == ("ghs_secret", True)
    assert forged
    assert "I was told by /tmp/hint.txt" in str(record.reason), "and it tells the process that is timed"


@pytest.mark.parametrize(
    ("what", "got"),
    [
        ("test split", []),
        ("secret", None),
        ("checkout", False),
        ("source", "OSError"),
        ("baseline", ["OSError"]),
        ("private", False),
    ],
)
def test_in_the_sandbox_it_gets_nothing(what, got, burglary):
    _, report, _ = _inside(burglary)
    assert report[what] == got


def test_in_the_sandbox_there_is_no_network(burglary):
    assert _inside(burglary)[1]["network"] in ("ConnectionRefusedError", "OSError")


def test_in_the_sandbox_nothing_is_written_to_the_results(burglary):
    _, report, forged = _inside(burglary)
    assert report["results"] == "FileNotFoundError"
    assert not forged


def test_in_the_sandbox_it_sees_its_own_processes_alone(burglary):
    assert _inside(burglary)[1]["processes"] <= 3 < burglary[False][1]["processes"]


def test_a_file_left_for_the_process_that_is_timed_does_not_reach_it(burglary):
    record, _, _ = _inside(burglary)
    assert record.status == "ok", record.reason


def test_a_process_that_says_it_is_done_and_leaves_is_not_believed(lair):
    lair.method("fake_ok", cheats.FAKE_OK)
    record = lair.run("fake_ok")
    assert (record.status, record.artifact) == ("compress_failed", None)
    assert "there is no file of the component 'vision'" in record.reason


def test_what_it_says_of_its_claims_is_not_believed_either(lair):
    lair.method("fake_claim", f"WORK = {str(lair.work)!r}\n{cheats.FAKE_CLAIM}", only="Claims(sparsity=0.9)")
    record = lair.run("fake_claim")
    assert record.status == "claim_not_borne_out"
    assert record.artifact.total("bytes") > 100_000, "counted, not told"


@pytest.mark.parametrize("inside", [False, pytest.param(True, marks=IN_SANDBOX)])
def test_processes_left_behind_are_ended(inside, lair):
    seconds = f"6{os.getpid()}.{int(inside)}5"
    lair.method("leaves", f"SECONDS = {seconds!r}\n{cheats.LEAVES}")
    record = lair.run("leaves", sandbox=inside)
    assert not [one for one in psutil.process_iter(["cmdline"]) if seconds in (one.info["cmdline"] or [])]
    if not inside:
        assert (record.status, record.reason) == ("crashed", "it left 1 process behind, which had to be ended")


@IN_SANDBOX
@pytest.mark.parametrize(
    ("source", "words"), [(cheats.SWARM, "and may have 64 at once"), (cheats.GREEDY, "GB together, and may take 1.0 GB")]
)
def test_many_processes_are_one_as_far_as_limits_go(source, words, lair):
    lair.method("many", source)
    record = lair.run("many", sandbox=True, memory=1_000_000_000)
    assert record.status == "out_of_memory"
    assert words in record.reason


def test_an_edited_baseline_is_found_out_and_made_anew(lair, tmp_path):
    own = Lair(tmp_path / "own", tmp_path / "work")
    own.target("untimed")
    own.method("edits_baseline", f"WORK = {str(own.work)!r}\n{cheats.EDITS_BASELINE}")
    _borrow(lair.work, own.work)
    record = own.run("edits_baseline")
    assert record.status == "compress_failed"
    assert "vision.onnx changed while it ran" in record.reason
    assert not list(own.work.glob("tiny_matcher-*/vision.onnx")), "nothing else is measured beside it"


def test_an_edited_source_is_found_out(lair):
    lair.method("edits_source", cheats.EDITS_SOURCE)
    record = lair.run("edits_source")
    assert record.status == "compress_failed"
    assert "apply.py changed while it ran" in record.reason


def _borrow(source, own):
    """The prepared folders of another working folder, copied."""
    import shutil

    for folder in source.glob("tiny_matcher-*"):
        shutil.copytree(folder, own / folder.name)


@pytest.mark.parametrize(
    ("cheat", "words"),
    [
        (cheats.REMEMBERS, "it answers from memory"),
        (cheats.SLEEPS, "the uncompressed model is timed beside itself and comes out"),
        (cheats.PATCHES, "a clock jumped"),
    ],
    ids=["caches repeated inputs", "sleeps in the baseline", "patches the timer"],
)
def test_a_runner_that_cheats_is_found_out(cheat, words, lair):
    lair.target("cheats", cheat, timed=True)
    record = lair.run("baseline_fp32", "cheats")
    assert (record.status, record.latency) == ("invalid_output", None), record.reason
    assert words in record.reason
