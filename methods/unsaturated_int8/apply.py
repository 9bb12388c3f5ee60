"""ONNX Runtime's quantizers, with what its documentation advises for processors without VNNI: `reduce_range`, or weights in uint8.

The instruction there (vpmaddubsw) multiplies unsigned activations with signed weights and adds pairs of products in 16 bits: 2 * 255 * 127
does not fit, 2 * 255 * 64 does. Unsigned weights go through other kernels.
"""

from collections.abc import Iterable, Iterator, Mapping
from itertools import islice
from typing import Any

import onnx
from onnxruntime.quantization import CalibrationMethod, QuantFormat, QuantType, quantize_dynamic, quantize_static

from suite.contracts import Context, Value
from suite.graph import editable, library


class Reader:
    """What `quantize_static` pulls its calibration inputs from; it asks for a `get_next`, not for a base class."""

    def __init__(self, feeds: Iterable[Mapping[str, Any]]) -> None:
        self._feeds: Iterator[Mapping[str, Any]] = iter(feeds)

    def get_next(self) -> dict[str, Any] | None:
        """The next inputs by name, or None at the end."""
        return dict(found) if (found := next(self._feeds, None)) is not None else None


def apply(parts: Mapping[str, onnx.ModelProto], parameters: Mapping[str, Value], context: Context) -> dict[str, onnx.ModelProto]:
    """Quantized copies of the parts: the settings of static_int8/matmul_conv or of dynamic_int8/per_channel, and other weights."""
    quantized, narrow = {}, parameters["weights"] == "7_bits"
    shared: dict[str, Any] = {
        "per_channel": True,
        "reduce_range": narrow,
        "weight_type": QuantType.QInt8 if narrow else QuantType.QUInt8,
    }
    for name, model in parts.items():
        path = context.scratch / f"{name}.unsaturated_int8.onnx"
        with library(context.scratch):
            if not parameters["static"]:
                quantize_dynamic(editable(model), path, op_types_to_quantize=["MatMul", "Gemm", "Gather"], **shared)
            else:
                quantize_static(
                    editable(model),
                    path,
                    Reader(islice(context.feeds(name), int(parameters["items"]))),
                    quant_format=QuantFormat.QDQ,
                    op_types_to_quantize=["MatMul", "Gemm", "Conv"],
                    activation_type=QuantType.QUInt8,
                    calibrate_method=CalibrationMethod.MinMax,
                    extra_options={"MatMulConstBOnly": True},
                    **shared,
                )
        quantized[name] = onnx.load(path)
    return quantized
