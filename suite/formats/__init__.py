"""The formats of artifacts: what the file of a component is, and which module knows how one is made, read and checked.

Reading this table imports nothing heavy: planning asks it what a method can be had in. What is heavy lies in the module of each format,
which has the functions of `Maker`.
"""

import importlib
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol, cast

from suite.contracts import BASELINE, Component, MethodCard, Skip, TargetCard

if TYPE_CHECKING:
    from suite.contracts import Arrays
    from suite.record import Part
    from suite.stored import Constant

ONNX = "onnx"
"""What every model is exported to, whatever the target runs: its calibration feeds and its count of parameters come from there."""


@dataclass(frozen=True, slots=True)
class Format:
    """A format as tables show it, the suffix of its files, and its module in this package.

    environment: where that module runs, if not in the suite's own Python: a name of `squeezemark env`. whole_files: methods of the stage
    `runtime` work on the bytes of its files, not on torch modules.
    """

    title: str
    suffix: str
    module: str
    environment: str | None = None
    whole_files: bool = False


FORMATS: Mapping[str, Format] = {
    ONNX: Format("ONNX graphs", ".onnx", "onnx_graph", whole_files=True),
    "torch_export": Format("programs of torch.export", ".pt2", "torch_program"),
    "litert": Format("LiteRT models", ".tflite", "litert_model", environment="litert", whole_files=True),
    "executorch": Format("ExecuTorch programs", ".pte", "executorch_program", environment="executorch"),
}


class Held(Protocol):
    """What a component's file holds, as far as claims ask and its format tells."""

    def weights(self, layers: Collection[str]) -> "list[Constant]":
        """The constant weights of these layers (MatMul, Gemm, Conv), each once."""

    @property
    def operators(self) -> Mapping[str, int]:
        """How often each operator occurs, by the name that ONNX has for it where there is one."""

    @property
    def inputs(self) -> Mapping[str, tuple[str, int]]:
        """Type and width in bits of each input, by name; empty where the format keeps those of the card."""


class Maker(Protocol):
    """What the module of a format has."""

    def lower(self, part: Any, component: Component, calls: "Sequence[Arrays]", path: Path) -> None:
        """Writes the file of a torch module; `calls` are inputs that the component is really fed. Raises CellFailed."""

    def inspect(self, path: Path, component: Component | None = None, call: "Arrays | None" = None) -> "Part":
        """What the file holds. call: what it is fed first, where the format's operations are counted. Raises CellFailed for a file that
        cannot be read, or that is not safe to be read."""

    def check_loads(self, path: Path, component: Component, feeds: "Iterable[Arrays]") -> None:
        """Raises CellFailed unless the runtime loads the file and turns the first `feeds` into finite outputs as the card declares."""

    def held(self, path: Path) -> Held:
        """What claims are checked against. Raises CellFailed."""


def maker(name: str) -> Maker:
    """The module of a format, imported."""
    return cast(Maker, importlib.import_module(f"suite.formats.{FORMATS[name].module}"))


def place(folder: Path, component: str, name: str) -> Path:
    """Where the file of a component lies."""
    return folder / f"{component}{FORMATS[name].suffix}"


def makes(card: MethodCard, name: str) -> bool:
    """Whether what a method does can be had in a format: graphs are ONNX, modules become anything that their card does not rule out."""
    if card.name == BASELINE:
        return True
    return name == ONNX if card.stage == "graph" else not card.formats or name in card.formats


def fits(card: MethodCard, target: TargetCard) -> bool:
    """Whether what a method makes is for a target: it runs one of the formats, and is of one of the runtimes if the card names any."""
    return (not card.runtimes or target.runtime in card.runtimes) and any(makes(card, name) for name in target.formats)


def choose(target: TargetCard, methods: Sequence[MethodCard]) -> str | Skip:
    """The first of a target's formats in which all the methods of a recipe can be had, or why there is none."""
    stranger = next((card for card in methods if card.runtimes and target.runtime not in card.runtimes), None)
    if stranger is not None:
        return Skip(f"{stranger.name} is made for {' or '.join(stranger.runtimes)}, and {target.name} runs {target.runtime}")
    found = next((name for name in target.formats if all(makes(card, name) for card in methods)), None)
    if found is not None:
        return found
    card = next((card for card in methods if not any(makes(card, name) for name in target.formats)), methods[0])
    works = f"changes {FORMATS[ONNX].title}" if card.stage == "graph" else f"makes {_titles(card.formats)}"
    return Skip(f"{card.name} {works}, and {target.name} runs {_titles(target.formats)}")


def _titles(names: Iterable[str]) -> str:
    return " or ".join(FORMATS[name].title if name in FORMATS else name for name in names) or "nothing"
