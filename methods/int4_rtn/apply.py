"""ONNX Runtime's `MatMulNBits`: symmetric 4-bit weights, packed two to a byte."""

from collections.abc import Mapping

import onnx

from suite.contracts import Context, Value
from suite.graph import editable, library


def apply(parts: Mapping[str, onnx.ModelProto], parameters: Mapping[str, Value], context: Context) -> dict[str, onnx.ModelProto]:
    """Every MatMul with a constant weight becomes a MatMulNBits; a Gemm, which would be passed over, is split into MatMul and Add first."""
    with library(context.scratch):
        # Imported here, because importing it sets up the root logger.
        from onnxruntime.quantization.matmul_nbits_quantizer import MatMulNBitsQuantizer

        quantized = {}
        for name, model in parts.items():
            quantizer = MatMulNBitsQuantizer(
                editable(model),
                bits=4,
                block_size=int(parameters["block_size"]),
                is_symmetric=True,
                accuracy_level=int(parameters["accuracy_level"]),
            )
            quantizer.model.replace_gemm_with_matmul()
            quantizer.process()
            quantized[name] = quantizer.model.model
    return quantized
