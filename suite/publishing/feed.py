"""An Atom feed (RFC 4287) of releases, and of the days on which rows were measured. No clock is asked: the same records, the same feed."""

import re
from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from xml.sax.saxutils import escape, quoteattr

ENTRIES = 40
"""No more of them than this, newest first."""

LISTED = 50
"""No more rows are named in one entry."""

BASE = "tag:squeezemark,2026:"
"""What ids begin with (RFC 4151): they name an entry wherever the site is put."""


@dataclass(frozen=True, slots=True)
class Entry:
    """title and text are plain words. updated: a date, or a date and a time in UTC, as ISO 8601. link: within the site."""

    name: str
    title: str
    updated: str
    link: str
    text: str


Days = dict[str, tuple[int, list[str]]]
"""Day -> how many rows were measured on it, and the first of them by name."""


def tally(rows: Iterable[Mapping[str, object]]) -> Days:
    """The rows of boards among some rows of the downloads."""
    days: dict[str, list[str]] = defaultdict(list)
    for row in rows:
        if row["component"] is None:
            days[str(row["created"])[:10]].append(f"{row['model']} · {row['method']}/{row['variant']} · {row['target']}: {row['status']}")
    return {day: (len(names), sorted(names)[:LISTED]) for day, names in days.items()}


def by_day(parts: Iterable[Days]) -> tuple[Entry, ...]:
    """An entry for each day of all parts together, newest first."""
    counts: dict[str, int] = defaultdict(int)
    names: dict[str, list[str]] = defaultdict(list)
    for part in parts:
        for day, (count, first) in part.items():
            counts[day] += count
            names[day] = sorted([*names[day], *first])[:LISTED]
    return tuple(_day(day, counts[day], names[day]) for day in sorted(counts, reverse=True)[:ENTRIES])


def _day(day: str, count: int, names: list[str]) -> Entry:
    more = [f"and {count - len(names):,} more"] if count > len(names) else []
    title = f"{count:,} {'row' if count == 1 else 'rows'} measured on {day}"
    return Entry(f"rows/{day}", title, day, "table.html", "\n".join([*names, *more]))


def feed(entries: Iterable[Entry]) -> str:
    """The document. Links are relative to where it lies."""
    shown = sorted(entries, key=lambda entry: (_time(entry.updated), entry.name), reverse=True)[:ENTRIES]
    newest = _time(shown[0].updated) if shown else "1970-01-01T00:00:00Z"
    return "\n".join(
        (
            '<?xml version="1.0" encoding="utf-8"?>',
            '<feed xmlns="http://www.w3.org/2005/Atom">',
            "<title>Squeezemark</title>",
            "<subtitle>Releases and new rows of the leaderboard</subtitle>",
            f"<id>{BASE}feed</id>",
            f"<updated>{newest}</updated>",
            "<author><name>Squeezemark</name></author>",
            '<link rel="self" type="application/atom+xml" href="feed.xml"/>',
            '<link rel="alternate" type="text/html" href="index.html"/>',
            *(_entry(entry) for entry in shown),
            "</feed>\n",
        )
    )


def _entry(entry: Entry) -> str:
    text = escape(legal(entry.text))
    return (
        f"<entry><title>{escape(legal(entry.title))}</title><id>{escape(BASE + legal(entry.name))}</id>"
        f"<updated>{_time(entry.updated)}</updated><link href={quoteattr(legal(entry.link))}/>"
        f'<content type="text">{text}</content></entry>'
    )


def _time(moment: str) -> str:
    """As RFC 3339 wants it; a record may say anything."""
    day = moment[:10]
    return f"{day}T00:00:00Z" if len(day) == 10 and day.replace("-", "").isdecimal() and day.isascii() else "1970-01-01T00:00:00Z"


def legal(text: str) -> str:
    """A text without the characters that no XML document may hold (XML 1.0, 2.2)."""
    return re.sub("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]", "\ufffd", text)
