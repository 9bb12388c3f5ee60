"""What a target declares, and the runner that it brings."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal, Protocol

from suite.contracts.common import Value

if TYPE_CHECKING:
    from suite.contracts.common import Arrays

Device = Literal["x86 CPU", "ARM CPU", "CUDA", "Edge TPU"]


@dataclass(frozen=True, slots=True, kw_only=True)
class TargetCard:
    """Hardware + runtime + settings. `settings` (threads, graph optimisation, precision hints…) are part of the target's identity.

    formats: what its runner reads, a name or several of `suite.formats`; the uncompressed model is made in the first.
    precisions: those of its arithmetic, whatever the width of what is stored. instruction_sets: those that decide which kernels answer.
    libraries: distributions, besides the suite's own, whose versions decide its results. reference: the device's reference target,
    beside which it is timed too, so that runtimes share a board; None for that target itself. runner: the target whose `runner.py` it
    uses, having none. environment: where its worker runs, if not in the suite's own Python: a name of `squeezemark env`. ranks_latency:
    false where a clock says nothing, as under an emulator; nothing is timed there. items: it is so slow that no more test items than
    these are asked of it. patience: how many times as long as elsewhere its processes may take.
    """

    name: str
    title: str
    summary: str
    device: Device
    runtime: str
    formats: tuple[str, ...]
    precisions: tuple[str, ...] = ("fp32", "int8")
    instruction_sets: tuple[str, ...] = ()
    libraries: tuple[str, ...] = ()
    settings: Mapping[str, Value] = field(default_factory=dict)
    reference: str | None = None
    runner: str | None = None
    environment: str | None = None
    ranks_latency: bool = True
    items: int | None = None
    patience: float = 1.0

    @property
    def is_reference(self) -> bool:
        """Whether it is what the other targets of its device are held against, and runs where none is named."""
        return self.reference is None and self.ranks_latency

    @property
    def runs_with(self) -> str:
        """The target whose `runner.py` runs it."""
        return self.runner or self.name


class Runner(Protocol):
    """A target's `runner.Runner(files: Mapping[str, Path], settings: Mapping[str, Value])`: loaded components, ready to run.

    Making one raises NotApplicable for a file that the runtime has no means to run, which is an answer and no failure.

    One for a device with a clock of its own may also have `device_ns(component, inputs) -> int`: nanoseconds by that clock from the
    beginning of the component's first kernel to the end of its last, of a call of its own, copies left out. It is never the headline.
    """

    def run(self, component: str, inputs: "Arrays") -> "Arrays":
        """Outputs by name, computed when this returns (a device is synchronised). There may be others than those that are asked for."""
