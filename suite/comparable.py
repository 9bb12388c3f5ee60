"""Whether two records may be compared at all; if not, what differs."""

from suite.record import Record


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
    return found and f"{found[0]} differs from the baseline's ({short(found[1])} against {short(found[2])})"


def _items(record: Record) -> int | None:
    return None if record.accuracy is None else record.accuracy.items


def short(value: object) -> str:
    """A value that tells two records apart, no longer than a person needs."""
    return str(value)[:12] if isinstance(value, str) else str(value)
