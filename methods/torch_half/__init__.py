"""Half precision in PyTorch: fp16 and bf16."""

from suite.contracts import Claims, MethodCard, Parameter, Variant

CARD = MethodCard(
    name="torch_half",
    title="Half precision in PyTorch",
    summary="Weights and arithmetic in 16-bit floating point, inputs and outputs in fp32: half the size.",
    family="quantization",
    stage="runtime",
    division="data-free",
    paper="1710.03740",
    licence="BSD-3-Clause",
    dependencies=("torch",),
    formats=("torch_export",),
    parameters=(Parameter("dtype", str, "The floating-point type, as torch calls it.", choices=("bfloat16", "float16")),),
    variants=(
        Variant(
            name="bf16",
            summary="bfloat16: the range of fp32, 8 bits of precision. GPUs since Ampere compute in it, and processors with AMX.",
            parameters={"dtype": "bfloat16"},
            claims=Claims(weight_bits=16, coverage=0.99),
        ),
        Variant(
            name="fp16",
            summary="float16: 11 bits of precision, and nothing beyond 65,504. Every GPU computes in it, few processors do.",
            parameters={"dtype": "float16"},
            claims=Claims(weight_bits=16, coverage=0.99),
        ),
    ),
)
