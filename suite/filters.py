"""How the templates write numbers, names and addresses."""

import math
import re
from typing import Any

from suite.metrics import find
from suite.pages import slug
from suite.record import Estimate
from suite.summarize import speed_verdict

CLASSES = {
    "all": "all",
    "fmla": "FMLA (floating point)",
    "dot": "SDOT, UDOT, USDOT (int8 dot products)",
    "mmla": "SMMLA, UMMLA, USMMLA (int8 matrix products)",
    "mlal": "SMLAL, UMLAL (long multiply-add)",
    "mull": "SMULL, UMULL (long multiply)",
    "vfmadd": "VFMADD (floating point)",
    "vpmaddubsw": "VPMADDUBSW (pairs of int8)",
    "vpmaddwd": "VPMADDWD (pairs of int16)",
}
"""The classes of instructions that are counted, as people who read assembly call them."""

EXAMPLES = "examples"
"""Where the pictures and sounds of the examples lie, among the assets."""


def signed(value: float, digits: int = 3) -> str:
    """With its sign, a true minus, and no sign for what rounds to nothing."""
    text = f"{value:+.{digits}f}"
    return text[1:] if float(text) == 0 else text.replace("-", "\N{MINUS SIGN}")


def times(value: float, digits: int = 2) -> str:
    """A ratio: 3.9×."""
    return f"{value:.{digits}f}\N{MULTIPLICATION SIGN}"


def millions(count: float | None) -> str:
    """A count in millions, and a dash for one that is not known."""
    return "–" if count is None else f"{count / 1e6:,.1f}"


def agreement(share: float) -> str:
    """Per cent, rounded down: a single answer that differs is never 100."""
    return f"{math.floor(1000 * share + 1e-9) / 10:.1f}"


def paper_href(paper: str) -> str | None:
    """Where a paper is to be found: an arXiv id or an https address; None for anything else."""
    found = re.fullmatch(r"(?:arXiv:)?(\d{4}\.\d{4,5})", paper)
    if found:
        return f"https://arxiv.org/abs/{found[1]}"
    return paper if re.fullmatch(r"https://[\w.-]+(/[\w./?=&%#:+~()-]*)?", paper) else None


def verdict(gap: Estimate) -> str:
    """What a difference says: "worse", "better" or "tie"."""
    return "worse" if gap.high < 0 else "better" if gap.low > 0 else "tie"


def chance(p: float) -> str:
    """A p-value: two digits, and no more than can be meant of a small one."""
    return "p < 0.0001" if p < 1e-4 else f"p = {p:.2g}"


FILTERS: dict[str, Any] = {
    "signed": signed,
    "times": times,
    "mb": lambda size: f"{size / 1e6:.2f}",
    "millions": millions,
    "agreement": agreement,
    "instruction_class": lambda name: CLASSES.get(name, name),
    "within": lambda share: f"{min(100.0, max(0.0, share)):.2f}",
    "metric_title": lambda name: find(name).title,
    "metric_help": lambda name: find(name).help,
    "family_class": lambda family: f"family-{slug(family or 'unknown')}",
    "page_of": lambda name, kind: f"{kind}/{slug(name)}.html",
    "paper_href": paper_href,
    "verdict": verdict,
    "speed_verdict": speed_verdict,
    "chance": chance,
    "asset": lambda file: f"assets/{EXAMPLES}/{file}",
}
