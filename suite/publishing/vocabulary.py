"""The words of the tables that pages show: of each, the file that it stands in. They are messages of the catalogue without being marked."""

from collections.abc import Iterator
from typing import get_args

from suite.contracts.common import Division, Family, Stage
from suite.filters import CLASSES
from suite.known import KNOWN, NOTES
from suite.metrics import METRICS, find
from suite.provenance import WORDS
from suite.recommend import REASONS
from suite.record import Cell, Status

OWN_METRIC = find("a_metric_that_no_table_has").help

KEYS = (
    "model revision",
    "test set",
    "number of test items",
    "suite version",
    "target settings",
    "microarchitecture level",
    "there",
    "not there",
)
"""What may differ between two records, as `suite.comparable` and `suite.machine` name it."""

CLAIMS = ("weight bits", "mean bits", "sparsity", "2:4 sparsity", "parameters", "cache bits", "operators")
"""What a card may claim (`suite.contracts.Claims`), as a record's page names it."""


def vocabulary() -> Iterator[tuple[str, str]]:
    """File, and word or sentence, in a fixed order."""
    for kind in (Family, Division, Stage):
        yield from (("suite/contracts/common.py", word) for word in get_args(kind))
    yield "suite/contracts/common.py", "unknown"
    tiers = get_args(Cell.__annotations__["tier"])
    yield from (("suite/record.py", word.replace("_", " ")) for word in (*get_args(Status), *tiers))
    yield from (("suite/provenance.py", text) for pair in WORDS.items() for text in pair)
    yield from (("suite/recommend.py", text) for text in REASONS)
    yield from (("suite/metrics.py", text) for metric in METRICS.values() for text in (metric.title, metric.help))
    yield "suite/metrics.py", OWN_METRIC
    yield from (("suite/claims.py", text) for text in CLAIMS)
    yield from (("suite/filters.py", text) for text in CLASSES.values())
    yield from (("suite/comparable.py", text) for text in KEYS)
    for known in KNOWN:
        yield from (("suite/known.py", text) for text in (known.title, known.sentence, known.rule.criterion))
    yield from (("suite/known.py", text) for text in NOTES.values())


def spoken() -> frozenset[str]:
    """Those that the scripts of the site say too."""
    kinds = (*get_args(Family), *get_args(Division), "unknown", *get_args(Cell.__annotations__["tier"]))
    statuses = (status.replace("_", " ") for status in get_args(Status))
    return frozenset((*kinds, *statuses, *WORDS, *REASONS, *(metric.title for metric in METRICS.values())))
