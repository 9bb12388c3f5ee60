"""ONNX Runtime's `quantize_static`: QuantizeLinear and DequantizeLinear pairs, unsigned activations, signed weights."""

from collections.abc import Mapping
from itertools import islice

import onnx

from suite.contracts import Context, Value
from suite.graph import editable
from suite.surgery.static import quantize

OPERATORS = {"matmul": ["MatMul", "Gemm"], "matmul_conv": ["MatMul", "Gemm", "Conv"], "all": None}


def apply(parts: Mapping[str, onnx.ModelProto], parameters: Mapping[str, Value], context: Context) -> dict[str, onnx.ModelProto]:
    """Calibrates each part on the inputs it gets on the calibration split (smallest and largest value), then quantizes it."""
    quantized, operators = {}, str(parameters["operators"])
    for name, model in parts.items():
        quantized[name] = quantize(
            editable(model),
            context.scratch / f"{name}.static_int8.onnx",
            islice(context.feeds(name), int(parameters["items"])),
            OPERATORS[operators],
            float_outputs=bool(parameters["float_outputs"]),
            constant_only=operators != "all",
            reduce_range=bool(parameters["reduce_range"]),
        )
    return quantized
