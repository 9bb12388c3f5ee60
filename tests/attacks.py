"""Real attack files, each made from a bundle that is right: name -> (the check that refuses it, words of the reason, the file's bytes)."""

import io
import json
import pickle
import struct
import zipfile
from collections.abc import Iterator

import numpy as np
import zstandard
from bundles import Made, with_manifest, zipped

from suite.submission.manifest import MANIFEST, encode

Attack = tuple[str, str, bytes]


class _Evil:
    def __reduce__(self) -> tuple[object, tuple[str]]:
        return (print, ("this pickle was loaded",))


def all_of(made: Made) -> dict[str, Attack]:
    """Every attack."""
    return {name: attack for group in (_names, _headers, _bombs, _shapes, _manifests, _contents, _sources) for name, attack in group(made)}


def _named(made: Made, name: str) -> bytes:
    return zipped({**with_manifest(made), name: b"x = 1\n"})


def _names(made: Made) -> Iterator[tuple[str, Attack]]:
    for title, name, words in (
        ("traversal", "../evil.py", "leaves the bundle"),
        ("traversal within", "method/mine/../../../evil.py", "leaves the bundle"),
        ("absolute", "/tmp/squeezemark_evil.py", "absolute"),
        ("drive", "C:/evil.py", "absolute"),
        ("drive without slash", "C:evil.py", "absolute"),
        ("share", "//host/evil.py", "absolute"),
        ("backslash", "method\\..\\evil.py", "backslash"),
        ("line end", "method/mine/a\nb.py", "control character"),
        ("escape", "method/mine/\x1b[2Jb.py", "control character"),
        ("right to left", "method/mine/\u202eyp.b", "plain letters"),
        ("letters of another script", "method/mine/\u0430pply.py", "plain letters"),
        ("hidden file", "method/mine/.bashrc", "plain letters"),
        ("folder", "method/mine/sub/", "is a folder"),
        ("here", "method/./mine.py", "plain letters"),
        ("device", "method/mine/CON.py", "some systems"),
        ("dot at the end", "method/mine/a.", "some systems"),
        ("long", "method/mine/" + "a" * 300 + ".py", "more than 240"),
        ("deep", "method/" + "a/" * 20 + "b.py", "8 levels"),
        ("empty", "", "plain letters"),
        ("case", "method/mine/APPLY.py", "case alone"),
        ("case of a folder", "method/Mine/other.py", "case alone"),
        ("file and folder", "method/mine/apply.py/x.py", "there twice"),
    ):
        yield title, ("names", words, _named(made, name))
    for title, name in (("script", "run.sh"), ("setup", "setup.py"), ("deep record", "records/a/b.json"), ("bare source", "method/x.py")):
        yield title, ("archive", "a place for", _named(made, name))
    data = _named(made, "method/mine/aX.py")
    yield "NUL", ("names", "control character", data.replace(b"aX.py", b"a\0.py"))
    yield "twice", ("names", "there twice", _named(made, "method/mine/applX.py").replace(b"applX.py", b"apply.py"))


def _headers(made: Made) -> Iterator[tuple[str, Attack]]:
    def one(field: str, value: object) -> bytes:
        return zipped(with_manifest(made), lambda info: setattr(info, field, value) if info.filename.endswith("mine/apply.py") else None)

    for title, mode in (("symbolic link", 0o120777), ("character device", 0o020666), ("pipe", 0o010666), ("folder by its mode", 0o040755)):
        yield title, ("archive", "a link, a folder or a device", one("external_attr", mode << 16))
    yield "extra field", ("archive", "extra field", one("extra", b"\xfe\xca\x04\x00evil"))
    yield "zip64 in a member", ("archive", "extra field", one("extra", struct.pack("<HHQ", 1, 8, 1 << 40)))
    yield "comment", ("archive", "comment", one("comment", b"look"))
    yield "bzip2", ("archive", "another way", zipped(with_manifest(made), kind=zipfile.ZIP_BZIP2))
    yield "encrypted", ("archive", "encrypted", _flagged(made, 0x1))
    yield "strongly encrypted", ("archive", "encrypted", _flagged(made, 0x41))
    yield "hidden headers", ("archive", "encrypted", _flagged(made, 0x2000))
    yield "size that comes later", ("archive", "say its size", _flagged(made, 0x8))


def _flagged(made: Made, bits: int) -> bytes:
    """With these bits set in the header of the first member, where it lies and in the table."""
    data = bytearray(made.archive())
    (offset,) = struct.unpack_from("<L", data, len(data) - 6)
    for place in (6, offset + 8):
        struct.pack_into("<H", data, place, struct.unpack_from("<H", data, place)[0] | bits)
    return bytes(data)


def _bombs(made: Made) -> Iterator[tuple[str, Attack]]:
    deflated = zipfile.ZIP_DEFLATED
    big = with_manifest(made, {"method/mine/big.py": b"#" * (1 << 20)})
    yield "bomb by its ratio", ("limits", "200 times", zipped(big, kind=deflated))
    huge = with_manifest(made, {"method/mine/big.py": np.random.default_rng(0).integers(65, 90, 2 << 20).astype(np.uint8).tobytes()})
    yield "bomb by its size", ("limits", "more than 1,048,576 bytes", zipped(huge, kind=deflated))
    lying = zipped(big, kind=deflated).replace(struct.pack("<L", 1 << 20), b"\x10\0\0\0")
    yield "bomb that lies about its size", ("archive", "not a whole zip", lying)
    data = bytearray(zipped(with_manifest(made)))
    (offset,) = struct.unpack_from("<L", data, len(data) - 6)
    second = data.index(b"PK\1\2", offset + 4)
    struct.pack_into("<L", data, second + 42, 0)
    yield "members over each other", ("archive", "does not begin where", bytes(data))
    crowd = {**with_manifest(made), **{f"method/mine/c{n}.py": b"" for n in range(4001)}}
    yield "a crowd of members", ("limits", "4000 members", zipped(crowd))
    columns = next(name for name in made.contents if name.endswith(".zst"))
    name = columns.replace(".columns.zst", ".json")
    honest = _zeros(512, size=512 << 20)
    yield "columns that unpack to half a gigabyte", ("columns", "unpacks to more", made.archive(_with_columns(made, name, columns, honest)))
    endless = _zeros(300)
    yield "columns that do not say to how much", ("columns", "not a columns", made.archive(_with_columns(made, name, columns, endless)))


def _zeros(megabytes: int, **header: int) -> bytes:
    """So many, compressed."""
    stream, piece = zstandard.ZstdCompressor(level=1).compressobj(**header), bytes(1 << 20)
    return b"".join(stream.compress(piece) for _ in range(megabytes)) + stream.flush()


def _shapes(made: Made) -> Iterator[tuple[str, Attack]]:
    data = made.archive()
    yield "nothing", ("archive", "not a zip", b"")
    yield "text", ("archive", "not end as a zip", b"print('hello')\n" * 40)
    yield "half", ("archive", "not end as a zip", data[: len(data) // 2])
    yield "a program in front", ("archive", "before or behind", b"#!/bin/sh\nrm -rf ~\nexit\n" + data)
    yield "something behind", ("archive", "not end as a zip", data + b"x" * 30)
    yield "comment at the end", ("archive", "without a comment", data[:-2] + b"\x05\x00hello")
    yield "zip64 at the end", ("archive", "zip64", data[:-14] + b"\xff\xff\xff\xff" + data[-10:])
    yield "several disks", ("archive", "before or behind", data[:-18] + b"\x01\x00" + data[-16:])
    flipped = bytearray(data)
    flipped[60] ^= 0x40
    yield "a bit that flipped", ("archive", "not a whole zip", bytes(flipped))
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        for name, content in with_manifest(made).items():
            archive.writestr(zipfile.ZipInfo(name), content)
            archive.fp.seek(archive.start_dir)
            archive.fp.write(b"smuggled")
            archive.start_dir = archive.fp.tell()
    yield "something between", ("archive", "does not begin where", buffer.getvalue())


def _manifests(made: Made) -> Iterator[tuple[str, Attack]]:
    right = json.loads(encode(made.manifest()))

    def with_this(text: bytes) -> bytes:
        return zipped({**made.contents, MANIFEST: text})

    def but(**changes: object) -> bytes:
        return with_this(json.dumps(right | changes).encode())

    files = right["files"]
    first = sorted(files)[0]
    yield "no manifest", ("manifest", "no manifest.json", zipped(made.contents))
    yield "a file that is not named", ("manifest", "is not in its manifest", but(files={n: f for n, f in files.items() if n != first}))
    yield "a file that is not there", ("manifest", "not there", but(files=files | {"method/mine/gone.py": files[first]}))
    yield "another hash", ("files", "not the one that its manifest names", but(files=files | {first: files[first] | {"sha256": "0" * 64}}))
    yield "another size", ("files", "not the one", but(files=files | {first: files[first] | {"bytes": 1}}))
    yield "an unknown field", ("manifest", "unknown field", but(evil=1))
    yield "a format to come", ("manifest", "its format is 99", but(format=99))
    yield "another type", ("manifest", "cannot be read", but(records="all"))
    yield "a record twice", ("manifest", "does not fit", but(records=right["records"] * 2))
    yield "a record that is not there", ("manifest", "does not fit", but(records=[*right["records"], {"name": "none", "key": "0"}]))
    yield "records that are not named", ("manifest", "does not fit", but(records=right["records"][1:]))
    twice = json.dumps(right).replace('"method": "mine"', '"method": "other", "method": "mine"').encode()
    yield "a name twice", ("manifest", "names 'method' twice", with_this(twice))
    yield "a file named twice", ("manifest", f"names '{first}' twice", with_this(json.dumps(right).replace(
        f'"{first}": ', f'"{first}": {{"sha256": "0", "bytes": 1}}, "{first}": ').encode()))  # fmt: skip
    yield "no JSON", ("manifest", "cannot be read", with_this(b"{"))
    yield "UTF-16", ("manifest", "cannot be read", with_this(json.dumps(right).encode("utf-16")))
    yield "nested deeply", ("manifest", "cannot be read", with_this(b'{"format":' + b"[" * 100_000))
    yield "not a number", ("manifest", "cannot be read", with_this(json.dumps(right).replace('"format": 1', '"format": NaN').encode()))
    yield "infinity", ("manifest", "cannot be read", with_this(json.dumps(right).replace('"format": 1', '"format": 1e999').encode()))
    yield "a huge manifest", ("limits", "more than 1,048,576", but(author="a" * (2 << 20)))


def _contents(made: Made) -> Iterator[tuple[str, Attack]]:
    name = next(name for name in made.contents if name.endswith(".json") and "mine" in name)
    text = made.contents[name].decode()
    columns = name.removesuffix(".json") + ".columns.zst"

    def this(data: bytes) -> bytes:
        return made.archive({name: data})

    seconds = f'"seconds": {json.loads(text)["accuracy"]["seconds"]}'
    assert seconds in text
    for title, number in (("NaN", "NaN"), ("infinity", "Infinity"), ("more than any float", "1e999")):
        yield (
            f"a record with {title}",
            ("schema", "", this(text.replace(seconds, f'"seconds": {number}').encode())),
        )
    digits = "9" * 500
    huge = text.replace('"baseline_parameters": ', f'"baseline_parameters": {digits}')
    yield "a record with an endless integer", ("schema", "", this(huge.encode()))
    yield "a record that is nested deeply", ("schema", "", this(b'{"schema":5,"key":' + b"[" * 100_000 + b"]" * 100_000 + b"}"))
    yield "a record with an unknown field", ("schema", "unknown field", this(text.replace('"schema"', '"evil": 1, "schema"', 1).encode()))
    yield "a key twice", ("schema", "not written as", this(text.replace('"status"', '"status": "crashed", "status"', 1).encode()))
    yield "a record to come", ("schema", "newer", this(text.replace('"schema": 5', '"schema": 6', 1).encode()))
    yield "a record of 300 KB", ("limits", "262,144", this(text.replace('"command": "', '"command": "' + "a" * 300_000, 1).encode()))
    yield "a record in Latin-1", ("files", "UTF-8", this(text.replace("Example CPU", "Ex\u00e4mple CPU").encode("latin-1")))
    yield "a record in UTF-16", ("files", "UTF-8", this(text.encode("utf-16")))
    yield "a record that moves the text", ("files", "U+202E", this(text.replace("Example CPU", "Ex\u202eample CPU").encode()))
    yield "a record with an escape sequence", ("texts", "U+001B", this(text.replace("Example CPU", r"\u001b[2J CPU").encode()))
    yield (
        "a record of another name",
        ("schema", "another name", this(made.contents[next(n for n in made.contents if "two" in n and n.endswith(".json"))])),
    )
    for title, header in (
        ("objects", [["top_1", "|O", [4]]]),
        ("a negative length", [["top_1", "<f8", [-4]]]),
        ("more than there is", [["top_1", "<f8", [1 << 40]]]),
        ("no header", "evil"),
    ):
        body = zstandard.ZstdCompressor().compress(json.dumps(header).encode() + b"\n" + bytes(32))
        yield f"columns of {title}", ("columns", "", made.archive(_with_columns(made, name, columns, body)))
    yield "columns that are no columns", ("columns", "", made.archive(_with_columns(made, name, columns, b"evil" * 10)))
    yield (
        "columns of another",
        (
            "columns",
            "not those",
            made.archive({columns: made.contents[next(n for n in made.contents if "two" in n and n.endswith("zst"))]}),
        ),
    )


def _with_columns(made: Made, name: str, columns: str, data: bytes) -> dict[str, bytes]:
    """Bad columns under a record that names them by their hash."""
    from suite.columns import digest

    record = json.loads(made.contents[name]) | {"columns_sha256": digest(data)}
    return {name: json.dumps(record).encode(), columns: data}


def _sources(made: Made) -> Iterator[tuple[str, Attack]]:
    evil = pickle.dumps(_Evil())
    array = io.BytesIO()
    np.save(array, np.array([_Evil()], dtype=object), allow_pickle=True)
    for suffix, data in ((".pkl", evil), (".pt", evil), (".npy", array.getvalue()), (".bin", evil), (".pyc", evil)):
        yield f"a pickle {suffix}", ("files", "pickle", made.archive({f"method/mine/table{suffix}": data}))
    yield "a pickle in text", ("files", "pickle", made.archive({"method/mine/table.pkl": b"cos\nsystem\n(S'echo evil'\ntR."}))
    yield "a pickle under another name", ("files", "UTF-8", made.archive({"method/mine/table.txt": evil}))
    yield "a graph whose data lie outside", ("files", "ONNX", made.archive({"method/mine/model.onnx": external()}))
    yield "a graph under another name", ("files", "hidden character", made.archive({"method/mine/model.txt": external()}))
    yield "a program", ("files", "UTF-8", made.archive({"method/mine/tool.txt": b"\x7fELF\x02\x01\x01" + bytes([200]) * 40}))
    yield "a library", ("files", ".so", made.archive({"method/mine/tool.so": b"\x7fELF"}))
    yield "a text that hides", ("files", "U+202E", made.archive({"method/mine/apply.py": "x = '\u202e'\n".encode()}))
    yield "a terminal's escape", ("files", "U+001B", made.archive({"method/mine/apply.py": b"# \x1b[2J\n"}))
    yield "a table of another encoding", ("files", "UTF-8", made.archive({"method/mine/apply.py": "# caf\u00e9".encode("latin-1")}))
    yield "a stranger's recipe", ("archive", "a place for", zipped({**with_manifest(made), "recipes/mine.py": b""}))


def external() -> bytes:
    """An ONNX graph whose weight lies in /etc/passwd."""
    from onnx import TensorProto, helper

    weight = TensorProto(name="w", data_type=TensorProto.FLOAT, dims=[4], data_location=TensorProto.EXTERNAL)
    for key, value in (("location", "../../../../etc/passwd"), ("offset", "0"), ("length", "16")):
        weight.external_data.add(key=key, value=value)
    out = helper.make_tensor_value_info("w", TensorProto.FLOAT, [4])
    return helper.make_model(helper.make_graph([], "g", [], [out], [weight])).SerializeToString()
