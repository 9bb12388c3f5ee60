"""Fixtures that several test modules share."""

import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from suite.store import Store
    from suite.summarize import Board

ROOT = Path(__file__).resolve().parent.parent
PLUGINS = ROOT / "tests" / "plugins"

Squeezemark = Callable[..., "subprocess.CompletedProcess[str]"]


def heed_ctrl_c() -> None:
    """For a started process: a shell that runs the tests in the background makes everything below it ignore Ctrl-C."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)


@pytest.fixture
def squeezemark() -> Squeezemark:
    """Runs the command in a process of its own: `squeezemark("list", "--json", cwd=...)`."""

    def run(*arguments: object, cwd: Path = ROOT, timeout: float = 300) -> "subprocess.CompletedProcess[str]":
        command = [sys.executable, "-m", "suite", *map(str, arguments)]
        return subprocess.run(command, cwd=cwd, capture_output=True, text=True, timeout=timeout, env=os.environ | {"PYTHONPATH": str(ROOT)})

    return run


@pytest.fixture(scope="session")
def work(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A working folder that the session's runs share, so that the tiny model is exported once."""
    return tmp_path_factory.mktemp("work")


@pytest.fixture
def new_method(tmp_path: Path) -> Callable[..., Path]:
    """Writes the plug-in folder of a method from the source of its `apply.py`; returns the folder for --plugins."""

    def write(
        name: str, apply: str, *, claims: str = "Claims()", division: str = "data-free", stage: str = "graph", card: str = ""
    ) -> Path:
        folder = tmp_path / "plugins" / "methods" / name
        folder.mkdir(parents=True)
        (folder / "__init__.py").write_text(
            card
            or "from suite.contracts import Claims, MethodCard, Variant\n"
            f"CARD = MethodCard(name={name!r}, title={name!r}, summary='for a test', family='quantization', stage={stage!r},\n"
            f"    division={division!r}, variants=(Variant(name='only', summary='the only one', claims={claims}),))\n"
        )
        (folder / "apply.py").write_text(apply)
        return tmp_path / "plugins"

    return write


@pytest.fixture(scope="session")
def site_records(tmp_path_factory: pytest.TempPathFactory) -> "Store":
    """A synthetic store for the tests of the site."""
    from site_store import build

    return build(tmp_path_factory.mktemp("site-records"))


@pytest.fixture(scope="session")
def leaderboard(site_records: "Store", tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The site that is rendered from it; not to be changed."""
    from site_pages import publish

    out = tmp_path_factory.mktemp("leaderboard") / "site"
    publish(site_records, out)
    return out


@pytest.fixture(scope="session")
def glyph_board(site_records: "Store") -> "Board":
    """The board of its first model."""
    from suite.summarize import summarize

    return next(board for board in summarize(site_records.records(), site_records.columns) if board.model == "glyph_clip")


@pytest.fixture(scope="session")
def browsed_site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A site with a record whose texts are hostile, records of one component, and a model whose items can be seen and heard."""
    from dataclasses import replace

    from site_gallery import cards, fill, installed
    from site_pages import publish
    from site_store import PLANS, build, failed, put_alone

    folder, hostile = tmp_path_factory.mktemp("browsed"), "<img src=x onerror=alert(1)>"
    store = build(folder / "results")
    for plan in PLANS[8:14]:
        put_alone(store, "glyph_clip", plan, "vision")
        put_alone(store, "glyph_clip", replace(plan, accuracy=0.99), "text")
    fill(store)
    store.put(failed("glyph_clip", hostile, hostile, "crashed", f"{hostile}<script>alert(1)"))
    with installed():
        publish(store, folder / "site", models=cards())
    return folder / "site"


@pytest.fixture(scope="session")
def released(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """Sites of no release, of the first and of all four of `site_releases`; not to be changed."""
    from site_releases import published

    return published(tmp_path_factory.mktemp("released"))


@pytest.fixture(scope="session")
def address(browsed_site: Path) -> Iterator[str]:
    """Where that site is served."""
    from browsing import served

    with served(browsed_site) as url:
        yield url


@pytest.fixture(scope="module")
def browser() -> Iterator[object]:
    """A headless Chromium."""
    from browsing import ARGUMENTS, BROWSER

    playwright = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")
    with playwright.sync_playwright() as driver:
        browser = driver.chromium.launch(executable_path=BROWSER, args=ARGUMENTS)
        yield browser
        browser.close()


@pytest.fixture(scope="session")
def own_model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The file `own_model.py` that new-model writes, its weights beside it; to be copied, not changed."""
    folder = tmp_path_factory.mktemp("own")
    command = [sys.executable, "-m", "suite", "new-model", "own_model"]
    subprocess.run(command, cwd=folder, check=True, capture_output=True, env=os.environ | {"PYTHONPATH": str(ROOT)})
    return folder / "own_model.py"
