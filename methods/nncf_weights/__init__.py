"""Weight compression by NNCF, for OpenVINO."""

import importlib.util

from suite.contracts import Claims, MethodCard, ModelCard, Parameter, Skip, TargetCard, Variant

CARD = MethodCard(
    name="nncf_weights",
    title="NNCF weight compression",
    summary="OpenVINO's own weight compression: 8-bit or 4-bit weights that its kernels scale back; activations stay in floating point.",
    family="quantization",
    stage="runtime",
    division="data-free",
    paper="https://docs.openvino.ai/2026/openvino-workflow/model-optimization-guide/weight-compression.html",
    dependencies=("nncf",),
    formats=("onnx",),
    runtimes=("openvino",),
    parameters=(
        Parameter(
            "mode", str, "Type of the weights: with a zero point (asym) or without (sym).", choices=("int8_asym", "int4_sym", "int4_asym")
        ),
        Parameter(
            "group_size",
            int,
            "Weights that share a 4-bit scale; -1 for all of an output feature, as 8-bit weights have it.",
            low=-1,
            high=256,
        ),
    ),
    variants=(
        Variant(
            name="int8",
            summary="Every weight and embedding table in 8 bits, a scale and a zero point for each output feature.",
            parameters={"mode": "int8_asym", "group_size": -1},
            claims=Claims(weight_bits=8, coverage=0.9, operators=("DequantizeLinear",)),
        ),
        Variant(
            name="int4",
            summary="Linear layers in 4 bits by groups of 32; convolutions, embedding tables and the last layer in 8 bits.",
            parameters={"mode": "int4_sym", "group_size": 32},
            claims=Claims(layers=("MatMul", "Gemm"), weight_bits=8, coverage=0.9, mean_bits=7.9, operators=("DequantizeLinear",)),
        ),
    ),
)


def supports(model: ModelCard, target: TargetCard, variant: Variant) -> Skip | None:
    """Why it cannot be had here, or None."""
    if importlib.util.find_spec("nncf") is None:
        return Skip("nncf is not installed here: pip install 'squeezemark[openvino]'")
    return None
