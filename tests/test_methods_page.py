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
