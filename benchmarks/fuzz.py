"""No input makes a reader raise what it does not promise: `python benchmarks/fuzz.py --inputs 1000000`. Some twenty minutes.

Records, raw columns and bundles are taken apart and put together wrongly: bits, lengths, numbers, types, names, headers, at every depth
of the format, so that most inputs get past the first check. Each goes through the reader and the checks that `squeezemark verify` makes.
The same seed gives the same inputs. With --engine atheris (pip install atheris) coverage guides the choice (libFuzzer).
"""

import argparse
import io
import json
import random
import struct
import sys
import time
import types
import zipfile
from collections import Counter
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import zstandard

from suite import columns as column_files
from suite import registry
from suite.errors import BrokenBundle, BrokenRecord
from suite.store import parse as parse_record
from suite.submission import unpack
from suite.submission.checks import Surroundings, record_findings
from suite.submission.manifest import MANIFEST, Entry, encode
from suite.submission.pack import manifest_of, packed
from suite.submission.pull_request import record_row

GOLDEN = Path(__file__).resolve().parent.parent / "tests" / "golden"
HERE = Path("input")
SLOW_S = 10.0

NUMBERS: tuple[Any, ...] = (
    0, -1, 1, 2**31, 2**53 + 1, 2**63 - 1, 2**64, -(2**63), 10**400, 0.0, -0.0, 1e308, -1e308, 5e-324, float("nan"), float("inf"),
    -float("inf"),
)  # fmt: skip
VALUES: tuple[Any, ...] = (
    *NUMBERS, None, True, False, "", "\0", "<script>alert(1)</script>", "\u202e\u2066", "../../etc/passwd", "a" * 5000, "\ud800", [], {},
    [[]],     "2026-11-24T11:05:12+00:00", "9999-12-31T23:59:59+14:00", "ok", "f" * 64,
)  # fmt: skip
NAMES = (
    "../evil.py", "/etc/passwd", "C:/evil.py", "a\\b.py", "method/mine/a\0.py", "method/mine/../../x.py", "records/", "manifest.json",
    "MANIFEST.json", "method/mine/CON.py", "method/" + "a/" * 40 + "b.py", "method/mine/\u202e.py", "method/mine/x.pkl", "x" * 3000, "",
)  # fmt: skip


class Fuzzer:
    """Makes inputs from real ones, and gives each to the reader that it is for."""

    def __init__(self, seed: int) -> None:
        self.rng = random.Random(seed)
        self.records = [path.read_bytes() for path in sorted(GOLDEN.glob("*.json"))]
        self.columns = [path.read_bytes() for path in sorted(GOLDEN.glob("*.zst"))]
        self.insides = {data: inside(data) for data in self.columns}
        self.pairs = [
            (parse_record(path, path.read_bytes()), column_files.unpack(path.with_suffix(".columns.zst").read_bytes()))
            for path in sorted(GOLDEN.glob("*.json"))
        ]
        self.around = Surroundings(datetime.now(UTC), registry.discover().targets)
        self.contents = self._bundle()
        self.makers: dict[str, tuple[float, Callable[[], bytes]]] = {
            "record": (0.4, self.record), "columns": (0.4, self.column_file), "bundle": (0.2, self.bundle),
        }  # fmt: skip
        self.readers: dict[str, Callable[[bytes], str]] = {"record": read_record, "columns": self.read_columns, "bundle": read_bundle}

    def _bundle(self) -> dict[str, bytes]:
        first = self.pairs[0][0].name
        files = {f"records/{first}.json": self.records[0], f"records/{first}.columns.zst": self.columns[0]}
        return files | {"method/mine/__init__.py": b"CARD = None\n", "constraints.txt": b"numpy==2.4.6\n"}

    def one(self) -> tuple[str, bytes]:
        """The name of a reader, and an input for it."""
        names = list(self.makers)
        name = self.rng.choices(names, [self.makers[name][0] for name in names])[0]
        return name, self.makers[name][1]()

    def bytes_of(self, data: bytes) -> bytes:
        """Bits flipped, pieces cut out, doubled and moved."""
        found = bytearray(data)
        for _ in range(self.rng.randint(1, 4)):
            place, length = self.rng.randrange(len(found) + 1), self.rng.choice((1, 1, 2, 4, 8, 64))
            act = self.rng.randrange(5)
            if act == 0 and found:
                found[place % len(found)] ^= 1 << self.rng.randrange(8)
            elif act == 1:
                del found[place : place + length]
            elif act == 2:
                found[place:place] = found[place : place + length] * self.rng.randint(1, 9)
            elif act == 3:
                found[place : place + length] = self.rng.randbytes(length)
            else:
                del found[place:]
        return bytes(found)

    def json_of(self, value: Any) -> Any:
        """Another value, key or length somewhere within."""
        if isinstance(value, dict) and value and self.rng.random() < 0.9:
            key = self.rng.choice(list(value))
            act = self.rng.randrange(12)
            if act == 0:
                return {name: inner for name, inner in value.items() if name != key}
            if act == 1:
                return {**value, self.rng.choice(("extra", "", "__proto__", key + "\u202e", "a" * 300)): value[key]}
            return {**value, key: self.json_of(value[key])}
        if isinstance(value, list) and value and self.rng.random() < 0.9:
            place = self.rng.randrange(len(value))
            return [*value[:place], self.json_of(value[place]), *value[place + self.rng.randrange(2) :]]
        if isinstance(value, int | float) and not isinstance(value, bool) and abs(value) < 1e300 and self.rng.random() < 0.5:
            return self.rng.choice((-value, value * 1000, value + 1, value / 3, value * 1e-9, 1.0 * value))
        if isinstance(value, str) and self.rng.random() < 0.5:
            return self.bytes_of(value.encode("utf-8", "surrogatepass")).decode("utf-8", "replace")
        return self.rng.choice(VALUES)

    def nested(self) -> bytes:
        """Deeper than a parser recurses."""
        depth = self.rng.choice((100, 1000, 20_000))
        return self.rng.choice((b"[" * depth, b'{"a":' * depth, b"[" * depth + b"]" * depth, b'{"schema":5,"key":' + b"[" * depth))

    def record(self) -> bytes:
        """A record's file."""
        data, chance = self.rng.choice(self.records), self.rng.random()
        if chance < 0.25:
            return self.bytes_of(data)
        if chance < 0.26:
            return self.nested()
        value = json.loads(data)
        for _ in range(self.rng.choice((1, 1, 1, 2, 5))):
            value = self.json_of(value)
        text = json.dumps(value, ensure_ascii=self.rng.random() < 0.5)
        return text.encode("utf-8", "surrogatepass") if self.rng.random() < 0.98 else text.encode("utf-16", "surrogatepass")

    def column_file(self) -> bytes:
        """A file of raw columns: as it is, or its inside."""
        data, chance = self.rng.choice(self.columns), self.rng.random()
        if chance < 0.4:
            return self.bytes_of(data)
        line, rest = self.insides[data]
        header = json.loads(line)
        for _ in range(self.rng.choice((0, 1, 1, 2))):
            header = self.json_of(header)
        head = json.dumps(header).encode() if self.rng.random() < 0.9 else self.bytes_of(line)
        body = head + b"\n" + (self.bytes_of(rest) if self.rng.random() < 0.3 else rest)
        return zstandard.ZstdCompressor(level=-5).compress(body)

    def bundle(self) -> bytes:
        """A bundle: its bytes, its files under a manifest that fits them, its manifest, or its headers."""
        contents, chance = dict(self.contents), self.rng.random()
        name = self.rng.choice(list(contents))
        if chance < 0.3:
            contents[name] = self.record() if name.endswith(".json") else self.bytes_of(contents[name])
        elif chance < 0.5:
            contents[self.rng.choice(NAMES)] = contents.pop(name)
        entries = [Entry(path[8:-5], "0" * 64) for path in contents if path.startswith("records/") and path.endswith(".json")]
        manifest = manifest_of(contents, method="mine", created="2026-11-24T11:05:12+00:00", licence="MIT", records=entries)
        if 0.5 <= chance < 0.7:
            changed = self.json_of(json.loads(encode(manifest)))
            return rezipped(contents | {MANIFEST: json.dumps(changed).encode()}, lambda info: None)
        if 0.7 <= chance < 0.85:
            return rezipped(contents | {MANIFEST: encode(manifest)}, self.header)
        try:
            data = packed(manifest, contents)
        except (ValueError, struct.error):  # a name that no zip can hold
            return b""
        return self.bytes_of(data) if chance >= 0.85 else data

    def header(self, info: zipfile.ZipInfo) -> None:
        """Another field of a member's header."""
        field = self.rng.choice(("external_attr", "extra", "compress_type", "flag_bits", "comment", "create_version"))
        values = {
            "external_attr": self.rng.choice((0o120777 << 16, 0o040755 << 16, 0o020666 << 16, 0x10, 0)),
            "extra": self.rng.choice((b"\1\0\10\0" + b"\xff" * 8, b"\1\0\0\0", self.rng.randbytes(4))),
            "compress_type": self.rng.choice((*[zipfile.ZIP_DEFLATED] * 7, zipfile.ZIP_BZIP2)),
            "flag_bits": 1 << self.rng.randrange(16),
            "comment": self.rng.randbytes(3),
            "create_version": 63,
        }
        setattr(info, field, values[field])

    def read_columns(self, data: bytes) -> str:
        """Unpacked, and a real record held against them."""
        try:
            columns = column_files.unpack(data)
        except ValueError:
            return "refused"
        if self.rng.random() > 0.02:  # the statistics take a hundred times as long as the rest
            return "read"
        list(record_findings(self.rng.choice(self.pairs)[0], columns, self.around))
        return "checked"


def inside(data: bytes) -> tuple[bytes, bytes]:
    """Header and arrays of a columns file."""
    line, _, rest = zstandard.ZstdDecompressor().decompress(data).partition(b"\n")
    return line, rest


def rezipped(contents: dict[str, bytes], change: Callable[[zipfile.ZipInfo], None]) -> bytes:
    """A zip of the same, with headers changed; empty where none can be written."""
    buffer = io.BytesIO()
    try:
        with zipfile.ZipFile(buffer, "w") as archive:
            for name, data in contents.items():
                info = zipfile.ZipInfo(name)
                change(info)
                archive.writestr(info, data)
    except (ValueError, OverflowError, NotImplementedError, zipfile.LargeZipFile, RuntimeError, struct.error):
        return b""
    return buffer.getvalue()


def read_record(data: bytes) -> str:
    """Read, checked by itself, and written into the text of a pull request."""
    try:
        record = parse_record(HERE, data)
    except BrokenRecord:
        return "refused"
    list(record_findings(record, None, Surroundings(datetime.now(UTC))))
    record_row(record, None)
    return "checked"


def read_bundle(data: bytes) -> str:
    """Every member read and held against the manifest."""
    try:
        unpack.parse(HERE, data)
    except BrokenBundle:
        return "refused"
    return "read"


def plain(fuzzer: Fuzzer, inputs: int) -> int:
    """So many inputs, one after another. Returns how many raised; prints the first of each kind, and what became of all."""
    outcomes: Counter[str] = Counter()
    raised: Counter[str] = Counter()
    started = time.monotonic()
    for done in range(1, inputs + 1):
        name, data = fuzzer.one()
        before = time.monotonic()
        try:
            outcomes[f"{name} {fuzzer.readers[name](data)}"] += 1
        except Exception as error:
            kind = f"{name}: {type(error).__name__}: {error}"[:200]
            if not raised[kind]:
                print(f"input {done} raised {kind}\n  {data[:2000]!r}", file=sys.stderr, flush=True)
            raised[kind] += 1
        if time.monotonic() - before > SLOW_S:
            print(f"input {done} ({name}) took {time.monotonic() - before:.1f} s: {data[:300]!r}", file=sys.stderr, flush=True)
            raised["slow"] += 1
        if done % 50_000 == 0:
            print(f"{done:,} inputs, {time.monotonic() - started:.0f} s, {raised.total()} raised", file=sys.stderr, flush=True)
    print(f"{inputs:,} inputs: " + ", ".join(f"{count:,} {name}" for name, count in sorted(outcomes.items())))
    print(f"{raised.total():,} raised what they must not")
    return raised.total()


def own_functions() -> Iterator[types.FunctionType]:
    """Those whose branches are worth finding: of the readers and the checks, not of the libraries under them."""
    for name, module in list(sys.modules.items()):
        if name.startswith(("suite.submission", "suite.store", "suite.columns", "suite.record")):
            for value in vars(module).values():
                if isinstance(value, types.FunctionType) and value.__module__ == name:
                    yield value


def guided(fuzzer: Fuzzer, inputs: int, seed: int) -> None:
    """The same readers under libFuzzer, whose inputs begin with a byte that names the reader. It ends the process."""
    import atheris  # type: ignore[import-not-found]

    names = list(fuzzer.readers)

    def one(data: bytes) -> None:
        if data:
            fuzzer.readers[names[data[0] % len(names)]](data[1:])

    def mutated(data: bytes, most: int, random_seed: int) -> bytes:
        fuzzer.rng.seed(random_seed)
        if fuzzer.rng.random() < 0.5:
            return bytes(atheris.Mutate(data, most))
        name, made = fuzzer.one()
        return (bytes([names.index(name)]) + made)[:most]

    for function in own_functions():
        atheris.instrument_func(function)
    options = [
        f"-atheris_runs={inputs}",
        f"-seed={seed + 1}",
        "-max_len=200000",
        "-timeout=30",
        "-rss_limit_mb=4096",
        "-print_final_stats=1",
    ]
    atheris.Setup([sys.argv[0], *options], one, custom_mutator=mutated)
    atheris.Fuzz()


def main() -> None:
    """Prints how many inputs were given to each reader and what became of them. Exits with 1 if one raised what it must not."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--inputs", type=int, default=10_000)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--engine", choices=("plain", "atheris"), default="plain")
    asked = parser.parse_args()
    fuzzer = Fuzzer(asked.seed)
    if asked.engine == "atheris":
        guided(fuzzer, asked.inputs, asked.seed)
    sys.exit(1 if plain(fuzzer, asked.inputs) else 0)


if __name__ == "__main__":
    main()
