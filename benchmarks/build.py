"""What building the site costs at 1,000, 10,000 and 100,000 records: `python benchmarks/build.py`. The largest takes minutes and 15 GB.

The records are the published ones, and again as if other machines had measured them: with a processor and content keys of their own, and
the same raw columns. Each store is built by `squeezemark render` in a process of its own: cold (nothing is there), again with nothing
changed, and again with one record more. Wall and CPU seconds are those of all its processes together; memory is the largest resident set
of any one of them, which is to stay where it is as the store grows.
"""

import argparse
import gzip
import os
import re
import resource
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import msgspec
from sessions import verdict

from suite.record import Record, encode
from suite.store import COLUMNS, Store

PUBLISHED = Path(__file__).resolve().parent.parent / "site" / "results"
ALLOWED_S = {10_000: 10.0, 100_000: 90.0}
FIRST_VIEW = 120 * 1024
"""Bytes, gzipped, of what the front page needs before anything is touched."""
MEMORY = 2.0
"""Ten times the records may take so many times the memory."""


def other(record: Record, turn: int) -> Record:
    """The same as if another machine had measured it."""
    if not turn:
        return record
    machine = msgspec.structs.replace(record.environment, cpu=f"{record.environment.cpu} no. {turn}")
    return msgspec.structs.replace(record, environment=machine, key=f"{turn:06x}{record.key[6:]}")


def fill(folder: Path, count: int) -> None:
    """Writes so many records. A columns file is one file under many names: nothing changes it."""
    published = Store(PUBLISHED)
    records = list(published.records())
    folder.mkdir()
    for index in range(count):
        first = records[index % len(records)]
        record = other(first, index // len(records))
        (folder / f"{record.name}.json").write_bytes(encode(record))
        if first.columns_sha256:
            try:
                os.link(folder / f"{first.name}{COLUMNS}", folder / f"{record.name}{COLUMNS}")
            except (FileNotFoundError, FileExistsError, OSError):
                shutil.copyfile(PUBLISHED / f"{first.name}{COLUMNS}", folder / f"{record.name}{COLUMNS}")


def add(folder: Path, turn: int) -> None:
    """One record more."""
    first = next(record for record in Store(PUBLISHED).records() if record.columns_sha256)
    record = other(first, turn)
    shutil.copyfile(PUBLISHED / f"{first.name}{COLUMNS}", folder / f"{record.name}{COLUMNS}")
    (folder / f"{record.name}.json").write_bytes(encode(record))


def build(room: Path) -> tuple[float, float, float]:
    """Wall seconds, CPU seconds and MiB of one `squeezemark render`."""
    before, start = resource.getrusage(resource.RUSAGE_CHILDREN), time.monotonic()
    command = (sys.executable, "-m", "suite", "render", "--results", room / "results", "--out", room / "site", "--work", room / "work")
    done = subprocess.run(list(map(str, command)), capture_output=True, text=True, cwd=PUBLISHED.parent.parent)
    if done.returncode:
        sys.exit(f"render exited with {done.returncode}: {done.stderr[-2000:]}")
    wall, after = time.monotonic() - start, resource.getrusage(resource.RUSAGE_CHILDREN)
    spent = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return wall, spent, after.ru_maxrss / 1024


def first_view(site: Path) -> int:
    """Bytes of the front page with the style sheets and scripts that it loads at once, each gzipped."""
    page = site / "index.html"
    loaded = re.findall(r'<(?:link rel="stylesheet"|script)[^>]* (?:href|src)="([^"]+)"', page.read_text(encoding="utf-8"))
    return sum(len(gzip.compress(path.read_bytes(), mtime=0)) for path in (page, *(site / name for name in loaded)))


def main() -> None:
    """Prints a line for each build, and whether it stays within what is allowed."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--records", type=int, nargs="+", default=[1_000, 10_000, 100_000])
    parser.add_argument("--room", type=Path, help="where to make the stores and sites, instead of the temporary folder")
    asked = parser.parse_args()
    held: dict[str, bool] = {}
    memory: dict[int, float] = {}
    for count in asked.records:
        with tempfile.TemporaryDirectory(dir=asked.room) as folder:
            room = Path(folder)
            fill(room / "results", count)
            for name in ("cold", "unchanged", "one record more"):
                if name == "one record more":
                    add(room / "results", 0xFFFFFF)
                wall, spent, peak = build(room)
                print(f"{count:7,} records, {name:15}: {wall:6.1f} s, {spent:6.1f} s of CPU, {peak:5.0f} MiB in one process", flush=True)
                if name == "cold":
                    memory[count] = peak
                    if count in ALLOWED_S:
                        held[f"{count:,} records cold within {ALLOWED_S[count]:.0f} s"] = wall <= ALLOWED_S[count]
            view, page = first_view(room / "site"), max((room / "site").rglob("*.html"), key=lambda path: path.stat().st_size)
            print(f"{'':16} first view {view / 1024:.0f} KiB gzipped; largest page {page.name}, {page.stat().st_size / 1e6:.1f} MB")
            held[f"first view at {count:,} records within {FIRST_VIEW // 1024} KiB"] = view <= FIRST_VIEW
    if len(memory) > 1:
        least, most = min(memory), max(memory)
        held[f"memory at {most:,} records at most {MEMORY:.0f} times that at {least:,}"] = memory[most] <= MEMORY * memory[least]
    verdict(held)


if __name__ == "__main__":
    main()
