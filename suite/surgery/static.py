"""Static int8 by ONNX Runtime's `quantize_static`, with the outputs of products in 8 bits as it has them by default, or in fp32."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import onnx
from onnxruntime.quantization import CalibrationMethod, QuantFormat, QuantType, quantize_static

from suite.graph import library

PRODUCTS = ("MatMul", "Gemm")
"""The operators of which ONNX Runtime has integer kernels with fp32 outputs: MatMulIntegerToFloat and QGemm. Of Conv it has none."""


class Reader:
    """What `quantize_static` pulls its calibration inputs from; it asks for a `get_next`, not for a base class."""

    def __init__(self, feeds: Iterable[Mapping[str, Any]]) -> None:
        self._feeds: Iterator[Mapping[str, Any]] = iter(feeds)

    def get_next(self) -> dict[str, Any] | None:
        """The next inputs by name, or None at the end."""
        return dict(found) if (found := next(self._feeds, None)) is not None else None


def quantize(
    model: onnx.ModelProto,
    path: Path,
    feeds: Iterable[Mapping[str, Any]],
    operators: Sequence[str] | None,
    *,
    float_outputs: bool,
    constant_only: bool = True,
    reduce_range: bool = False,
) -> onnx.ModelProto:
    """The model with pairs of QuantizeLinear and DequantizeLinear: unsigned activations, signed weights with a scale for each output.

    Activations are rounded in the range from the smallest to the largest value that the `feeds` show. The model is changed; `path` is
    a scratch file. operators: those that are quantized, None for all that the library can. float_outputs: what a MatMul or Gemm with a
    constant weight reads is rounded, and what it computes is not; products of two activations stay as they are. Without it the library
    quantizes these too: `constant_only` has no effect on the QDQ format in ONNX Runtime 1.31.
    """
    with library(path.parent):
        quantize_static(
            model,
            path,
            Reader(feeds),
            quant_format=QuantFormat.QDQ,
            op_types_to_quantize=None if operators is None else list(operators),
            nodes_to_exclude=_of_activations(model) if float_outputs else None,
            per_channel=True,
            reduce_range=reduce_range,
            activation_type=QuantType.QUInt8,
            weight_type=QuantType.QInt8,
            calibrate_method=CalibrationMethod.MinMax,
            extra_options={
                "MatMulConstBOnly": constant_only,
                **({"OpTypesToExcludeOutputQuantization": list(PRODUCTS)} if float_outputs else {}),
            },
        )
    return onnx.load(path)


def _of_activations(model: onnx.ModelProto) -> list[str]:
    """Names of the products without a constant factor, which the library knows nodes by; each is given one of its own."""
    constants, found = {tensor.name for tensor in model.graph.initializer}, []
    for node in model.graph.node:
        if node.op_type in PRODUCTS and not constants & set(node.input[:2]):
            node.name = f"{node.output[0]}_of_activations"
            found.append(node.name)
    return found
