"""Dynamic int8 quantization of linear layers by ExecuTorch's quantizer for XNNPACK."""

from suite.contracts import Claims, MethodCard, Variant

CARD = MethodCard(
    name="executorch_dynamic_int8",
    title="ExecuTorch dynamic int8",
    summary="Linear layers with 8-bit weights, a scale for each output feature; XNNPACK quantizes their activations while the model runs.",
    family="quantization",
    stage="runtime",
    division="data-free",
    paper="https://docs.pytorch.org/executorch/stable/backends/xnnpack/xnnpack-quantization.html",
    licence="BSD-3-Clause",
    dependencies=("executorch", "torchao"),
    formats=("executorch",),
    variants=(
        Variant(
            name="per_channel",
            summary="The quantizer's symmetric configuration for linear layers; convolutions and embedding tables stay fp32.",
            claims=Claims(layers=("MatMul", "Gemm"), weight_bits=8, coverage=0.9),
        ),
    ),
)
