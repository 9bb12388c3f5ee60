"""torchao int4, weights only: quantization by torchao of what torch itself runs on processors."""

import importlib.util

from suite.contracts import Claims, MethodCard, ModelCard, Parameter, Skip, TargetCard, Variant

CLAIMS = Claims(layers=("MatMul", "Gemm"), weight_bits=4, coverage=0.9)

CARD = MethodCard(
    name="torchao_int4_weight_only",
    title="torchao int4, weights only",
    summary="Linear layers with 4-bit weights in groups of 32 inputs, each with a scale and an offset, for the product of PyTorch that "
    "takes them as they are packed. Layers whose outputs are no multiple of 16 or inputs none of 32 stay as they are.",
    family="quantization",
    stage="runtime",
    division="data-free",
    paper="2507.16099",
    licence="BSD-3-Clause",
    dependencies=("torch", "torchao"),
    formats=("torch_export",),
    parameters=(Parameter("ranges", str, "How scale and offset of a group are chosen.", choices=("tinygemm", "hqq")),),
    variants=(
        Variant(
            name="group_32",
            summary="From the smallest to the largest weight of each group.",
            parameters={"ranges": "tinygemm"},
            claims=CLAIMS,
        ),
        Variant(
            name="hqq_32",
            summary="Half-quadratic quantization: a robust fit of the weights, without data (https://mobiusml.github.io/hqq_blog).",
            parameters={"ranges": "hqq"},
            claims=CLAIMS,
        ),
    ),
)


def supports(model: ModelCard, target: TargetCard, variant: Variant) -> Skip | None:
    """Why it cannot be had here, or None."""
    if importlib.util.find_spec("torchao") is None:
        return Skip("torchao is not installed here: pip install 'squeezemark[torchao]'")
    if target.device != "x86 CPU":
        return Skip("it packs weights as processors read them; what torchao packs for a GPU needs that GPU and mslk when it is made")
    return None
