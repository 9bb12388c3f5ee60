"""The constants of an ONNX model as they are stored: what each is worth in bits, elements and zeros, quantized or not."""

import math
from collections.abc import Collection, Mapping
from dataclasses import dataclass

import numpy as np
import onnx
from onnx import numpy_helper

from suite.graph import Array, attribute, initializers, nodes


def width(type: str) -> int:
    """Bits of an element of a type: the first number in its name, 8 for bool."""
    return int("".join(c if c.isdigit() else " " for c in type).split()[0]) if type != "bool" else 8


@dataclass(frozen=True, slots=True)
class Constant:
    """A constant: its element type as stored (`float32`, `int8`, `int4`…), its logical shape and how many elements are zero."""

    type: str
    shape: tuple[int, ...]
    zeros: int

    @property
    def elements(self) -> int:
        """How many elements it has, however packed."""
        return math.prod(self.shape)

    @property
    def bits(self) -> int:
        """The stored width of an element."""
        return width(self.type)


_OPERANDS = {
    "DequantizeLinear": (0, 2, 1),
    "MatMulInteger": (1, 3, -1),
    "ConvInteger": (1, 3, 0),
    "DynamicQuantizeMatMul": (1, 3, -1),
    "MatMulIntegerToFloat": (1, 5, -1),
    "QLinearMatMul": (3, 5, -1),
    "QLinearConv": (3, 5, 0),
    "QGemm": (3, 5, -1),
}
"""Operator -> its inputs that are the quantized weight and that weight's zero point, and the axis that this belongs to."""

_LAYERS = {"MatMul": 1, "Gemm": 1, "Conv": 1, "MatMulNBits": 1} | {
    name: data for name, (data, _, _) in _OPERANDS.items() if name != "DequantizeLinear"
}
"""Operators with a weight, in floating point or quantized -> the input that it is."""

CONVOLUTIONS = frozenset({"Conv", "ConvInteger", "QLinearConv"})
"""Those of them that a claim about Conv is about; the others are about MatMul and Gemm, which runtimes turn into each other."""

_PRODUCTS = frozenset({"MatMul", "Gemm"})
"""Those of them whose weight may stand on either side."""

_PASSED = frozenset({"DequantizeLinear", "Cast", "Transpose", "Identity", "Reshape", "Expand", "Squeeze", "Unsqueeze", "Slice"})
"""Operators through which their first input reaches a layer as it is, whatever the others are."""


def constants(model: onnx.ModelProto) -> dict[str, Constant]:
    """Every constant of a model by name. A quantized element is zero where it equals its zero point."""
    known = initializers(model) | {
        node.output[0]: found.t for node in nodes(model) if node.op_type == "Constant" for found in node.attribute if found.name == "value"
    }
    tables = {node.output[0]: node.input[0] for node in nodes(model) if node.op_type == "Gather"}
    result = {name: _constant(tensor, None) for name, tensor in known.items()}
    for node in nodes(model):
        if node.op_type == "MatMulNBits" and node.input[1] in known:
            result[node.input[1]] = _packed(node, known)
        elif (found := _zero_point(node, known, tables)) is not None:
            result[found[0]] = _constant(known[found[0]], found[1])
    return result


def weights(model: onnx.ModelProto, layers: Collection[str] = ("MatMul", "Gemm", "Conv")) -> list[Constant]:
    """The constant weights of these layers (MatMul, Gemm, Conv), in floating point or quantized, each once."""
    wanted = {name for name in _LAYERS if ("Conv" in layers if name in CONVOLUTIONS else {"MatMul", "Gemm"} & set(layers))}
    known = constants(model)
    made, found = _made(model, known), {}
    for node in nodes(model):
        sides = () if node.op_type not in wanted else (0, 1) if node.op_type in _PRODUCTS else (_LAYERS[node.op_type],)
        for name in (name for side in sides for name in made.get(node.input[side], ())):
            if len(known[name].shape) > 1:
                found[name] = known[name]
    return list(found.values())


def _made(model: onnx.ModelProto, known: Collection[str]) -> dict[str, frozenset[str]]:
    """Tensor -> the constants that it is made of, for all that are made of nothing else: a weight may be computed when the graph runs."""
    made = {name: frozenset({name}) for name in known}
    for node in nodes(model):
        inputs = node.input[:1] if node.op_type in _PASSED else [name for name in node.input if name]
        if inputs and all(name in made for name in inputs):
            made |= dict.fromkeys((name for name in node.output if name not in made), frozenset().union(*(made[name] for name in inputs)))
    return made


def _numbers(tensor: onnx.TensorProto) -> Array:
    """The values; 4-bit integers, which numpy cannot compute with, as 8-bit ones."""
    array = numpy_helper.to_array(tensor)
    return array.astype({"int4": np.int8, "uint4": np.uint8}.get(array.dtype.name, array.dtype))


def _constant(tensor: onnx.TensorProto, zero: Array | None) -> Constant:
    kind = onnx.helper.tensor_dtype_to_np_dtype(tensor.data_type).name
    zeros = np.count_nonzero(_numbers(tensor) == (0 if zero is None else zero))
    return Constant(kind, tuple(tensor.dims), int(zeros))


def _zero_point(node: onnx.NodeProto, known: Mapping[str, onnx.TensorProto], tables: Mapping[str, str]) -> tuple[str, Array] | None:
    """The quantized constant that a node reads, from an embedding table through its Gather, and its zero point to compare it with."""
    data, zero, axis = _OPERANDS.get(node.op_type, (0, 0, 0))
    if not zero or len(node.input) <= zero or node.input[zero] not in known:
        return None
    name = tables.get(node.input[data], node.input[data])
    if name not in known:
        return None
    shape, point = tuple(known[name].dims), _numbers(known[node.input[zero]])
    axis = attribute(node, "axis", axis) % max(1, len(shape))
    if point.size == 1:
        point = point.reshape(())
    elif block := attribute(node, "block_size", 0):
        point = np.repeat(point, block, axis)[tuple(slice(size) for size in shape)]
    else:
        point = point.reshape([-1 if i == axis else 1 for i in range(len(shape))])
    return name, point


def _unpack(packed: Array, bits: int) -> Array:
    """Numbers of 2, 4 or 8 bits that lie in bytes along the last axis, lowest bits first."""
    if bits not in (2, 4, 8):
        raise ValueError(f"a MatMulNBits with {bits} bits cannot be unpacked")
    shifts = np.arange(0, 8, bits, dtype=np.uint8)
    return ((packed[..., None] >> shifts) & np.uint8(2**bits - 1)).reshape(*packed.shape[:-1], -1)


def _packed(node: onnx.NodeProto, known: Mapping[str, onnx.TensorProto]) -> Constant:
    """The weight (K, N) of a MatMulNBits, which stores it in bytes of shape (N, blocks, bytes of a block)."""
    rows, columns, bits, block = (attribute(node, name, 4) for name in ("K", "N", "bits", "block_size"))
    values = _unpack(numpy_helper.to_array(known[node.input[1]]).reshape(columns, -1), bits)[:, :rows]
    zero = np.full((columns, 1), 2 ** (bits - 1), np.float32)
    if len(node.input) > 3 and node.input[3]:
        stored = numpy_helper.to_array(known[node.input[3]]).reshape(columns, -1)
        zero = np.repeat(_unpack(stored, bits) if stored.dtype == np.uint8 else stored, block, 1)[:, :rows]
    return Constant(f"int{bits}", (rows, columns), int(np.count_nonzero(values == zero)))
