"""Static int8 quantization by ONNX Runtime."""

from suite.contracts import Claims, MethodCard, Parameter, Value, Variant


def _claims(*layers: str) -> Claims:
    return Claims(layers=layers, weight_bits=8, coverage=0.9, operators=("QuantizeLinear", "DequantizeLinear"))


def _parameters(operators: str, float_outputs: bool = False) -> dict[str, Value]:
    return {"operators": operators, "items": 64, "reduce_range": False, "float_outputs": float_outputs}


CARD = MethodCard(
    name="static_int8",
    title="Static int8",
    summary="Weights as 8-bit integers with a scale for each output feature, activations too, in the range seen on calibration items.",
    family="quantization",
    stage="graph",
    division="calibration",
    paper="1712.05877",
    dependencies=("onnxruntime",),
    parameters=(
        Parameter(
            "operators",
            str,
            "matmul: MatMul and Gemm. matmul_conv: Conv too. all: whatever the library can quantize.",
            choices=("matmul", "matmul_conv", "all"),
        ),
        Parameter("items", int, "Calibration items whose smallest and largest activations make the ranges.", low=1, high=4096),
        Parameter("reduce_range", bool, "7-bit weights: keeps the sums of CPUs without VNNI or dot-product instructions from saturating."),
        Parameter(
            "float_outputs",
            bool,
            "MatMul and Gemm round what they read alone: their outputs, and products of two activations, stay fp32.",
        ),
    ),
    variants=(
        Variant(
            name="matmul",
            summary="MatMul and Gemm, attention products among them, and their outputs; convolutions stay fp32.",
            parameters=_parameters("matmul"),
            claims=_claims("MatMul", "Gemm"),
        ),
        Variant(
            name="matmul_conv",
            summary="MatMul, Gemm and Conv, attention products among them, and their outputs.",
            parameters=_parameters("matmul_conv"),
            claims=_claims("MatMul", "Gemm", "Conv"),
        ),
        Variant(
            name="all_ops",
            summary="The library's default operators, layer normalisation and softmax among them, and their outputs.",
            parameters=_parameters("all"),
            claims=_claims("MatMul", "Gemm", "Conv"),
        ),
        Variant(
            name="matmul_float_outputs",
            summary="MatMul and Gemm with a constant weight; their outputs, attention products and convolutions stay fp32.",
            parameters=_parameters("matmul", float_outputs=True),
            claims=_claims("MatMul", "Gemm"),
        ),
        Variant(
            name="matmul_conv_float_outputs",
            summary="matmul_float_outputs, and Conv, whose outputs are rounded too: ONNX Runtime has no other integer kernel for it.",
            parameters=_parameters("matmul_conv", float_outputs=True),
            claims=_claims("MatMul", "Gemm", "Conv"),
        ),
    ),
)
