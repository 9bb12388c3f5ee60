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


def write(task: tuple[Shard, Path]) -> str:
    """Writes a shard as JSON and CSV, by record. Returns its name."""
    shard, out = task
    rows = [row for file in shard.files for row in msgspec.json.decode(file.read_bytes(), type=_Rows).rows]
    rows.sort(key=lambda row: str(row["record"]))
    (out / f"{shard.name}.json").write_bytes(msgspec.json.format(msgspec.json.encode(rows), indent=1) + b"\n")
    (out / f"{shard.name}.csv").write_text(table(rows), encoding="utf-8", newline="\n")
    return shard.name


def shards(bench: Workbench, outcomes: Iterable[Outcome]) -> list[Shard]:
    """In the order of model and target."""
    files: dict[tuple[str, str], list[Path]] = defaultdict(list)
    for outcome in outcomes:
        if outcome.records:
            model, target = bench.survey.groups[outcome.number].place[:2]
            files[model, target].append(bench.shelf / outcome.kept)
    return [Shard(model, target, tuple(files[model, target])) for model, target in sorted(files)]


def downloads(bench: Workbench, outcomes: Iterable[Outcome], processes: int) -> None:
    """Every shard, and `results.json` and `results.csv` with all of them one after the other: no more than a shard is ever in memory."""
    folder = bench.out / "data" / SHARDS
    folder.mkdir()
    made = shards(bench, outcomes)
    with crew(processes) as mapped:
        names = list(mapped(write, [(shard, folder) for shard in made]))
    with (bench.out / "data/results.json").open("wb") as file:
        file.write(b"[")
        for number, name in enumerate(names):
            file.write((b"," if number else b"") + (folder / f"{name}.json").read_bytes().strip()[1:-1].rstrip())
        file.write(b"\n]\n")
    with (bench.out / "data/results.csv").open("wb") as file:
        for number, name in enumerate(names):
            head, _, lines = (folder / f"{name}.csv").read_bytes().partition(b"\n")
            file.write(lines if number else head + b"\n" + lines)
