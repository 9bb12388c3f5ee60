"""A report as one page: HTML that needs nothing else, or Markdown for a pull request. What a record says stays text in both."""

import base64
import hashlib
import re
from html import escape
from typing import Any

import jinja2

from suite import __version__
from suite.filters import FILTERS
from suite.publishing.press import sources
from suite.report import Report, name


def html(found: Report) -> str:
    """One file with its style and pictures inside: no script, nothing from elsewhere."""
    style = (sources() / "templates" / "report.css").read_text(encoding="utf-8")
    digest = base64.b64encode(hashlib.sha256(style.encode()).digest()).decode()
    loader = jinja2.FileSystemLoader(sources() / "templates")
    templates = jinja2.Environment(loader=loader, autoescape=True, undefined=jinja2.StrictUndefined, trim_blocks=True, lstrip_blocks=True)
    templates.filters |= FILTERS
    return templates.get_template("report.html").render(report=found, style=style, digest=digest, version=__version__, name=name)


def markdown(found: Report) -> str:
    """The same as text for a pull request; whatever a record says stays text."""
    templates = jinja2.Environment(
        loader=jinja2.FileSystemLoader(sources() / "templates"), autoescape=False, finalize=plain, undefined=jinja2.StrictUndefined,
        trim_blocks=True, lstrip_blocks=True,
    )  # fmt: skip
    templates.filters |= FILTERS
    return templates.get_template("report.md").render(report=found, version=__version__, name=name)


def plain(value: Any) -> Any:
    """A value as text of Markdown that nothing in it can turn into markup or a link."""
    text = escape(" ".join(str(value).split()), quote=False)
    text = re.sub(r"([\\`*{}\[\]#|~!])", r"\\\1", text)
    text = re.sub(r"(?<!\w)_|_(?!\w)", r"\\_", text)
    return text.replace("://", "&#58;//").replace("www.", "www&#46;")
