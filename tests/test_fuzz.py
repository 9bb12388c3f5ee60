"""A short run of benchmarks/fuzz.py: no reader raises what it does not promise, and inputs reach what is behind the first check."""

import importlib
import re
import subprocess
import sys

import pytest
from conftest import ROOT


@pytest.fixture(scope="module")
def fuzz():
    """The script."""
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(str(ROOT / "benchmarks"))
        yield importlib.import_module("fuzz")


def test_no_input_makes_a_reader_raise(fuzz, capsys):
    assert fuzz.plain(fuzz.Fuzzer(seed=7), 2_000) == 0
    told = capsys.readouterr().out
    assert told.startswith("2,000 inputs: ")
    counts = {name: int(count.replace(",", "")) for count, name in re.findall(r"([\d,]+) (\w+ (?:read|refused|checked))", told)}
    assert counts.keys() == {f"{kind} {end}" for kind in ("record", "columns", "bundle") for end in ("read", "refused", "checked")} - {
        "record read", "bundle checked",
    }  # fmt: skip
    assert sum(counts.values()) == 2_000


def test_the_same_seed_gives_the_same_inputs(fuzz):
    one, other = (fuzz.Fuzzer(seed=3) for _ in range(2))
    assert [one.one() for _ in range(50)] == [other.one() for _ in range(50)]


def test_what_raises_is_counted_and_shown(fuzz, capsys):
    fuzzer = fuzz.Fuzzer(seed=1)
    fuzzer.readers = dict.fromkeys(fuzzer.readers, lambda data: {}["none"])
    assert fuzz.plain(fuzzer, 20) == 20
    assert "KeyError: 'none'" in capsys.readouterr().err


def test_it_explains_itself():
    done = subprocess.run([sys.executable, ROOT / "benchmarks" / "fuzz.py", "--help"], capture_output=True, text=True, check=True)
    assert "--inputs" in done.stdout
    assert "`python benchmarks/fuzz.py --inputs 1000000 --seed 1`" in (ROOT / "docs" / "security.md").read_text()
