"""ONNX Runtime's `quantize_dynamic`, 8-bit weights and activations."""

from collections.abc import Mapping

import onnx
from onnxruntime.quantization import QuantType, quantize_dynamic

from suite.contracts import Context, Value
from suite.graph import editable, library

OPERATORS = {"linear": ["MatMul", "Gemm", "Gather"], "all": None}
"""Gather reads an embedding table, which in fp32 would take four bytes a parameter where the rest of the file takes one."""


def apply(parts: Mapping[str, onnx.ModelProto], parameters: Mapping[str, Value], context: Context) -> dict[str, onnx.ModelProto]:
    """Weights to symmetric int8; a DynamicQuantizeLinear before each MatMulInteger does the activations."""
    quantized = {}
    for name, model in parts.items():
        path = context.scratch / f"{name}.dynamic_int8.onnx"
        with library(context.scratch):
            quantize_dynamic(
                editable(model),
                path,
                op_types_to_quantize=OPERATORS[str(parameters["operators"])],
                per_channel=bool(parameters["per_channel"]),
                reduce_range=bool(parameters["reduce_range"]),
                weight_type=QuantType.QInt8,
            )
        quantized[name] = onnx.load(path)
    return quantized
