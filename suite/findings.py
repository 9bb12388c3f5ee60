"""What the conformance suite finds, one line each."""

from typing import Literal

import msgspec

State = Literal["ok", "hint", "warning", "skipped", "wrong", "MISSING"]


class Finding(msgspec.Struct, frozen=True):
    """A check, how it went, and in words what was found or what to do."""

    check: str
    state: State
    words: str

    @property
    def bad(self) -> bool:
        """Whether the model cannot be run as it is."""
        return self.state in ("wrong", "MISSING")
