"""ONNX: the format that the suite exports to, audits in `suite.audit` and runs with ONNX Runtime.

torch is imported where a module is exported: reading and checking graphs does not need it, and importing it takes longer than that does.
"""

from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import onnx

from suite import caches, stored
from suite.audit import check_loads, inspect, read
from suite.contracts import Component
from suite.graph import nodes

if TYPE_CHECKING:
    from suite.contracts import Arrays

__all__ = ["check_loads", "held", "inspect", "lower"]


def lower(part: Any, component: Component, calls: "Sequence[Arrays]", path: Path) -> None:
    """The ONNX file of a torch module, or of a model that is a graph already. Raises CellFailed."""
    from suite.export import export, strip
    from suite.reference import is_graph

    if not is_graph(part):
        export(part, component, calls, path)
        return
    onnx.save(part, path)
    strip(path)


@dataclass(frozen=True)
class Graph:
    """See `suite.formats.Held`."""

    model: onnx.ModelProto

    def weights(self, layers: Collection[str]) -> list[stored.Constant]:
        """The constant weights of these layers, in floating point or quantized."""
        return stored.weights(self.model, layers)

    @cached_property
    def operators(self) -> Mapping[str, int]:
        """How often each operator occurs, in inner graphs too."""
        return Counter(node.op_type for node in nodes(self.model))

    @cached_property
    def inputs(self) -> Mapping[str, tuple[str, int]]:
        """Type and width in bits of each input."""
        return {tensor.name: (str(tensor.type.tensor_type.elem_type), 8 * caches.itemsize(tensor)) for tensor in self.model.graph.input}


def held(path: Path) -> Graph:
    """What claims are checked against. Raises CellFailed."""
    return Graph(read(path))
