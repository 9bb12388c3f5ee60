"""A browser, a local server, and what the tests of the site look at in a page."""

import functools
import shutil
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

BROWSER = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
ARGUMENTS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]


class Quiet(SimpleHTTPRequestHandler):
    def log_message(self, format: str, *arguments: object) -> None:
        """A test has no access log."""


@dataclass
class Seen:
    """What went on in a browser context."""

    requests: list[str] = field(default_factory=list)
    complaints: list[str] = field(default_factory=list)


@contextmanager
def served(folder: Path) -> Iterator[str]:
    """The address at which a folder is served on this machine."""
    with ThreadingHTTPServer(("127.0.0.1", 0), functools.partial(Quiet, directory=str(folder))) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{server.server_address[1]}"
        server.shutdown()
        thread.join()


def visit(browser, url: str, seen: Seen | None = None, **settings):
    """An open page in a context of its own that notes requests, console messages, errors and dialogs."""
    context = browser.new_context(**{"viewport": {"width": 1280, "height": 900}, **settings})
    context.set_default_timeout(60_000)
    page = context.new_page()
    if seen is not None:
        page.on("request", lambda request: seen.requests.append(request.url))
        page.on("console", lambda message: seen.complaints.append(message.text))
        page.on("pageerror", lambda error: seen.complaints.append(str(error)))
        page.on("dialog", lambda dialog: (seen.complaints.append(dialog.message), dialog.dismiss()))
    page.goto(url)
    return page


def names(page, table: int = 0) -> list[str]:
    """Method and variant of the visible rows of a table, from top to bottom."""
    return (
        page.locator("table.board")
        .nth(table)
        .locator("tbody tr:not([hidden]) th")
        .evaluate_all("heads => heads.map(head => head.dataset.value)")
    )


def numbers(page, key: str) -> list[float]:
    """The values of a column of the first table, of the rows that have one."""
    column = (
        page.locator("table.board")
        .first.locator("thead th")
        .evaluate_all("(heads, key) => heads.findIndex(head => head.dataset.key === key)", key)
    )
    script = "(rows, column) => rows.map(row => row.cells[column]?.dataset.value).filter(value => value !== undefined).map(Number)"
    return page.locator("table.board").first.locator("tbody tr:not(.failed):not(.baseline):not([hidden])").evaluate_all(script, column)


def click_head(page, key: str) -> None:
    page.locator("table.board").first.locator(f"th[data-key={key}] button").click()


def every_kind(site: Path) -> list[str]:
    """A page of each kind, the hostile record among them."""
    records = sorted(path.name for path in (site / "record").iterdir())
    hostile = next(name for name in records if "img-src" in name)
    good = next(name for name in records if "dynamic_int8--per_channel" in name)
    alone = next(name for name in records if "--only-vision" in name)
    gallery = next(name for name in records if name.startswith("the_gallery") and "local_50" in name)
    return [
        "index.html",
        "table.html",
        "compare.html",
        "explore.html",
        "submit.html",
        "about.html",
        "coverage.html",
        "findings.html",
        "runtimes.html",
        "model/glyph_clip.html",
        "method/magnitude_pruning.html",
        "target/x86_cpu_ort.html",
        f"record/{hostile}",
        f"record/{good}",
        f"record/{alone}",
        f"record/{gallery}",
    ]
