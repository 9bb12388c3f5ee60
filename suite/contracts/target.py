"""What a target declares, and the runner that it brings."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal, Protocol

from suite.contracts.common import Value

if TYPE_CHECKING:
    from suite.contracts.common import Arrays


@dataclass(frozen=True, slots=True, kw_only=True)
class TargetCard:
    """Hardware + runtime + settings. `settings` (threads, graph optimisation…) are part of the target's identity."""

    name: str
    title: str
    summary: str
    device: Literal["x86 CPU", "ARM CPU", "CUDA", "Edge TPU"]
    runtime: str
    formats: tuple[str, ...]
    settings: Mapping[str, Value] = field(default_factory=dict)
    ranks_latency: bool = True


class Runner(Protocol):
    """A target's `runner.Runner(files: Mapping[str, Path], settings: Mapping[str, Value])`: loaded components, ready to run."""

    def run(self, component: str, inputs: "Arrays") -> "Arrays":
        """Outputs by name, computed when this returns (a device is synchronised)."""
