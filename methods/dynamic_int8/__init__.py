"""Dynamic int8 quantization by ONNX Runtime."""

from suite.contracts import Claims, MethodCard, Parameter, Variant

_CLAIMS = Claims(layers=("MatMul", "Gemm"), weight_bits=8, coverage=0.9, operators=("MatMulInteger", "DynamicQuantizeLinear"))

CARD = MethodCard(
    name="dynamic_int8",
    title="Dynamic int8",
    summary="Weights are stored as signed 8-bit integers; activations are quantized to 8 bits while the model runs. Needs no data.",
    family="quantization",
    stage="graph",
    division="data-free",
    paper="2103.13630",
    dependencies=("onnxruntime",),
    parameters=(
        Parameter(
            "operators",
            str,
            "linear: MatMul, Gemm and embedding tables (Gather). all: whatever the library can quantize, convolutions too.",
            choices=("linear", "all"),
        ),
        Parameter("per_channel", bool, "A scale for each output feature of a weight instead of one for the whole weight."),
        Parameter("reduce_range", bool, "7-bit weights: keeps the sums of CPUs without VNNI or dot-product instructions from saturating."),
    ),
    variants=(
        Variant(
            name="per_tensor",
            summary="MatMul, Gemm and embedding tables; one scale for each weight.",
            parameters={"operators": "linear", "per_channel": False, "reduce_range": False},
            claims=_CLAIMS,
        ),
        Variant(
            name="per_channel",
            summary="MatMul, Gemm and embedding tables; a scale for each output feature (an embedding table has one).",
            parameters={"operators": "linear", "per_channel": True, "reduce_range": False},
            claims=_CLAIMS,
        ),
        Variant(
            name="all_ops",
            summary="The library's default operators, as most users run it: convolutions become ConvInteger, which can be slow.",
            parameters={"operators": "all", "per_channel": False, "reduce_range": False},
            claims=Claims(weight_bits=8, coverage=0.9, operators=("MatMulInteger", "DynamicQuantizeLinear")),
        ),
    ),
)
