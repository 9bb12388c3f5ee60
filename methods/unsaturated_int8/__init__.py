"""int8 quantization by ONNX Runtime whose sums do not saturate on x86 processors without VNNI."""

from suite.contracts import Claims, MethodCard, Parameter, Value, Variant


def _variant(name: str, summary: str, static: bool, weights: str) -> Variant:
    parameters: dict[str, Value] = {"static": static, "weights": weights, "items": 64}
    operators = ("QuantizeLinear", "DequantizeLinear") if static else ("MatMulInteger", "DynamicQuantizeLinear")
    layers = ("MatMul", "Gemm", "Conv") if static else ("MatMul", "Gemm")
    return Variant(
        name=name, summary=summary, parameters=parameters, claims=Claims(layers=layers, weight_bits=8, coverage=0.9, operators=operators)
    )


CARD = MethodCard(
    name="unsaturated_int8",
    title="int8 that does not saturate",
    summary="dynamic_int8 and static_int8 with weights for which AVX2's sums of two products of bytes stay within their 16 bits.",
    family="quantization",
    stage="graph",
    division="calibration",
    paper="https://onnxruntime.ai/docs/performance/model-optimizations/quantization.html",
    dependencies=("onnxruntime",),
    parameters=(
        Parameter(
            "static", bool, "Activations in the ranges of calibration items (static_int8/matmul_conv), or of each call (dynamic_int8)."
        ),
        Parameter(
            "weights",
            str,
            "7_bits: signed, in half of their range. unsigned: with a zero point, so that other kernels run.",
            choices=("7_bits", "unsigned"),
        ),
        Parameter("items", int, "Calibration items whose smallest and largest activations make the ranges.", low=1, high=4096),
    ),
    variants=(
        _variant("static_7_bits", "static_int8/matmul_conv with weights from -64 to 64.", True, "7_bits"),
        _variant("static_unsigned", "static_int8/matmul_conv with unsigned weights.", True, "unsigned"),
        _variant("dynamic_7_bits", "dynamic_int8/per_channel with weights from -64 to 64.", False, "7_bits"),
        _variant("dynamic_unsigned", "dynamic_int8/per_channel with unsigned weights.", False, "unsigned"),
    ),
)
