"""The constants of an ONNX model as they are stored: what each is worth in bits, elements and zeros, quantized or not."""

import math
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
import onnx
from onnx import numpy_helper

from suite.graph import Array, attribute, initializers, nodes


def width(type: str) -> int:
    """Bits of an element of a type: the first number in its name, 8 for bool."""
    return int("".join(c if c.isdigit() else " " for c in type).split()[0]) if type != "bool" else 8


@dataclass(frozen=True, slots=True)
class Constant:
    """A constant: its element type as stored (`float32`, `int8`, `int4`…), its logical shape and how many elements are zero.

    semi_structured: of a matrix, the share of its elements that lie in groups of four, consecutive along one axis, of which two or more
    are zero; the better of both axes, as no constant says which of them a product sums over. 0 for everything else.
    """

    type: str
    shape: tuple[int, ...]
    zeros: int
    semi_structured: float = 0.0

    @property
    def elements(self) -> int:
        """How many elements it has, however packed."""
        return math.prod(self.shape)

    @property
    def bits(self) -> int:
        """The stored width of an element."""
        return width(self.type)


def counted(kind: str, zero: Array) -> Constant:
    """The constant of a type whose elements are zero where `zero` is true, bool of its logical shape."""
    axes = (zero, zero.T) if zero.ndim == 2 and zero.size else ()
    return Constant(kind, zero.shape, int(np.count_nonzero(zero)), max(map(_semi_structured, axes), default=0.0))


def _semi_structured(zero: Array) -> float:
    groups = zero[:, : zero.shape[1] // 4 * 4].reshape(len(zero), -1, 4)
    return 4 * int(np.count_nonzero(np.count_nonzero(groups, axis=2) >= 2)) / zero.size


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

_PASSED = frozenset({"DequantizeLinear", "Cast", "Transpose", "Identity"})
"""Operators through which their first input reaches a layer as it is."""

_SHAPED = frozenset({"Expand", "Flatten", "Reshape", "Slice", "Squeeze", "Unsqueeze"})
"""Those through which it does with other axes, or without what filled up its last block."""

_JOINED = frozenset({"Concat", "Conv", "Einsum", "Gemm", "MatMul"})
"""Those that make a weight of several."""

_SCALED, _SHIFTED = frozenset({"Mul", "Div"}), frozenset({"Add", "Sub"})
"""Those that give it back from what is stored, by scales or offsets that are fewer than it has elements. Only a scale keeps zeros."""


def constants(model: onnx.ModelProto) -> dict[str, Constant]:
    """Every constant of a model by name. A quantized element is zero where it equals its zero point, an index where it stands for zero."""
    known = initializers(model) | {
        node.output[0]: found.t for node in nodes(model) if node.op_type == "Constant" for found in node.attribute if found.name == "value"
    }
    tables = {node.output[0]: node.input[0] for node in nodes(model) if node.op_type == "Gather"}
    producers = {node.output[0]: node for node in nodes(model) if node.output}
    result = {name: _constant(tensor, None) for name, tensor in known.items()}
    for node in nodes(model):
        if node.op_type == "MatMulNBits" and node.input[1] in known:
            result[node.input[1]] = _packed(node, known)
        elif node.op_type == "Gather" and (name := _source(node.input[1], producers)) in known:
            table = known.get(node.input[0])
            if table is not None and _is_codebook(table.dims, known[name].dims):
                result[name] = _coded(table, known[name])
        elif (found := _zero_point(node, known, tables)) is not None:
            result[found[0]] = _constant(known[found[0]], found[1])
    return result


def weights(model: onnx.ModelProto, layers: Collection[str] = ("MatMul", "Gemm", "Conv")) -> list[Constant]:
    """The constant weights of these layers (MatMul, Gemm, Conv), in floating point, quantized or as indices of a codebook, each once."""
    wanted = {name for name in _LAYERS if ("Conv" in layers if name in CONVOLUTIONS else {"MatMul", "Gemm"} & set(layers))}
    known = constants(model)
    producers = {node.output[0]: node for node in nodes(model) if node.output}
    made, found = _made(model, known), dict[str, Constant]()
    for node in nodes(model):
        sides = () if node.op_type not in wanted else (0, 1) if node.op_type in _PRODUCTS else (_LAYERS[node.op_type],)
        for side in (node.input[side] for side in sides):
            for name, constant in made.get(side, {}).items():
                if len(constant.shape) > 1 or name != _source(side, producers):  # a vector may be a weight in blocks
                    found[name] = constant
    return list(found.values())


def _made(model: onnx.ModelProto, known: Mapping[str, Constant]) -> dict[str, Mapping[str, Constant]]:
    """Tensor -> the constants that it is made of, for all that are made of nothing else: a weight may be computed when the graph runs."""
    made: dict[str, Mapping[str, Constant]] = {name: {name: constant} for name, constant in known.items()}
    for node in nodes(model):
        inputs = node.input[:1] if node.op_type in _PASSED | _SHAPED else [name for name in node.input if name]
        if inputs and all(name in made for name in inputs):
            parts = _parts(node, [made[name] for name in inputs])
            made |= dict.fromkeys((name for name in node.output if name not in made), parts)
    return made


def _parts(node: onnx.NodeProto, inputs: Sequence[Mapping[str, Constant]]) -> Mapping[str, Constant]:
    """What a node makes of constants: all of them where it joins or multiplies matrices; indices without their codebook; what is scaled
    or shifted without scales and offsets; and otherwise the widest, so that narrow ones beside it hide nothing."""
    shapes = [constant.shape for each in inputs for constant in each.values()]
    if node.op_type == "Gather":
        return inputs[1] if len(shapes) == 2 and _is_codebook(*shapes) else inputs[0]
    if node.op_type in _JOINED:
        return {name: constant for each in inputs for name, constant in each.items()}
    if node.op_type in _SCALED | _SHIFTED:
        small, large = sorted(inputs, key=_elements)
        if 2 * _elements(small) <= _elements(large):
            moved = {name: replace(constant, zeros=0, semi_structured=0.0) for name, constant in large.items()}
            return large if node.op_type in _SCALED else moved
    return max(inputs, key=lambda each: max((constant.bits for constant in each.values()), default=0))


def _elements(constants: Mapping[str, Constant]) -> int:
    return sum(constant.elements for constant in constants.values())


def _source(name: str, producers: Mapping[str, onnx.NodeProto]) -> str:
    while name in producers and producers[name].op_type in _PASSED:
        name = producers[name].input[0]
    return name


def _is_codebook(table: Sequence[int], indices: Sequence[int]) -> bool:
    """Whether a Gather gives a weight back: of an embedding table the entries are vectors, or more than are read."""
    return len(table) == 1 and 2 * math.prod(table) <= math.prod(indices)


def _coded(table: onnx.TensorProto, indices: onnx.TensorProto) -> Constant:
    """Indices of a codebook as the weight that they stand for."""
    kind = onnx.helper.tensor_dtype_to_np_dtype(indices.data_type).name
    return counted(kind, _numbers(table)[_numbers(indices).astype(np.int64)] == 0)


def _numbers(tensor: onnx.TensorProto) -> Array:
    """The values; 4-bit integers, which numpy cannot compute with, as 8-bit ones."""
    array = numpy_helper.to_array(tensor)
    return array.astype({"int4": np.int8, "uint4": np.uint8}.get(array.dtype.name, array.dtype))


def _constant(tensor: onnx.TensorProto, zero: Array | None) -> Constant:
    kind = onnx.helper.tensor_dtype_to_np_dtype(tensor.data_type).name
    return counted(kind, _numbers(tensor) == (0 if zero is None else zero))


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
    return counted(f"int{bits}", (values == zero).T)
