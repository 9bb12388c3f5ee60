"""Processes that are started before there is work for them, while nothing is timed: by then they have loaded what they import.

Each is as fresh as one that is started for its job: it has had none, and waits for it without taking the processor.
"""

from contextlib import suppress
from dataclasses import dataclass, field

from suite.errors import CellFailed
from suite.executors.local import HERE, Interpreter, Started, kill, messages, start

STARTING_S = 60.0
"""Seconds that one may take until it is ready. One that takes longer or dies is given up: another, started for its job, tells why."""


@dataclass
class Standby:
    """Those that wait, all of one command; the one that was started first is taken first."""

    interpreter: Interpreter = HERE
    command: tuple[str, ...] = ()
    starting: list[Started] = field(default_factory=list)
    ready: list[Started] = field(default_factory=list)

    def fill(self, number: int, interpreter: Interpreter, *command: str) -> None:
        """Has so many of a module with its arguments, or as many as the system allows, and does not wait for them to be ready."""
        self._only(interpreter, command)
        with suppress(OSError):  # no more processes or files: whoever needs one starts it when the others have ended
            while len(self.starting) + len(self.ready) < number:
                self.starting.append(start(interpreter, *command))

    def take(self, interpreter: Interpreter, *command: str, alone: bool) -> Started | None:
        """One that is ready; None if there is none of this command. alone: none is still starting beside it."""
        self._only(interpreter, command)
        while self.starting and (alone or not self.ready):
            own = self.starting.pop(0)
            (self.ready.append if _is_ready(own) else _end)(own)
        while self.ready and self.ready[0].process.poll() is not None:
            _end(self.ready.pop(0))
        return self.ready.pop(0) if self.ready else None

    def dismiss(self) -> None:
        """Ends all that wait."""
        while left := self.starting or self.ready:
            _end(left.pop())

    def _only(self, interpreter: Interpreter, command: tuple[str, ...]) -> None:
        if (interpreter, command) != (self.interpreter, self.command):
            self.dismiss()
            self.interpreter, self.command = interpreter, command


def _is_ready(own: Started) -> bool:
    """Whether it says so, which is waited for."""
    with suppress(CellFailed):
        return any(message["event"] == "ready" for message in messages(own.lines, STARTING_S))
    return False


def _end(own: Started) -> None:
    kill(own.process)
    own.errors.close()
    if own.process.stdin is not None:
        with suppress(OSError):
            own.process.stdin.close()
