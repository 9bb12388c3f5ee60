"""Every error that the suite raises on purpose.

    SqueezemarkError
    ├── UsageError            what the user asked for cannot be done as it stands
    │   ├── UnknownName       no plug-in of that name (carries kind, name, nearest)
    │   └── ConfigError       an unreadable file, an unknown key, a value out of bounds
    ├── HostError             another machine cannot be reached or cannot measure (carries host)
    ├── PlugInError           a plug-in that cannot be imported or declares nonsense (carries kind, name)
    ├── StoreError            the results folder
    │   ├── NotWritable       it cannot be written
    │   ├── BrokenRecord      a file in it is not a record (carries path)
    │   ├── BrokenRelease     a release that is not what was frozen, or whose records are not (carries path)
    │   └── BrokenGrant       a file in its folder `provenance/` grants nothing (carries path)
    ├── InUse                 another run works in the same working folder (carries folder)
    ├── BrokenBundle          a submission that is not what `submit` writes, or was changed (carries path, check)
    ├── SiteError             the site could not be built; the one that was there is as it was
    └── CellFailed            one cell came to nothing (carries status); becomes a record, never ends the run

Each message is one sentence that says what to do. Only `suite.cli` prints them and exits.
"""

import difflib
from collections.abc import Iterable
from pathlib import Path


def _visible(text: str) -> str:
    """A reason may quote what a stranger wrote; nothing in it commands a terminal."""
    return "".join(letter if letter.isprintable() else "\ufffd" for letter in text)


class SqueezemarkError(Exception):
    """The root of the tree."""


class UsageError(SqueezemarkError):
    """What the user asked for cannot be done as it stands."""


class UnknownName(UsageError):
    """No plug-in of that kind has that name."""

    def __init__(self, kind: str, name: str, known: Iterable[str]) -> None:
        names = sorted(known)
        self.kind, self.name, self.nearest = kind, name, difflib.get_close_matches(name, names, 1, 0.5)
        hint = f" Did you mean {self.nearest[0]!r}?" if self.nearest else ""
        super().__init__(f"There is no {kind} {name!r}.{hint} There are: {', '.join(names)}.")


class ConfigError(UsageError):
    """A config file or option that cannot be used."""


class PlugInError(SqueezemarkError):
    """A plug-in that cannot be imported, or whose card declares nonsense."""

    def __init__(self, kind: str, name: str, reason: str) -> None:
        self.kind, self.name, self.reason = kind, name, reason
        super().__init__(f"The {kind} {name!r} cannot be used: {reason}.")


class HostError(SqueezemarkError):
    """A machine that was named with --host cannot be reached, or cannot measure."""

    def __init__(self, host: str, reason: str) -> None:
        self.host, self.reason = host, reason
        super().__init__(f"Nothing can be measured on {host}: {reason}.")


class StoreError(SqueezemarkError):
    """Something about the results folder."""


class NotWritable(StoreError):
    """The results folder cannot be written."""


class InUse(SqueezemarkError):
    """Another run works in this working folder."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        super().__init__(f"Another run works in {folder}: wait until it has ended, or choose another folder with --work.")


class BrokenRecord(StoreError):
    """A file in the results folder is not a readable record."""

    def __init__(self, path: Path, reason: str) -> None:
        self.path, self.reason = path, _visible(reason)
        super().__init__(f"{path} is not a readable record ({self.reason}); delete it and run again to measure it anew.")


class SiteError(SqueezemarkError):
    """The site could not be built; the one that was there is as it was."""


class BrokenGrant(StoreError):
    """A grant of provenance that cannot be read, or that is of another record than the one that lies there."""

    def __init__(self, path: Path, reason: str) -> None:
        self.path, self.reason = path, reason
        super().__init__(f"{path} grants nothing ({reason}); put back what was there, or remove it.")


class BrokenRelease(StoreError):
    """A release that cannot be read, or of which a record is missing or has changed."""

    def __init__(self, path: Path, reason: str) -> None:
        self.path, self.reason = path, reason
        super().__init__(f"{path} does not hold any more ({reason}); put back what was released: a release never changes.")


class BrokenBundle(SqueezemarkError):
    """A submission that cannot be opened. `check` is the name of what it did not stand: archive, names, manifest, files or limits."""

    def __init__(self, path: Path, reason: str, check: str = "archive") -> None:
        self.path, self.reason, self.check = path, _visible(reason), check
        super().__init__(f"{path} cannot be used as a bundle ({self.reason}); ask its author for one that `squeezemark submit` wrote.")


class CellFailed(SqueezemarkError):
    """One cell came to nothing. `status` is a member of `suite.record.STATUSES`."""

    def __init__(self, status: str, reason: str) -> None:
        self.status, self.reason = status, reason
        super().__init__(f"{status}: {reason}")
