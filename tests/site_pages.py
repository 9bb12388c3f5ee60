"""Rendering a store with the cards of `site_store`, and reading the pages that come of it."""

import csv
import re
from collections.abc import Iterator, Mapping
from html import unescape
from html.parser import HTMLParser
from pathlib import Path

from site_cards import method_cards, model_cards, target_cards

from suite.known import KNOWN
from suite.record import Record
from suite.render import Rendered, render
from suite.store import Store

ELSEWHERE = ("https://arxiv.org/abs/", *(source.ref for known in KNOWN for source in known.sources if source.ref.startswith("https://")))
"""Where links may lead besides the site itself."""


class Page(HTMLParser):
    """The elements of a page: tag and attributes, ids, links, and text."""

    def __init__(self, path: Path) -> None:
        super().__init__(convert_charrefs=True)
        self.path, self.elements, self.text, self.source = path, [], "", path.read_text(encoding="utf-8")
        self.feed(self.source)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))

    def handle_data(self, data: str) -> None:
        self.text += data

    @property
    def words(self) -> str:
        return re.sub(r"\s+", " ", self.text)

    @property
    def links(self) -> list[str]:
        return [value for _, attributes in self.elements for name in ("href", "src", "data-plotly") if (value := attributes.get(name))]

    @property
    def ids(self) -> list[str]:
        return [attributes["id"] for _, attributes in self.elements if "id" in attributes]


def publish(store: Store, out: Path, **cards: Mapping) -> Rendered:
    """Renders with the test's cards, or with those that are given."""
    given = {"models": model_cards(), "methods": method_cards(), "targets": target_cards(), **cards}
    return render(store, given["models"], given["methods"], given["targets"], out)


def pages(site: Path) -> Iterator[Page]:
    return (Page(path) for path in sorted(site.rglob("*.html")))


def row_text(page: Page, name: str) -> str:
    """The words of the table row whose head names a method and variant."""
    rows = re.findall(r"<tr data-family.*?</tr>", page.source, re.DOTALL)
    found = next(row for row in rows if f'data-value="{name}"' in row)
    return re.sub(r"\s+", " ", unescape(re.sub(r"<[^>]*>", " ", found))).strip()


def read_csv(site: Path) -> list[dict[str, str]]:
    return list(csv.DictReader((site / "data/results.csv").read_text(encoding="utf-8").splitlines()))


def record_page(site: Path, record: Record) -> Page:
    return Page(site / "record" / f"{record.name}.html")


def assert_inert(page: Page) -> None:
    for tag, attributes in page.elements:
        assert tag not in ("style", "iframe", "object", "b"), page.path
        assert not any(name == "style" or name.startswith("on") for name in attributes), page.path
        assert not str(attributes.get("href", "")).lower().startswith(("javascript:", "data:", "//", "http:")), page.path
        if tag == "script":
            assert re.fullmatch(r"(\.\./){0,3}(assets|data)/[\w.-]+\.js", attributes["src"] or "")
