"""docs/models.md is done as it says, block by block, in an empty folder; where it shows what a command prints, that is what it prints."""

import os
import re
import subprocess
import sys

import pytest
from conftest import ROOT

from suite.store import Store

PAGE = (ROOT / "docs" / "models.md").read_text(encoding="utf-8")
BLOCKS = re.findall(r"^```(\w+)\n(.*?)^```$", PAGE, re.DOTALL | re.MULTILINE)


def _write(folder, block: str) -> None:
    """A block of Python names its file, and whether it goes on with it."""
    first, rest = block.split("\n", 1)
    name, continued = re.fullmatch(r"# (\w+\.py)(, continued)?", first).groups()
    with (folder / name).open("a" if continued else "x") as file:
        file.write(("\n\n" if continued else "") + rest)


def _words_and_figures(text: str) -> tuple[str, list[float]]:
    """Figures with a point apart from the rest; seconds are anybody's."""
    text = "\n".join(line.rstrip() for line in re.sub(r"\d+\.\d+ s\b", "some seconds", text).splitlines())
    return re.sub(r"\d+\.\d+", "#", text), [float(figure) for figure in re.findall(r"\d+\.\d+", text)]


@pytest.fixture(scope="module")
def done(tmp_path_factory):
    """The folder after all blocks, and for each text block what is shown and what was printed."""
    folder, tools = tmp_path_factory.mktemp("page"), tmp_path_factory.mktemp("tools")
    for name, what in (("python", ""), ("squeezemark", " -m suite")):
        (tools / name).write_text(f'#!/bin/sh\nexec "{sys.executable}"{what} "$@"\n')
        (tools / name).chmod(0o755)
    environment = os.environ | {"PYTHONPATH": str(ROOT), "PATH": f"{tools}:{os.environ['PATH']}"}
    printed, shown = "", []
    for language, block in BLOCKS:
        if language == "python":
            _write(folder, block)
        elif language == "sh":
            ran = subprocess.run(["sh", "-ec", block], cwd=folder, env=environment, capture_output=True, text=True)
            assert ran.returncode == 0, block + ran.stdout + ran.stderr
            printed = ran.stdout
        else:
            assert language == "text"
            shown.append((block, printed))
    return folder, shown


def test_the_page_has_something_to_do():
    languages = [language for language, _ in BLOCKS]
    assert set(languages) == {"python", "sh", "text"}
    assert languages.count("python") >= 6


def test_what_is_shown_is_what_is_printed(done):
    for shown, printed in done[1]:
        (words, figures), (wanted_words, wanted) = _words_and_figures(printed), _words_and_figures(shown)
        assert words == wanted_words
        assert figures == pytest.approx(wanted, abs=0.03)


def test_the_page_ends_with_rows(done):
    folder, _ = done
    records = {(r.cell.model, f"{r.cell.method}/{r.cell.variant}"): r for r in Store(folder / "results").records()}
    baseline = records["dial_reader", "baseline_fp32/fp32"]
    assert baseline.accuracy.metrics["digit_accuracy"].low > 0.85
    assert baseline.accuracy.slices["digit"].keys() == set("0123456789")
    for model in ("dial_reader", "dial_graph"):
        assert records[model, "baseline_fp32/fp32"].status == "ok"
    ready = records["dial_graph", "baseline_fp32/fp32"]
    assert ready.accuracy.metrics == baseline.accuracy.metrics
    assert records["dial_graph", "dynamic_int8/per_channel"].status == "ok"
    refused = records["dial_graph", "width_pruning/keep_50"]
    assert refused.status == "unsupported"
    assert "comes as an ONNX model" in refused.reason
    page = (folder / "build" / "site" / "index.html").read_text()
    assert "Dial reader" in page
    assert "digit accuracy" in page


def test_every_function_that_a_model_may_have_is_on_the_page():
    from suite.contracts import Data, Task

    names = {name for protocol in (Data, Task) for name in vars(protocol) if not name.startswith("_")}
    assert {"load", "train", "test", "stream"} <= {*names, "load", "train"}
    for name in {*names, "load", "train"}:
        assert f"`{name}(" in PAGE or f"`{name}`" in PAGE, name
