"""Counters of energy, and what requests take by them. For the worker: standard library and numpy alone.

What cannot be read gives a reason and no number: energy is never estimated from times.
"""

import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

import numpy as np

from suite.facts import Unreadable
from suite.gpu import Gpu
from suite.loading import SIDES
from suite.timing import DROPPED

Array = np.ndarray[Any, np.dtype[Any]]
Call = Callable[[int], object]

POWERCAP = Path("/sys/class/powercap")
BLOCK_S = 0.2
"""A block lasts at least so long: counters are renewed every millisecond (RAPL) to some tens of them (NVML)."""

now = time.perf_counter_ns


class Meter(Protocol):
    """A counter of energy. source: what it is and what it covers."""

    source: str

    def read_uj(self) -> int:
        """Microjoules since any moment; never falls. Raises Unreadable."""


class Rapl:
    """All packages of this machine, by Intel's running average power limit, which AMD has too (Documentation/power/powercap)."""

    def __init__(self, folder: Path = POWERCAP) -> None:
        """Raises Unreadable."""
        self._zones = list(_packages(folder))
        if not self._zones:
            raise Unreadable("this machine has no RAPL counter of a package")
        self._wraps = [_integer(zone / "max_energy_range_uj") for zone in self._zones]
        self._last = [_integer(zone / "energy_uj") for zone in self._zones]
        self._total = 0
        self.source = f"RAPL, {len(self._zones)} package{'s' if len(self._zones) > 1 else ''}"

    def read_uj(self) -> int:
        """Microjoules since the beginning. A counter that is less than before has wrapped around, once."""
        for index, zone in enumerate(self._zones):
            value = _integer(zone / "energy_uj")
            gone = value - self._last[index]
            self._total += gone if gone >= 0 else gone + self._wraps[index]
            self._last[index] = value
        return self._total


def _packages(folder: Path) -> Iterator[Path]:
    """Zones of whole packages: what is inside them is counted by them already, and of a zone that two drivers show one is taken."""
    seen = set()
    for zone in sorted(folder.glob("intel-rapl*:*")):
        try:
            name = (zone / "name").read_text().strip()
        except OSError:
            continue
        if name.startswith("package-") and name not in seen:
            seen.add(name)
            yield zone


def _integer(path: Path) -> int:
    try:
        return int(path.read_text())
    except PermissionError as error:
        raise Unreadable(f"the RAPL counter may be read by root alone ({path})") from error
    except (OSError, ValueError) as error:
        raise Unreadable(f"the RAPL counter cannot be read ({path}: {error})") from error


@dataclass(frozen=True, slots=True)
class Measured:
    """What a launch took. columns: `energy:<side>_uj` and `energy:<side>_calls`, int64 (quads, 2 blocks), empty without a counter; then
    `reason` says why, and `source` is None."""

    source: str | None = None
    reason: str | None = None
    columns: Mapping[str, Array] = field(default_factory=dict)


def measure(baseline: Call, compressed: Call, seconds: float, gpu: bool = False, meter: Meter | None = None) -> Measured:
    """Energy of both sides over ABBA quads of blocks of BLOCK_S, as many as fit into `seconds`, at least one.

    gpu: of a GPU's board, and not of the processor's packages. meter: another counter than those. The first calls after each switch are
    not counted, as they are not timed. Never raises for the want of a counter.
    """
    quads = max(1, int(seconds / (4 * BLOCK_S)))
    rows: dict[str, list[list[tuple[int, int]]]] = {side: [] for side in SIDES}
    try:
        meter = meter or (Gpu() if gpu else Rapl())
        for _ in range(quads):
            first, second, third, fourth = (_block(meter, call) for call in (baseline, compressed, compressed, baseline))
            rows["baseline"].append([first, fourth])
            rows["compressed"].append([second, third])
    except Unreadable as reason:
        return Measured(reason=str(reason))
    found = {
        f"energy:{side}_{name}": np.array(rows[side], np.int64)[..., place] for side in SIDES for place, name in enumerate(("uj", "calls"))
    }
    if min(found[f"energy:{side}_uj"].min() for side in SIDES) <= 0:
        return Measured(reason=f"the counter stood still in a block ({meter.source})")
    return Measured(meter.source, None, found)


def _block(meter: Meter, call: Call) -> tuple[int, int]:
    """Microjoules, and calls, of one block."""
    for index in range(DROPPED):
        call(index)
    before, calls, end = meter.read_uj(), 0, now() + int(BLOCK_S * 1e9)
    while now() < end:
        call(DROPPED + calls)
        calls += 1
    return meter.read_uj() - before, calls
