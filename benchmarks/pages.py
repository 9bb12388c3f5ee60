"""What the pages cost a reader: bytes of the first view, and the processor's time for loading, sorting and filtering the table.

    make site && python benchmarks/pages.py            # 1,000 and 10,000 rows, in a headless Chromium

Rows are the published ones, repeated under other variants; they go through `suite.rows` as those of the site do. Times are medians of
several turns, of the main thread alone, as the browser's own trace counts them (Performance.getMetrics), not of a shared machine's clock.
"""

import argparse
import gzip
import shutil
import statistics
import sys
import tempfile
from dataclasses import replace
from hashlib import sha256
from pathlib import Path

import msgspec
import numpy as np
from playwright.sync_api import sync_playwright

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

from suite import registry  # noqa: E402
from suite.pages import BoardView, Cards  # noqa: E402
from suite.rows import script, tables  # noqa: E402
from suite.store import Store  # noqa: E402
from suite.summarize import Board, summarize  # noqa: E402

TURNS = 7

TYPE = """words => {
  const field = document.querySelector("[name=q]");
  field.value = words;
  field.dispatchEvent(new Event("input", { bubbles: true }));
}"""

LIMITS = {"load": 400, "sort": 60, "filter": 30}
"""Milliseconds of the processor at 10,000 rows."""

FIRST_VIEW = 120_000
"""Bytes that the front page may take at 1,000 rows, with everything that it loads, under gzip."""


def grown(boards: tuple[Board, ...], rows: int) -> tuple[Board, ...]:
    """The boards with so many rows in all, but for rounding: each repeated under other variants and keys."""
    known = sum(len(board.rows) for board in boards)
    turns = -(-rows // known)

    def copies(board: Board) -> Board:
        made = []
        for turn in range(turns):
            for row in board.rows:
                cell = msgspec.structs.replace(
                    row.record.cell, variant=f"{row.record.cell.variant}_{turn}" if turn else row.record.cell.variant
                )
                key = msgspec.json.encode([row.record.key, turn])
                made.append(replace(row, record=msgspec.structs.replace(row.record, cell=cell, key=sha256(key).hexdigest())))
        return replace(board, rows=tuple(made[: round(len(board.rows) * rows / known)]))

    return tuple(copies(board) for board in boards)


def jittered(found: dict) -> dict:
    """Each copy's figures differ a little: equal ones would compress better than any real data."""
    rng = np.random.default_rng(0)

    def moved(value: object) -> object:
        if isinstance(value, float):
            return float(f"{value * rng.uniform(0.99, 1.01):.6g}")
        return round(value * rng.uniform(0.99, 1.01)) if isinstance(value, int) and value > 1000 else value

    figures = [name for name in found["rows"] if name not in ("board", "method", "status", "reason", "variant", "key", "page", "stretch")]
    return {**found, "rows": found["rows"] | {name: [moved(value) for value in found["rows"][name]] for name in figures}}


def pages(out: Path, site: Path, boards: tuple[Board, ...]) -> None:
    """The front page, the table and the assets as they were built, with so many rows to read."""
    found = registry.discover()
    cards = Cards(found.models, found.methods, found.targets)
    shutil.copytree(site / "assets", out / "assets")
    for path in ("index.html", "table.html"):
        shutil.copyfile(site / path, out / path)
    (out / "data").mkdir()
    views = [BoardView(board, cards) for board in boards]
    (out / "data" / "rows.js").write_text(script(jittered(tables(views, cards))), encoding="utf-8")


def first_view(out: Path, page: str) -> int:
    """Bytes under gzip of a page and what it loads before anybody touches it."""
    seen = []
    with sync_playwright() as driver:
        browser = driver.chromium.launch(executable_path=shutil.which("chromium"), args=["--no-sandbox"])
        tab = browser.new_page()
        tab.on("request", lambda request: seen.append(request.url))
        tab.goto((out / page).as_uri())
        tab.wait_for_timeout(300)
        browser.close()
    files = {Path(url.removeprefix("file://").partition("#")[0]) for url in seen if url.startswith("file://")}
    return sum(len(gzip.compress(file.read_bytes(), 6)) for file in files)


class Clock:
    """Milliseconds that the main thread of a page worked."""

    def __init__(self, tab) -> None:
        self.session = tab.context.new_cdp_session(tab)
        self.session.send("Performance.enable", {"timeDomain": "threadTicks"})

    def now(self) -> float:
        found = {metric["name"]: metric["value"] for metric in self.session.send("Performance.getMetrics")["metrics"]}
        return 1000 * found["TaskDuration"]


def measured(out: Path) -> dict[str, float]:
    """Medians over TURNS of loading the table, of a sort and of a filter."""
    times: dict[str, list[float]] = {name: [] for name in LIMITS}
    with sync_playwright() as driver:
        browser = driver.chromium.launch(executable_path=shutil.which("chromium"), args=["--no-sandbox"])
        for _ in range(TURNS):
            tab = browser.new_context(viewport={"width": 1280, "height": 900}).new_page()
            clock = Clock(tab)
            began = clock.now()
            tab.goto((out / "table.html").as_uri())
            tab.wait_for_selector("#results tbody tr")
            times["load"].append(clock.now() - began)
            for key in ("size", "name", "speed"):
                began = clock.now()
                tab.evaluate("key => document.querySelector(`th[data-key=${key}] button`).click()", key)
                times["sort"].append(clock.now() - began)
            for words in ("int8", "pruning 50", ""):
                began = clock.now()
                tab.evaluate(TYPE, words)
                times["filter"].append(clock.now() - began)
            tab.context.close()
        browser.close()
    return {name: statistics.median(found) for name, found in times.items()}


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--site", type=Path, default=ROOT / "build" / "site", help="a site that was built from site/results: `make site`")
    site = parser.parse_args().site
    if not (site / "table.html").is_file():
        parser.error(f"There is no site in {site}; build it with `make site`.")
    store = Store(ROOT / "site" / "results")
    boards = summarize(store.records(), store.columns)
    held = True
    for rows in (1_000, 10_000):
        with tempfile.TemporaryDirectory() as folder:
            out = Path(folder) / "site"
            pages(out, site, grown(boards, rows))
            size = {page: first_view(out, page) for page in ("index.html", "table.html")}
            found = measured(out)
        print(f"{rows:>6,} rows: first view {size['index.html'] / 1000:.1f} kB, table {size['table.html'] / 1000:.1f} kB (gzip); "
              + ", ".join(f"{name} {value:.0f} ms" for name, value in found.items()))  # fmt: skip
        held &= size["index.html"] <= FIRST_VIEW or rows > 1_000
        held &= rows < 10_000 or all(found[name] <= limit for name, limit in LIMITS.items())
    own = {path.name: len(gzip.compress(path.read_bytes(), 6)) for path in sorted((ROOT / "site/assets").glob("*.js"))}
    print("own scripts, gzip:", ", ".join(f"{name} {size:,}" for name, size in own.items()), f"= {sum(own.values()):,} bytes")
    held &= own["table.js"] + own["core.js"] <= 15_000 and sum(own.values()) <= 30_000
    print("all limits hold" if held else f"a limit does not hold: {LIMITS} ms, {FIRST_VIEW:,} bytes, 15,000 and 30,000 bytes of scripts")
    return 0 if held else 1


if __name__ == "__main__":
    sys.exit(main())
