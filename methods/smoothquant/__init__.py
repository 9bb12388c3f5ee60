"""SmoothQuant: static int8 after the outliers of activations have been moved into the weights."""

from suite.contracts import Claims, MethodCard, Parameter, Variant


def _variant(percent: int, float_outputs: bool = False) -> Variant:
    rounded = "static int8 of MatMul, Gemm and Conv"
    if float_outputs:
        rounded += ", of which products with a constant weight round their inputs alone, and attention products stay fp32"
    return Variant(
        name=f"alpha_{percent}{'_float_outputs' if float_outputs else ''}",
        summary=f"Smoothing with the exponent {percent / 100}, then {rounded}.",
        parameters={"alpha": percent / 100, "items": 64, "float_outputs": float_outputs},
        claims=Claims(weight_bits=8, coverage=0.9, operators=("QuantizeLinear", "DequantizeLinear")),
    )


CARD = MethodCard(
    name="smoothquant",
    title="SmoothQuant",
    summary="Static int8 after an exact rescaling: channels with large activations are divided, the weights that read them multiplied.",
    family="quantization",
    stage="graph",
    division="calibration",
    paper="2211.10438",
    dependencies=("onnxruntime",),
    parameters=(
        Parameter("alpha", float, "How much of the range moves from activations into weights: 0 none of it, 1 all.", low=0.0, high=1.0),
        Parameter("items", int, "Calibration items for the largest activations and for the ranges.", low=1, high=4096),
        Parameter(
            "float_outputs",
            bool,
            "MatMul and Gemm round what they read alone: their outputs, and products of two activations, stay fp32.",
        ),
    ),
    variants=(_variant(50), _variant(75), _variant(50, float_outputs=True)),
)
