"""Moves the range of activations into weights (2211.10438), in a way that leaves the outputs of the graph as they are.

The linear layers that read a tensor are multiplied by a scale for each of its channels, and what makes the tensor is divided by it: the
LayerNormalization or RMS normalization before, or the linear layer before where there is at most a ReLU in between.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
import onnx
from onnx import numpy_helper

from suite.contracts import NotApplicable
from suite.graph import Array, Weight, attribute, drop_unused, nodes, weights

Constant = tuple[onnx.NodeProto, int, int]
"""A node, which of its inputs is constant, and the axis of that constant which the channels of the node's output lie on."""

PASSED = frozenset({"Relu", "LeakyRelu", "Identity"})
"""Operators that a positive factor goes through."""


def factors(activations: Array, magnitudes: Array, alpha: float) -> Array:
    """The scale of each channel, from the largest |activation| and |weight| of each: shape (channels,), float64.

    A channel that is zero in either keeps its scale of 1.
    """
    scale = np.ones(len(activations))
    alive = (activations > 0) & (magnitudes > 0)
    scale[alive] = activations[alive].astype(np.float64) ** alpha / magnitudes[alive].astype(np.float64) ** (1 - alpha)
    return scale


@dataclass(frozen=True, slots=True)
class Place:
    """A tensor that can be smoothed: the weights that read it, and the constants that it is a multiple of, channel by channel."""

    tensor: str
    readers: tuple[Weight, ...]
    sources: tuple[Constant, ...]

    def magnitudes(self) -> Array:
        """The largest |weight| of each channel over all readers, shape (channels,)."""
        largest = [np.abs(weight.array).max(axis=weight.axis) for weight in self.readers]
        result: Array = np.max(largest, axis=0)
        return result


@dataclass
class Smoother:
    """A graph on its way to smoother activations; it is changed in place."""

    model: onnx.ModelProto
    constants: dict[str, Array] = field(init=False)

    def __post_init__(self) -> None:
        self.constants = {tensor.name: numpy_helper.to_array(tensor) for tensor in self.model.graph.initializer}

    def places(self) -> list[Place]:
        """Every tensor that linear layers alone read, and whose channels can be divided where they come from, in the order of the nodes."""
        makers = {output: node for node in self.model.graph.node for output in node.output}
        readers: dict[str, list[Weight]] = {}
        for weight in self._weights():
            if weight.node.op_type != "Conv" and weight.array.ndim == 2 and not attribute(weight.node, "transA", 0):
                readers.setdefault(weight.node.input[0], []).append(weight)
        found = []
        for tensor, layers in readers.items():
            sources = self._sources(tensor, len(layers), layers[0].array.shape[1 - layers[0].axis], makers)
            if sources:
                found.append(Place(tensor, tuple(layers), sources))
        return found

    def _weights(self) -> list[Weight]:
        try:
            return weights(self.model)
        except NotApplicable:  # of this component; another one may have some
            return []

    def divide(self, place: Place, scale: Array) -> None:
        """Divides the tensor's channels by `scale` and multiplies the weights that read it."""
        for node, index, axis in place.sources:
            self._scale(node, index, axis, 1 / scale)
        for weight in place.readers:
            self._scale(weight.node, 1, 1 - weight.axis, scale)

    def finish(self) -> None:
        """Writes the new constants and removes those that nothing reads any more."""
        drop_unused(self.model)
        kept = {tensor.name for tensor in self.model.graph.initializer}
        used = {name for node in self.model.graph.node for name in node.input}
        for name, array in self.constants.items():
            if name in used and name not in kept:
                self.model.graph.initializer.append(numpy_helper.from_array(array, name))

    def _scale(self, node: onnx.NodeProto, index: int, axis: int, scale: Array) -> None:
        """Gives the node a constant of its own: another one may read the same and is not to change."""
        old = self.constants[node.input[index]]
        name = f"{node.output[0]}_smoothed_{index}"
        shape = [-1 if place == axis % old.ndim else 1 for place in range(old.ndim)]
        self.constants[name] = (old * scale.reshape(shape)).astype(old.dtype)
        node.input[index] = name

    def _sources(self, tensor: str, readers: int, channels: int, makers: Mapping[str, onnx.NodeProto]) -> tuple[Constant, ...] | None:
        """The constants to divide, or None if the tensor has other readers, is an output of the graph or comes from something else."""
        node = makers.get(tensor)
        found: tuple[Constant, ...] = ()
        while node is not None and self._uses(tensor) == readers:
            if node.op_type == "LayerNormalization":
                return self._channelwise(node, (1, 2), channels, found)
            if node.op_type in ("MatMul", "Gemm"):
                return self._linear(node, channels, found)
            if node.op_type in ("Mul", "Add"):
                constant = next((index for index in (0, 1) if node.input[index] in self.constants), None)
                added = None if constant is None else self._channelwise(node, (constant,), channels, found)
                if added is None or node.op_type == "Mul":
                    return added
                found, tensor = added, node.input[1 - (constant or 0)]
            elif node.op_type in PASSED:
                tensor = node.input[0]
            else:
                return None
            node, readers = makers.get(tensor), 1
        return None

    def _uses(self, tensor: str) -> int:
        """How many times nodes or the graph itself read a tensor."""
        outputs = [output.name for output in self.model.graph.output]
        return sum(list(node.input).count(tensor) for node in nodes(self.model)) + outputs.count(tensor)

    def _channelwise(
        self, node: onnx.NodeProto, indices: Sequence[int], channels: int, found: Sequence[Constant]
    ) -> tuple[Constant, ...] | None:
        """Those constant inputs of the node, if each has a number for each channel on its last axis."""
        given = [index for index in indices if index < len(node.input) and node.input[index]]
        shapes = [self.constants[node.input[i]].shape if node.input[i] in self.constants else () for i in given]
        fits = all(shape and shape[-1] == channels == np.prod(shape) for shape in shapes)
        return (*found, *((node, index, -1) for index in given)) if fits and given else None

    def _linear(self, node: onnx.NodeProto, channels: int, found: Sequence[Constant]) -> tuple[Constant, ...] | None:
        """The weight and the bias of a linear layer."""
        matrix = self.constants.get(node.input[1])
        axis = 0 if attribute(node, "transB", 0) else 1
        if matrix is None or matrix.ndim != 2 or matrix.shape[axis] != channels:
            return None
        sources = (*found, (node, 1, axis))
        if node.op_type == "MatMul" or len(node.input) < 3 or not node.input[2]:
            return sources
        return self._channelwise(node, (2,), channels, sources)
