"""Multiply-accumulates and bit-operations of an ONNX graph, on a call that it is really given.

Matrix products and convolutions count, whatever multiplies element by element does not: as torch.utils.flop_counter and fvcore do it.
Lengths are those of the call, read off the tensors of a run without graph optimization: inference of shapes cannot see through them.
"""

import math
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import onnx
import onnxruntime
from onnx import helper, inliner

from suite import stored
from suite.graph import Array, attribute, graphs, initializers

Arrays = Mapping[str, Array]
Shape = tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Operations:
    """Of one call of a component. macs: multiply-accumulates as they are carried out; a dense runtime multiplies by zeros too.

    nonzero_macs: without those whose weight is a constant zero, which only a sparse kernel would leave out. bit_operations: the sum over
    layers of multiply-accumulates x bits of the weights x bits of the activations (van Baalen et al. 2020, Bayesian Bits, appendix B).
    All None if there are operators that are not understood, which `uncounted` names.
    """

    macs: int | None = None
    nonzero_macs: int | None = None
    bit_operations: int | None = None
    uncounted: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class _Layer:
    """An operator that multiplies matrices: its two operands among its inputs, and its multiply-accumulates from node and shapes
    (of the first operand, the second, the output). bits: of the first operand, if the operator itself quantizes it."""

    first: int
    second: int
    macs: Callable[[onnx.NodeProto, Shape, Shape, Shape], int]
    bits: int | None = None


def _matmul(node: onnx.NodeProto, first: Shape, second: Shape, out: Shape) -> int:
    return math.prod(out) * first[-1]


def _gemm(node: onnx.NodeProto, first: Shape, second: Shape, out: Shape) -> int:
    return math.prod(out) * first[0 if attribute(node, "transA", 0) else -1]


def _fused_matmul(node: onnx.NodeProto, first: Shape, second: Shape, out: Shape) -> int:
    transposed = 0 if attribute(node, "transBatchA", 0) else len(first) - 2
    return math.prod(out) * first[transposed if attribute(node, "transA", 0) else -1]


def _conv(node: onnx.NodeProto, first: Shape, second: Shape, out: Shape) -> int:
    return math.prod(out) * math.prod(second[1:])


def _conv_transpose(node: onnx.NodeProto, first: Shape, second: Shape, out: Shape) -> int:
    return math.prod(first) * math.prod(second[1:])


def _einsum(node: onnx.NodeProto, first: Shape, second: Shape, out: Shape) -> int:
    """The product of all lengths that its equation names."""
    terms = attribute(node, "equation", b"").decode().replace(" ", "").partition("->")[0].split(",")
    lengths = dict(zip("".join(terms), first + second, strict=True))
    return math.prod(lengths.values())


_LAYERS = {
    "MatMul": _Layer(0, 1, _matmul),
    "Gemm": _Layer(0, 1, _gemm),
    "Conv": _Layer(0, 1, _conv),
    "ConvTranspose": _Layer(0, 1, _conv_transpose),
    "Einsum": _Layer(0, 1, _einsum),
    "MatMulInteger": _Layer(0, 1, _matmul),
    "ConvInteger": _Layer(0, 1, _conv),
    "QLinearMatMul": _Layer(0, 3, _matmul),
    "QLinearConv": _Layer(0, 3, _conv),
    "QGemm": _Layer(0, 3, _gemm),
    "MatMulIntegerToFloat": _Layer(0, 1, _matmul),
    "DynamicQuantizeMatMul": _Layer(0, 1, _matmul, bits=8),
    "FusedMatMul": _Layer(0, 1, _fused_matmul),
    "FusedGemm": _Layer(0, 1, _gemm),
    "FusedConv": _Layer(0, 1, _conv),
    "MatMulNBits": _Layer(0, 1, _matmul),
}

_NOT_UNDERSTOOD = frozenset({"Attention", "DeformConv", "DFT", "GRU", "LSTM", "RNN", "STFT"})
"""Operators of ONNX itself that multiply matrices inside, in a way that is not counted here."""

_FREE = frozenset(
    {"BiasGelu", "BiasSoftmax", "DequantizeLinear", "DynamicQuantizeLinear", "FastGelu", "FusedActivation", "GatherBlockQuantized", "Gelu",
     "LayerNormalization", "QLinearAdd", "QLinearAveragePool", "QLinearConcat", "QLinearGlobalAveragePool", "QLinearMul",
     "QLinearSigmoid", "QLinearSoftmax", "QuantizeLinear", "QuickGelu", "SimplifiedLayerNormalization", "SkipLayerNormalization",
     "SkipSimplifiedLayerNormalization"}
)  # fmt: skip
"""ONNX Runtime's own operators that multiply no matrices."""

_CARRIED = frozenset({"Cast", "DequantizeLinear", "Flatten", "Identity", "Reshape", "Squeeze", "Transpose", "Unsqueeze"})
"""Operators through which numbers go as they are: an operand is as wide as the narrowest type on its way, which integer kernels read."""


def count(model: onnx.ModelProto, call: Arrays) -> Operations:
    """What one call costs. call: the inputs by name, in the types that the graph reads."""
    whole = inliner.inline_local_functions(model) if model.functions else model
    if unknown := tuple(sorted(set(_not_understood(whole.graph)))):
        return Operations(uncounted=unknown)
    graph = _Graph(whole, call)
    try:
        found = [graph.operations(node) for node in graph.layers]
    except Exception:  # the runtime raises a dozen types; the audit has run the very graph, so that only looking inside it can fail
        return Operations(uncounted=tuple(sorted({node.op_type for node in graph.layers})))
    return Operations(*(sum(part) for part in zip(*found, strict=True))) if found else Operations(0, 0, 0)


def _not_understood(graph: onnx.GraphProto) -> Iterator[str]:
    """The operators of a graph whose products are not counted. Those of a branch or a loop are not: how often they run is not known."""
    for node in graph.node:
        inside = [inner for found in node.attribute for part in (*found.graphs, found.g) for inner in graphs(part)]
        if any(within.op_type in _LAYERS or set(_not_understood(inner)) for inner in inside for within in inner.node):
            yield node.op_type
        elif node.domain not in ("", "ai.onnx"):
            if node.op_type not in _FREE and node.op_type not in _LAYERS:
                yield node.op_type
        elif node.op_type in _NOT_UNDERSTOOD or (node.op_type == "Einsum" and not _is_plain(node)):
            yield node.op_type


def _is_plain(node: onnx.NodeProto) -> bool:
    """Whether an Einsum has two operands and names every length."""
    return len(node.input) == 2 and b"." not in attribute(node, "equation", b".")


class _Graph:
    """A graph and what its tensors are in one call."""

    def __init__(self, model: onnx.ModelProto, call: Arrays) -> None:
        self.model, self.call = model, call
        self.producers = {name: node for node in model.graph.node for name in node.output}
        self.layers = [node for node in model.graph.node if node.op_type in _LAYERS]
        self.constants = stored.constants(model)

    @cached_property
    def tensors(self) -> dict[str, tuple[str, Shape]]:
        """Type and shape of each tensor that a layer reads, on its way there too, and of what it puts out."""
        known = {name: (helper.tensor_dtype_to_np_dtype(t.data_type).name, tuple(t.dims)) for name, t in initializers(self.model).items()}
        known |= {name: (array.dtype.name, array.shape) for name, array in self.call.items()}
        wanted = {name for node in self.layers for side in _operands(node) for name in self._way(side)}
        wanted |= {node.output[0] for node in self.layers}
        return known | {name: (array.dtype.name, array.shape) for name, array in self._run(sorted(wanted - set(known))).items()}

    def operations(self, node: onnx.NodeProto) -> tuple[int, int, int]:
        """Multiply-accumulates of a layer, those by a weight that is not zero, and bit-operations."""
        layer, (first, second) = _LAYERS[node.op_type], _operands(node)
        shapes = (self.tensors[name][1] for name in (first, second, node.output[0]))
        macs = layer.macs(node, *shapes)
        if node.op_type == "MatMulNBits":
            bits = attribute(node, "bits", 4) * (8 if attribute(node, "accuracy_level", 0) == 4 else self._bits(first))
        else:
            bits = (layer.bits or self._bits(first)) * self._bits(second)
        return macs, self._nonzero(macs, second), macs * bits

    def _nonzero(self, macs: int, weight: str) -> int:
        constant = self.constants.get(list(self._way(weight))[-1])
        return macs if constant is None else macs * (constant.elements - constant.zeros) // max(1, constant.elements)

    def _bits(self, name: str) -> int:
        return min(stored.width(self.tensors[step][0]) for step in self._way(name))

    def _way(self, name: str) -> Iterator[str]:
        """A tensor, and those that it was before anything changed its numbers."""
        yield name
        while name in self.producers and self.producers[name].op_type in _CARRIED:
            name = self.producers[name].input[0]
            yield name

    def _run(self, names: Iterable[str]) -> dict[str, Array]:
        """Tensors of the graph in the call."""
        model = onnx.ModelProto()
        model.CopyFrom(self.model)
        del model.graph.output[:]
        model.graph.output.extend(onnx.ValueInfoProto(name=name) for name in names)
        if not model.graph.output:
            return {}
        options = onnxruntime.SessionOptions()
        options.log_severity_level = 3
        options.intra_op_num_threads = options.inter_op_num_threads = 1
        options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
        session = onnxruntime.InferenceSession(model.SerializeToString(), options, providers=["CPUExecutionProvider"])
        outputs = [output.name for output in session.get_outputs()]
        return {name: np.asarray(array) for name, array in zip(outputs, session.run(outputs, dict(self.call)), strict=True)}


def _operands(node: onnx.NodeProto) -> tuple[str, str]:
    layer = _LAYERS[node.op_type]
    return node.input[layer.first], node.input[layer.second]
