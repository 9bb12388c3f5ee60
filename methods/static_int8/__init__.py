"""Static int8 quantization by ONNX Runtime."""

from suite.contracts import Claims, MethodCard, Parameter, Value, Variant


def _claims(*layers: str) -> Claims:
    return Claims(layers=layers, weight_bits=8, coverage=0.9, operators=("QuantizeLinear", "DequantizeLinear"))


def _parameters(operators: str) -> dict[str, Value]:
    return {"operators": operators, "items": 64, "reduce_range": False}


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
            "matmul: MatMul and Gemm with a constant weight. matmul_conv: Conv too. all: whatever the library can quantize.",
            choices=("matmul", "matmul_conv", "all"),
        ),
        Parameter("items", int, "Calibration items whose smallest and largest activations make the ranges.", low=1, high=4096),
        Parameter("reduce_range", bool, "7-bit weights: keeps the sums of CPUs without VNNI or dot-product instructions from saturating."),
    ),
    variants=(
        Variant(
            name="matmul",
            summary="MatMul and Gemm with a constant weight; convolutions and attention products stay fp32.",
            parameters=_parameters("matmul"),
            claims=_claims("MatMul", "Gemm"),
        ),
        Variant(
            name="matmul_conv",
            summary="MatMul, Gemm and Conv with a constant weight; attention products stay fp32.",
            parameters=_parameters("matmul_conv"),
            claims=_claims("MatMul", "Gemm", "Conv"),
        ),
        Variant(
            name="all_ops",
            summary="The library's default operators, layer normalisation, softmax and attention products among them.",
            parameters=_parameters("all"),
            claims=_claims("MatMul", "Gemm", "Conv"),
        ),
    ),
)
