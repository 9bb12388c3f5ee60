"""Grids of integers with a scale for each block of a weight, and ONNX Runtime's `MatMulNBits`, which computes with them.

Weights are seen as (inputs, outputs), as MatMul reads them; a block is a run of consecutive inputs of one output.
"""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import onnx
from onnx import helper, numpy_helper

from suite.contracts import NotApplicable
from suite.graph import Array, attribute, drop_unused, editable, weights

DOMAIN = "com.microsoft"


@dataclass(frozen=True, slots=True)
class Grid:
    """Symmetric integers of so many `bits`, from -2^(bits-1) to 2^(bits-1) - 1, and a scale for each `block` inputs of an output."""

    bits: int
    block: int

    @property
    def lowest(self) -> int:
        """The integer that the value of the largest magnitude in a block becomes."""
        return int(-(2 ** (self.bits - 1)))

    @property
    def stored_bits(self) -> int:
        """The width in which ONNX Runtime's CPU kernels keep these integers: 4 or 8."""
        return 4 if self.bits <= 4 else 8

    def _blocks(self, weight: Array) -> Array:
        """Shape (blocks, block, outputs); what is missing from the last block is zero."""
        rows, columns = weight.shape
        return np.pad(weight, ((0, -rows % self.block), (0, 0))).reshape(-1, self.block, columns)

    def scales(self, weight: Array) -> Array:
        """Shape (blocks, outputs), of the weight's dtype; 0 for a block of zeros, negative where the largest magnitude is positive.

        The definition is that of ONNX Runtime's own quantizer.
        """
        blocks = self._blocks(weight)
        extreme = np.take_along_axis(blocks, np.abs(blocks).argmax(1, keepdims=True), 1)[:, 0]
        scales: Array = (extreme / self.lowest).astype(weight.dtype)
        return scales

    def each(self, scales: Array, rows: int) -> Array:
        """The scale of each element: shape (rows, outputs)."""
        return np.repeat(scales, self.block, 0)[:rows]

    def nearest(self, values: Array, scales: Array) -> Array:
        """The nearest integers, where `scales` has the shape of `values`; int8."""
        steps = np.divide(values, scales, out=np.zeros_like(values), where=scales != 0)
        return np.clip(np.rint(steps), self.lowest, -self.lowest - 1).astype(np.int8)


@dataclass(frozen=True, slots=True)
class Quantized:
    """A weight on a grid: `integers` (inputs, outputs) of int8, `scales` (blocks, outputs)."""

    grid: Grid
    integers: Array
    scales: Array

    @property
    def values(self) -> Array:
        """What the integers stand for: shape (inputs, outputs)."""
        result: Array = self.integers.astype(self.scales.dtype) * self.grid.each(self.scales, len(self.integers))
        return result

    @property
    def packed(self) -> Array:
        """uint8 (outputs, blocks, bytes of a block): the integers above their zero point, the first of two in the lower half."""
        zero = 2 ** (self.grid.stored_bits - 1)
        columns = (self.grid._blocks(self.integers).astype(np.int16) + zero).astype(np.uint8).transpose(2, 0, 1)
        if self.grid.stored_bits == 8:
            return np.ascontiguousarray(columns)
        result: Array = columns[..., ::2] | columns[..., 1::2] << 4
        return result

    @property
    def bytes(self) -> int:
        """What it takes in a file, its scales included."""
        return int(self.scales.size * (self.grid.block * self.grid.stored_bits // 8 + self.scales.itemsize))


def round_to_nearest(weight: Array, grid: Grid) -> Quantized:
    """The weight (inputs, outputs) with each value moved to the nearest one of its grid."""
    scales = grid.scales(weight)
    return Quantized(grid, grid.nearest(weight, grid.each(scales, len(weight))), scales)


def with_matmuls(model: onnx.ModelProto) -> onnx.ModelProto:
    """A copy in which every Gemm with a constant weight is a MatMul and an Add, so that its weight can be stored for MatMulNBits.

    A Gemm that scales or transposes what it reads stays one.
    """
    copy = editable(model)
    known, changed = {tensor.name: tensor for tensor in copy.graph.initializer}, []
    for node in copy.graph.node:
        plain = node.op_type == "Gemm" and node.input[1] in known and not attribute(node, "transA", 0)
        if not plain or attribute(node, "alpha", 1.0) != 1 or attribute(node, "beta", 1.0) != 1:
            changed.append(node)
            continue
        (output,), weight, biased = node.output, node.input[1], len(node.input) > 2 and bool(node.input[2])
        if attribute(node, "transB", 0):
            turned = f"{weight}_transposed"
            if turned not in known:
                known[turned] = numpy_helper.from_array(np.ascontiguousarray(numpy_helper.to_array(known[weight]).T), turned)
                copy.graph.initializer.append(known[turned])
            weight = turned
        product = f"{output}_product" if biased else output
        changed.append(helper.make_node("MatMul", [node.input[0], weight], [product], name=f"{node.name}_product"))
        if biased:
            changed.append(helper.make_node("Add", [product, node.input[2]], [output], name=node.name))
    del copy.graph.node[:]
    copy.graph.node.extend(changed)
    drop_unused(copy)
    return copy


def matrices(model: onnx.ModelProto) -> dict[str, Array]:
    """The constant weights (inputs, outputs) of MatMul by name, in the order of the nodes: those that MatMulNBits can hold."""
    try:
        found = weights(model)
    except NotApplicable:
        return {}
    return {w.name: w.array for w in found if w.node.op_type == "MatMul" and w.array.ndim == 2 and w.array.dtype.itemsize <= 4}


def store(model: onnx.ModelProto, quantized: Mapping[str, Quantized], accuracy_level: int) -> None:
    """Makes a MatMulNBits of every MatMul with one of these weights, in place; a weight that several of them share is stored once."""
    for place, node in enumerate(model.graph.node):
        if node.op_type == "MatMul" and node.input[1] in quantized:
            weight = quantized[node.input[1]]
            new = helper.make_node(
                "MatMulNBits",
                [node.input[0], f"{node.input[1]}_integers", f"{node.input[1]}_scales"],
                node.output,
                name=node.name,
                domain=DOMAIN,
                K=weight.integers.shape[0],
                N=weight.integers.shape[1],
                bits=weight.grid.stored_bits,
                block_size=weight.grid.block,
                accuracy_level=accuracy_level,
            )
            model.graph.node[place].CopyFrom(new)
    for name, weight in quantized.items():
        model.graph.initializer.append(numpy_helper.from_array(weight.packed, f"{name}_integers"))
        model.graph.initializer.append(numpy_helper.from_array(np.ascontiguousarray(weight.scales.T), f"{name}_scales"))
    drop_unused(model)
    if quantized and DOMAIN not in {opset.domain for opset in model.opset_import}:
        model.opset_import.append(helper.make_opsetid(DOMAIN, 1))
