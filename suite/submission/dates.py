"""When a record says that it was made."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

from suite.record import Record

EARLIEST = datetime(2026, 11, 1, tzinfo=UTC)
"""No record is older than the suite."""
CLOCKS_DIFFER = timedelta(hours=1)


def problems(record: Record, now: datetime) -> Iterator[str]:
    """What cannot be true of its date."""
    found = moment(record.created)
    if found is None:
        yield "its date is no date with a time zone"
    elif found > now + CLOCKS_DIFFER:
        yield f"it was made at {found.isoformat()}, which is still to come"
    elif found < EARLIEST:
        yield f"it was made at {found.isoformat()}, before there was a suite"


def moment(text: str) -> datetime | None:
    """A date with its time zone; None for anything else."""
    try:
        found = datetime.fromisoformat(text)
        return found.astimezone(UTC) if found.tzinfo else None
    except (ValueError, OverflowError):
        return None
