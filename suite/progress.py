"""Shows how far a run is: a live bar on a terminal, a line per cell in a log."""

import time
from types import TracebackType
from typing import Self

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn

from suite.metrics import find
from suite.plan import PlannedCell
from suite.record import Record


class Display:
    """An observer of `suite.execute`. The time left is the mean time of the cells measured so far times those to come."""

    def __init__(self, console: Console) -> None:
        self.console = console
        self.live = Progress(
            TextColumn("{task.description}", markup=False), BarColumn(), MofNCompleteColumn(), TextColumn("{task.fields[left]}"),
            console=console, disable=not console.is_terminal, transient=True,
        )  # fmt: skip
        self.cells = self.live.add_task("cells", total=None, left="")
        self.steps = self.live.add_task("", total=None, left="")
        self.started = time.monotonic()
        self.total = self.done = self.measured = 0

    def __enter__(self) -> Self:
        self.live.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.live.stop()

    def begin(self, done: int, total: int) -> None:
        """`done` cells of `total` are in the store already."""
        self.started, self.done, self.total = time.monotonic(), done, total
        self.console.print(f"{total} cells, {done} recorded already, {total - done} to do")
        self.live.update(self.cells, total=total, completed=done, left=self._left())

    def cell(self, planned: PlannedCell) -> None:
        """A cell begins."""
        self.live.update(self.cells, description=planned.title, left=self._left())
        self.live.reset(self.steps, description="starting", total=None)

    def step(self, done: int, total: int, text: str) -> None:
        """A cell's current step."""
        self.live.update(self.steps, description=f"  {text}", completed=done, total=total)

    def end(self, record: Record, seconds: float) -> None:
        """A cell has its record."""
        self.done += 1
        self.measured += 1
        place = f"[{self.done}/{self.total}] {record.cell.title}"
        self.console.print(f"{place}: {_verdict(record)} ({seconds:.0f} s{self._left()})", highlight=False, markup=False)
        self.live.update(self.cells, completed=self.done, left=self._left())

    def _left(self) -> str:
        if not self.measured or self.done >= self.total:
            return ""
        seconds = (time.monotonic() - self.started) / self.measured * (self.total - self.done)
        return f", about {seconds / 60:.0f} min left" if seconds >= 90 else f", about {seconds:.0f} s left"


def _verdict(record: Record) -> str:
    if record.status != "ok":
        return f"{record.status}: {record.reason}"
    figures = record.figures()
    metric = record.accuracy.metric if record.accuracy else ""
    return ", ".join(f"{find(name).title} {find(name).show(figures[name])}" for name in (metric, "bytes", "speed_up") if name in figures)
