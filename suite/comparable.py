"""Which records may stand on one board, which replaces which, and whether two may be compared at all; if not, what differs."""

from collections.abc import Iterable

from suite.record import Record
from suite.store import LOCAL
from suite.wording import say

Place = tuple[str, str, str, int, str]
"""Model, target, tier, test seed and where the answers come from (`suite.machine.answering`): what the rows of a board share."""

LOCAL_HOST = "local results, "
"""Before the host of a board of local results."""


def place_of(model: str, target: str, tier: str, test_seed: int, host: str, local: bool) -> Place:
    """Where rows may stand together. Local results never stand on a published board, whatever machine they are of."""
    return model, target, tier, test_seed, f"{LOCAL_HOST}{host}" if local else host


def is_local(record: Record) -> bool:
    """Whether it is of an overlay: one's own, and not published."""
    return record.key.startswith(LOCAL)


def board_key(record: Record) -> Place:
    """The place of a record."""
    cell, environment = record.cell, record.environment
    host = environment.host if record.latency else environment.answering  # what was timed was no emulator's, whatever it says
    return place_of(cell.model, cell.target, cell.tier, cell.test_seed, host, is_local(record))


def newest_first(records: Iterable[Record]) -> list[Record]:
    """By the time at which they were made; of two of one second, by name."""
    return sorted(records, key=lambda record: (record.created, record.name), reverse=True)


def identity(record: Record) -> tuple[object, ...]:
    """What two records share of which the newer replaces the older; the first five are those of a board."""
    return (*board_key(record), record.cell.method, record.cell.variant, record.cell.component)


def first_difference(record: Record, baseline: Record) -> tuple[str, object, object] | None:
    """The first thing that makes two records incomparable, and what it is in each; None if nothing does."""
    pairs = (
        ("model revision", record.provenance.model_sha256, baseline.provenance.model_sha256),
        ("test set", record.provenance.test_sha256, baseline.provenance.test_sha256),
        ("number of test items", _items(record), _items(baseline)),
        ("suite version", record.provenance.suite_version, baseline.provenance.suite_version),
        ("target settings", record.cell.settings, baseline.cell.settings),
    )
    return next((pair for pair in pairs if pair[1] != pair[2]), None) or record.environment.other_kernels(baseline.environment)


def difference_in_keys(record: Record, baseline: Record) -> str | None:
    """The same in words."""
    found = first_difference(record, baseline)
    if found is None:
        return None
    mine, theirs = short(found[1]), short(found[2])
    return say("{key} differs from the baseline's ({mine} against {theirs})", key=found[0], mine=mine, theirs=theirs)


def _items(record: Record) -> int | None:
    return None if record.accuracy is None else record.accuracy.items


def short(value: object) -> str:
    """A value that tells two records apart, no longer than a person needs."""
    return str(value)[:12] if isinstance(value, str) else str(value)
