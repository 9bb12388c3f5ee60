"""Each way to cheat that we know of, really tried, and the check that it does not get past."""

import json
import os
import shutil
import socket
from pathlib import Path

import cheats
import psutil
import pytest
from cheats import Lair

from suite.submission import sandbox


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
            record = lair.run("burglar", targets=("curious",), sandbox=inside)["burglar"]
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


@pytest.fixture(scope="module")
def caught(tmp_path_factory, work):
    """Methods that are run as the user's own, without a sandbox, and their records."""
    lair = Lair(tmp_path_factory.mktemp("open"), work)
    lair.target("untimed")
    lair.method("fake_ok", cheats.FAKE_OK)
    lair.method("fake_claim", f"WORK = {str(work)!r}\n{cheats.FAKE_CLAIM}", only="Claims(sparsity=0.9)")
    lair.method("fake_cost", f"WORK = {str(work)!r}\n{cheats.FAKE_COST}")
    lair.method("leaves", f"SECONDS = {_seconds(False)!r}\n{cheats.LEAVES}")
    lair.method("edits_source", cheats.EDITS_SOURCE)
    return lair.run("fake_ok", "fake_claim", "fake_cost", "leaves", "edits_source")


@pytest.fixture(scope="module")
def held(tmp_path_factory, work):
    """Methods that are run in a sandbox, with 1 GB for all processes of a job, and their records."""
    if sandbox.missing():
        pytest.skip(f"no sandbox here: {sandbox.missing()}")
    lair = Lair(tmp_path_factory.mktemp("held"), work)
    lair.target("untimed")
    lair.method("swarm", cheats.SWARM)
    lair.method("greedy", cheats.GREEDY)
    lair.method("leaves", f"SECONDS = {_seconds(True)!r}\n{cheats.LEAVES}")
    return lair.run("swarm", "greedy", "leaves", sandbox=True, memory=1_000_000_000)


def _seconds(inside):
    """By which the process that is left behind is known."""
    return f"6{os.getpid()}.{int(inside)}5"


def _still_there(seconds):
    return [one for one in psutil.process_iter(["cmdline"]) if seconds in (one.info["cmdline"] or [])]


def test_a_process_that_says_it_is_done_and_leaves_is_not_believed(caught):
    record = caught["fake_ok"]
    assert (record.status, record.artifact) == ("compress_failed", None)
    assert "there is no file of the component 'vision'" in record.reason


def test_what_it_says_of_its_claims_is_not_believed_either(caught):
    assert caught["fake_claim"].status == "claim_not_borne_out"
    assert caught["fake_claim"].artifact.total("bytes") > 100_000, "counted, not told"


def test_what_it_says_of_its_cost_is_held_against_what_a_cost_can_be(caught):
    assert caught["fake_cost"].status == "crashed"
    assert "cannot be believed (compress_s -1" in caught["fake_cost"].reason


def test_processes_left_behind_are_ended_and_named(caught):
    assert (caught["leaves"].status, caught["leaves"].reason) == ("crashed", "it left 1 process behind, which had to be ended")
    assert not _still_there(_seconds(False))


def test_nothing_is_left_behind_by_a_sandbox(held):
    assert held["leaves"].status == "ok"
    assert not _still_there(_seconds(True))


@pytest.mark.parametrize(("name", "words"), [("swarm", "and may have 64 at once"), ("greedy", "GB together, and may take 1.0 GB")])
def test_many_processes_are_one_as_far_as_limits_go(name, words, held):
    assert held[name].status == "out_of_memory"
    assert words in held[name].reason


def test_an_edited_source_is_found_out(caught):
    assert caught["edits_source"].status == "compress_failed"
    assert "apply.py changed while it ran" in caught["edits_source"].reason


def test_an_edited_baseline_is_found_out_and_made_anew(work, tmp_path):
    lair = Lair(tmp_path, tmp_path / "work")
    lair.target("untimed")
    lair.method("edits_baseline", f"WORK = {str(lair.work)!r}\n{cheats.EDITS_BASELINE}")
    for folder in work.glob("tiny_matcher-*"):
        shutil.copytree(folder, lair.work / folder.name)
    record = lair.run("edits_baseline")["edits_baseline"]
    assert record.status == "compress_failed"
    assert "vision.onnx changed while it ran" in record.reason
    assert not list(lair.work.glob("tiny_matcher-*/vision.onnx")), "nothing else is measured beside it"


RUNNERS = {
    "remembers": (cheats.REMEMBERS, "it answers from memory"),
    "sleeps": (cheats.SLEEPS, "the uncompressed model is timed beside itself and comes out"),
    "patches": (cheats.PATCHES, "a clock jumped"),
}


@pytest.fixture(scope="module")
def timed(tmp_path_factory, work):
    lair = Lair(tmp_path_factory.mktemp("runners"), work)
    for name, (cheat, _) in RUNNERS.items():
        lair.target(name, cheat, timed=True)
    return lair.run("baseline_fp32", targets=tuple(RUNNERS))


@pytest.mark.parametrize("name", RUNNERS)
def test_a_runner_that_caches_repeated_inputs_or_sleeps_in_the_baseline_or_patches_the_timer_is_found_out(name, timed):
    record = timed[name]
    assert (record.status, record.latency) == ("invalid_output", None), record.reason
    assert RUNNERS[name][1] in record.reason


def test_rendering_beside_a_run_fails_no_cell_and_loses_nothing(work, tmp_path):
    """The site keeps its boards in the same folder; here the process that compresses writes there in its place."""
    lair = Lair(tmp_path, tmp_path / "work")
    lair.target("untimed")
    lair.method("renders", f"WORK = {str(lair.work)!r}\n{cheats.RENDERS}")
    for folder in work.glob("tiny_matcher-*"):
        shutil.copytree(folder, lair.work / folder.name)
    (lair.work / "site-boards").mkdir(parents=True)
    record = lair.run("renders")["renders"]
    assert record.status == "ok", record.reason
    assert (lair.work / "site-boards" / "board.json").is_file()
