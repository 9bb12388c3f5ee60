"""ONNX Runtime's `quantize_static`: QuantizeLinear and DequantizeLinear pairs, unsigned activations, signed weights."""

from collections.abc import Iterable, Iterator, Mapping
from itertools import islice
from typing import Any

import onnx
from onnxruntime.quantization import CalibrationMethod, QuantFormat, QuantType, quantize_static

from suite.contracts import Context, Value
from suite.graph import editable, library

OPERATORS = {"matmul": ["MatMul", "Gemm"], "matmul_conv": ["MatMul", "Gemm", "Conv"], "all": None}


class Reader:
    """What `quantize_static` pulls its calibration inputs from; it asks for a `get_next`, not for a base class."""

    def __init__(self, feeds: Iterable[Mapping[str, Any]]) -> None:
        self._feeds: Iterator[Mapping[str, Any]] = iter(feeds)

    def get_next(self) -> dict[str, Any] | None:
        """The next inputs by name, or None at the end."""
        return dict(found) if (found := next(self._feeds, None)) is not None else None


def apply(parts: Mapping[str, onnx.ModelProto], parameters: Mapping[str, Value], context: Context) -> dict[str, onnx.ModelProto]:
    """Calibrates each part on the inputs it gets on the calibration split (smallest and largest value), then quantizes it."""
    quantized, operators = {}, str(parameters["operators"])
    for name, model in parts.items():
        path = context.scratch / f"{name}.static_int8.onnx"
        with library(context.scratch):
            quantize_static(
                editable(model),
                path,
                Reader(islice(context.feeds(name), int(parameters["items"]))),
                quant_format=QuantFormat.QDQ,
                op_types_to_quantize=OPERATORS[operators],
                per_channel=True,
                reduce_range=bool(parameters["reduce_range"]),
                activation_type=QuantType.QUInt8,
                weight_type=QuantType.QInt8,
                calibrate_method=CalibrationMethod.MinMax,
                extra_options={"MatMulConstBOnly": operators != "all"},
            )
        quantized[name] = onnx.load(path)
    return quantized
