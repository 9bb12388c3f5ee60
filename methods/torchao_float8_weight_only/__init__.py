"""torchao float8, weights only: quantization by torchao of what torch itself runs."""

import importlib.util

from suite.contracts import Claims, MethodCard, ModelCard, Skip, TargetCard, Variant

CARD = MethodCard(
    name="torchao_float8_weight_only",
    title="torchao float8, weights only",
    summary="Linear layers with weights in float8 (e4m3), a scale for each output feature, fp32 again before each product.",
    family="quantization",
    stage="runtime",
    division="data-free",
    paper="2507.16099",
    licence="BSD-3-Clause",
    dependencies=("torch", "torchao"),
    formats=("torch_export",),
    variants=(
        Variant(
            name="per_row",
            summary="float8 weights, activations in fp32.",
            claims=Claims(layers=("MatMul", "Gemm"), weight_bits=8, coverage=0.9),
        ),
    ),
)


def supports(model: ModelCard, target: TargetCard, variant: Variant) -> Skip | None:
    """Why it cannot be had here, or None."""
    if importlib.util.find_spec("torchao") is None:
        return Skip("torchao is not installed here: pip install 'squeezemark[torchao]'")
    return None
