"""How far a record can be believed: who measured it again. Grants lie beside the records, which never change.

A store holds grants in its folder `provenance/`, a JSON file each: a tier, who gives it, when, how, and for each record its name, its key,
the sha256 of its file, and the keys of the records that bear it out (those lie in the store `reproductions/`). A grant is to bytes: a
record that is put in the place of another under the same name has none. Bundles cannot carry grants.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Literal

import msgspec

from suite import __version__
from suite.errors import BrokenGrant, StoreError
from suite.hashing import hash_file, hash_json
from suite.record import Record
from suite.store import Store, write

Tier = Literal["re-run by us", "reproduced", "self-reported"]
TIERS: tuple[Tier, ...] = Tier.__args__  # type: ignore[attr-defined]
"""Best first. Re-run by us: those who keep the board measured it, on their own machine. Reproduced: somebody else measured the same cell on
a test set that its author could not know, and it came out the same within intervals. Self-reported: nobody did."""

OURS, REPRODUCED, SELF = TIERS

FOLDER, REPRODUCTIONS = "provenance", "reproductions"

WORDS: Mapping[Tier, str] = {
    OURS: "measured by those who keep this board, on their own machine",
    REPRODUCED: "measured again by somebody else, on a fresh test set, with the same outcome within intervals",
    SELF: "measured by whoever submitted it, and by nobody else so far",
}


class Granted(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A record that a grant is for. reproduced_by: keys of the records that bear it out."""

    record: str
    key: str
    sha256: str
    reproduced_by: tuple[str, ...] = ()


class Grant(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """A tier for some records: by whom, when (ISO 8601, UTC), with which version of the suite, and how in words."""

    format: Literal[1] = 1
    tier: Tier
    by: str
    at: str
    squeezemark: str
    how: str
    records: tuple[Granted, ...]

    def __post_init__(self) -> None:
        if self.tier == SELF:
            raise ValueError("self-reported is what a record is without a grant")
        for granted in self.records:
            if self.tier == REPRODUCED and (not granted.reproduced_by or granted.key in granted.reproduced_by):
                raise ValueError(f"{granted.record} names no other record that reproduces it")


@dataclass(frozen=True, slots=True)
class Provenance:
    """Record name -> its tier and the grant of it, and what is wrong with grants; a name that is not there is self-reported.

    reproduced: record name -> the keys of the records that bear it out, of those that have a grant.
    """

    grants: Mapping[str, Grant]
    broken: tuple[BrokenGrant, ...] = ()
    reproduced: Mapping[str, tuple[str, ...]] = field(default_factory=dict)

    def tier(self, record: Record) -> Tier:
        """Of a record of the store that was asked."""
        return self.grants[record.name].tier if record.name in self.grants else SELF


NOBODY = Provenance({})


def read(store: Store) -> Provenance:
    """Every grant that holds: its file can be read, and the record's file is the very one that it names. The best tier counts."""
    found: dict[str, Grant] = {}
    reproduced: dict[str, tuple[str, ...]] = {}
    broken = []
    for path in sorted((store.folder / FOLDER).glob("*.json")):
        try:
            grant = msgspec.json.decode(path.read_bytes(), type=Grant)
        except (OSError, msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
            broken.append(BrokenGrant(path, str(error)))
            continue
        for granted in grant.records:
            problem = _problem(store, granted)
            if problem:
                broken.append(BrokenGrant(path, problem))
            elif granted.record not in found or TIERS.index(grant.tier) < TIERS.index(found[granted.record].tier):
                found[granted.record], reproduced[granted.record] = grant, granted.reproduced_by
    return Provenance(found, tuple(broken), reproduced)


def _problem(store: Store, granted: Granted) -> str | None:
    """Why a grant says nothing of the record that lies there; None also of one that does not lie there, which needs no tier."""
    path = store.folder / f"{granted.record}.json"
    if path.parent != store.folder:
        return f"the record {granted.record!r} would lie outside of the store"
    if path.is_file() and hash_file(path) != granted.sha256:
        return f"{path.name} is not the file that was granted its tier"
    return None


def grant(
    store: Store, tier: Tier, by: str, how: str, records: Iterable[tuple[Record, tuple[str, ...]]], lying_in: Store | None = None
) -> Path:
    """Writes a grant for records of the store, each with the keys of those that reproduce it. Raises StoreError.

    lying_in: where their files lie, if they are not in the store yet.
    """
    granted = tuple(
        Granted(record.name, record.key, hash_file((lying_in or store).folder / f"{record.name}.json"), keys)
        for record, keys in sorted(records, key=lambda pair: pair[0].name)
    )
    now = datetime.now(UTC).isoformat(timespec="seconds")
    made = Grant(tier=tier, by=by, at=now, squeezemark=__version__, how=how, records=granted)
    data = msgspec.json.format(msgspec.json.encode(made), indent=1) + b"\n"
    path = store.folder / FOLDER / f"{now[:10]}-{tier.replace(' ', '-')}-{hash_json(msgspec.to_builtins(made))[:12]}.json"
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        write(path, data)
    except OSError as error:
        raise StoreError(f"The grant {path} could not be written ({error.strerror}).") from error
    return path
