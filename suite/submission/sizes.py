"""Whether the figures of an artifact add up. Pure arithmetic on what its record says."""

import re
from collections.abc import Iterator

from suite.hashing import hash_json
from suite.record import Part, Record
from suite.submission.texts import shown

DIGEST = re.compile(r"[0-9a-f]{64}")
PLAIN_FILE = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]{0,100}")
OVERHEAD = 1.01, 4096
"""What zstd adds, at most, to bytes that it cannot compress: a share and a constant, both generous."""
MOST_BITS = 64 * 64
"""Of a weight x of an activation."""


def problems(record: Record) -> Iterator[str]:
    """What does not add up, and hashes that are none."""
    for name, digest in _digests(record).items():
        if digest is not None and not DIGEST.fullmatch(digest):
            yield f"its {name} is no sha256"
    artifact = record.artifact
    if artifact is None:
        return
    for name, part in artifact.parts.items():
        for problem in _of_part(part):
            yield f"the component {shown(name, 60)} {problem}"
    if not artifact.parts:
        yield "its artifact has no parts"
    for name in sorted({name for step in record.cell.recipe for name in step.components} - artifact.parts.keys()):
        yield f"its recipe is applied to {shown(name, 60)!r}, which its artifact has not"
    if record.provenance.artifact_sha256 != hash_json({name: part.sha256 for name, part in artifact.parts.items()}):
        yield "its artifact's hash does not follow from those of its parts"
    if record.status == "ok" and not all(claim.holds for claim in artifact.claims):
        yield "it is ok although a claim does not hold"


def _of_part(part: Part) -> Iterator[str]:
    numbers = (part.bytes, part.zstd_bytes, part.parameters, part.nonzero_parameters, *part.parameters_by_type.values())
    if min(*numbers, *part.operators.values(), part.cache_bytes_per_token, 0) < 0 or part.bytes == 0:
        yield "has a negative count, or no bytes"
    if not (DIGEST.fullmatch(part.sha256) and PLAIN_FILE.fullmatch(part.file)):
        yield "names a file or a hash that is none"
    if part.zstd_bytes > part.bytes * OVERHEAD[0] + OVERHEAD[1]:
        yield f"is larger compressed ({part.zstd_bytes:,} bytes) than as it is ({part.bytes:,})"
    if part.nonzero_parameters > part.parameters:
        yield f"has {part.nonzero_parameters:,} parameters that are not zero, of {part.parameters:,}"
    if sum(part.parameters_by_type.values()) != part.parameters:
        yield "has another number of parameters than its types have together"
    bits = sum(width(kind) * count for kind, count in part.parameters_by_type.items())
    if bits > 8 * part.bytes:
        yield f"has parameters of {bits // 8:,} bytes in a file of {part.bytes:,}"
    yield from _operations(part)


def _operations(part: Part) -> Iterator[str]:
    if part.macs is None:
        return
    if min(part.macs, part.nonzero_macs or 0, part.bit_operations or 0) < 0:
        yield "has a negative number of operations"
    if part.nonzero_macs is not None and part.nonzero_macs > part.macs:
        yield "has more multiply-accumulates by weights that are not zero than it has in all"
    if part.bit_operations is not None and part.bit_operations > part.macs * MOST_BITS:
        yield "has more bit-operations than its multiply-accumulates can have"


def width(kind: str) -> int:
    """Bits of a number of this type, as its name says (int4, bfloat16, float8e4m3); 8 for bool and what names none."""
    found = re.search(r"\d+", kind)
    return min(int(found[0]), 64) if found else 8


def _digests(record: Record) -> dict[str, str | None]:
    known = record.provenance
    found = {"model's hash": known.model_sha256, "test set's hash": known.test_sha256, "artifact's hash": known.artifact_sha256}
    steps = {f"source hash of step {place}": step.source_sha256 for place, step in enumerate(record.cell.recipe, 1)}
    return {"key": record.key, "columns' hash": record.columns_sha256, **found, **steps}
