"""Half precision."""

from suite.contracts import Claims, MethodCard, Variant

CARD = MethodCard(
    name="fp16",
    title="Half precision (fp16)",
    summary="Weights and arithmetic in 16-bit floating point, inputs and outputs in fp32: half the size. A CPU without fp16 kernels casts.",
    family="quantization",
    stage="graph",
    division="data-free",
    paper="1710.03740",
    dependencies=("onnxruntime",),
    variants=(
        Variant(
            name="fp16",
            summary="Every floating-point weight and operator; ONNX Runtime computes in fp32 where it has no fp16 kernel.",
            claims=Claims(weight_bits=16, coverage=0.99),
        ),
    ),
)
