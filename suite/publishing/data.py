"""The downloads: a file for each model on each target, so that no page loads more than it shows, and all of them as one."""

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgspec

from suite.downloads import table
from suite.pages import slug
from suite.publishing.crew import crew
from suite.publishing.feed import Days, tally
from suite.publishing.schema import of_record, of_rows, parquet
from suite.publishing.shelves import Outcome, Workbench

SHARDS = "shards"


class _Rows(msgspec.Struct):
    rows: list[dict[str, Any]]


@dataclass(frozen=True, slots=True)
class Shard:
    """The groups of one model on one target. files: what is kept of each, on the shelf."""

    model: str
    target: str
    files: tuple[Path, ...]

    @property
    def name(self) -> str:
        """Of its files, without what they end in."""
        return slug(f"{self.model}--{self.target}")


class Part(msgspec.Struct, frozen=True):
    """A shard that was written. name: of its files. days: for the feed."""

    name: str
    model: str
    target: str
    rows: int
    days: Days
    columns: list[str]


def write(task: tuple[Shard, Path]) -> Part:
    """Writes a shard as JSON and CSV, by record."""
    shard, out = task
    rows = [row for file in shard.files for row in msgspec.json.decode(file.read_bytes(), type=_Rows).rows]
    rows.sort(key=lambda row: str(row["record"]))
    (out / f"{shard.name}.json").write_bytes(msgspec.json.format(msgspec.json.encode(rows), indent=1) + b"\n")
    (out / f"{shard.name}.csv").write_text(table(rows), encoding="utf-8", newline="\n")
    return Part(shard.name, shard.model, shard.target, len(rows), tally(rows), list(rows[0]))


def shards(bench: Workbench, outcomes: Iterable[Outcome]) -> list[Shard]:
    """In the order of model and target."""
    files: dict[tuple[str, str], list[Path]] = defaultdict(list)
    for outcome in outcomes:
        if outcome.records:
            model, target = bench.survey.groups[outcome.number].place[:2]
            files[model, target].append(bench.shelf / outcome.kept)
    return [Shard(model, target, tuple(files[model, target])) for model, target in sorted(files)]


@dataclass(frozen=True, slots=True)
class Downloads:
    """What there is to download. parquet: only where pyarrow is installed."""

    parts: tuple[Part, ...]
    parquet: bool

    @property
    def rows(self) -> int:
        """Of all shards."""
        return sum(part.rows for part in self.parts)


def downloads(bench: Workbench, outcomes: Iterable[Outcome], processes: int) -> Downloads:
    """Every shard, and all of them one after the other: no more than a shard is ever in memory."""
    data = bench.out / "data"
    folder = data / SHARDS
    folder.mkdir()
    made = shards(bench, outcomes)
    with crew(processes) as mapped:
        parts = list(mapped(write, [(shard, folder) for shard in made]))
    with (data / "results.json").open("wb") as file:
        file.write(b"[")
        for number, part in enumerate(parts):
            file.write((b"," if number else b"") + (folder / f"{part.name}.json").read_bytes().strip()[1:-1].rstrip())
        file.write(b"\n]\n")
    with (data / "results.csv").open("wb") as file:
        for number, part in enumerate(parts):
            head, _, lines = (folder / f"{part.name}.csv").read_bytes().partition(b"\n")
            file.write(lines if number else head + b"\n" + lines)
    columns = parts[0].columns if parts else []
    (data / "record.schema.json").write_bytes(of_record())
    (data / "results.schema.json").write_bytes(of_rows(columns))
    files = (folder / f"{part.name}.json" for part in parts)
    return Downloads(tuple(parts), bool(parts) and parquet(files, columns, data / "results.parquet"))
