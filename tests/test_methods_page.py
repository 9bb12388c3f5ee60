"""The criterion that docs/methods.md writes is a method: it runs as the page says, and prunes as its card claims."""

import re
from pathlib import Path

import pytest
from conftest import PLUGINS, ROOT

from suite.store import Store

PAGE = (ROOT / "docs" / "methods.md").read_text(encoding="utf-8")
SECTION = re.search(r"## A new importance criterion\n.*?(?=\n## )", PAGE, re.DOTALL)[0]


@pytest.fixture(scope="module")
def mine(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder that the page writes; each block of Python names its file."""
    root = tmp_path_factory.mktemp("methods")
    for block in re.findall(r"^```python\n(.*?)^```$", SECTION, re.DOTALL | re.MULTILINE):
        first, rest = block.split("\n", 1)
        path = root / re.fullmatch(r"# (mine/methods/\w+/\w+\.py)", first)[1]
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(rest)
    return root / "mine"


def test_its_apply_is_as_short_as_the_page_says(mine: Path) -> None:
    assert len((mine / "methods" / "variance_pruning" / "apply.py").read_text().splitlines()) <= 20


def test_it_prunes_as_it_claims(mine: Path, squeezemark, work: Path, tmp_path: Path) -> None:
    command = re.search(r"^```sh\nsqueezemark (run .*?)$", SECTION, re.MULTILINE)[1].split()
    assert command[-1] == "baseline_fp32,random_pruning,variance_pruning"
    command = [str(mine) if part == "mine" else part for part in command[:-1]]
    options = ("--models", "tiny_matcher", "--plugins", PLUGINS, "--results", tmp_path, "--work", work)
    done = squeezemark(*command, "baseline_fp32,variance_pruning", *options)
    assert done.returncode == 0, done.stdout + done.stderr
    records = {record.cell.variant: record for record in Store(tmp_path).records()}
    zeros, smaller = records["elements_50"], records["units_75"]
    assert (zeros.status, smaller.status) == ("ok", "ok")
    # Every weight of the tiny model and half of its elements; what was zero before comes on top.
    for name, elements in (("vision", 2 * 64 * 256), ("text", 2 * 64 * 160)):
        part = zeros.artifact.parts[name]
        assert part.parameters - part.nonzero_parameters >= elements // 2
    # Of the smaller one, two matrices; its biases are zero, and the exporter drops them.
    hidden = {"vision": 192, "text": 120}
    table = {"vision": 0, "text": 32 * 64}
    for name, units in hidden.items():
        assert smaller.artifact.parts[name].parameters == pytest.approx(table[name] + 128 * units, abs=8)
    assert smaller.accuracy.metrics["recall_at_1"].value > 0.5


NOTHING = re.search(r"## From nothing to a conforming method\n.*?(?=\n## )", PAGE, re.DOTALL)[0]


def test_from_nothing_to_a_conforming_method_as_the_page_says(squeezemark, work: Path, tmp_path: Path) -> None:
    """Each command as it stands there, on the tiny model."""
    new, check, run, report = re.search(r"^```sh\n(.*?)^```$", NOTHING, re.DOTALL | re.MULTILINE)[1].splitlines()
    tiny = ("--plugins", PLUGINS, "--work", work)
    for command, more in [
        (new, ()),
        (check, ("--models", "tiny_matcher", "--targets", "x86_cpu_ort", *tiny)),
        (run.replace("audio_visual_digits", "tiny_matcher"), tiny),
        (report, ("--no-published",)),
    ]:
        done = squeezemark(*command.split()[1:], *more, cwd=tmp_path)
        assert done.returncode == 0, command + done.stdout + done.stderr
        if command == check:
            assert "my_method conforms: no check of " in done.stdout
            told = {re.split(r"[:\[]", line[10:])[0].strip() for line in done.stdout.splitlines()[:-1]}
            assert told - {"own test"} == set(re.findall(r"^\| ([a-z ]+) \| (?!holds)", NOTHING, re.MULTILINE))
    assert {"__init__.py", "apply.py", "test_my_method.py"} <= {path.name for path in (tmp_path / "plugins/methods/my_method").iterdir()}
    assert {record.status for record in Store(tmp_path / "results").records()} == {"ok"}
    assert "my_method/per_channel" in (tmp_path / "report.html").read_text()


def test_the_entry_point_of_the_page_is_that_of_the_suite() -> None:
    import tomllib

    from suite.own_methods import GROUP

    block = re.search(r"^```toml\n(\[project\.entry.*?)^```$", PAGE, re.DOTALL | re.MULTILINE)[1]
    assert tomllib.loads(block)["project"]["entry-points"] == {GROUP: {"my_method": "my_package.my_method"}}
