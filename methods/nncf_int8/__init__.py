"""Post-training int8 quantization by NNCF, for OpenVINO."""

import importlib.util

from suite.contracts import Claims, MethodCard, ModelCard, Parameter, Skip, TargetCard, Variant

_CLAIMS = Claims(weight_bits=8, coverage=0.9, operators=("QuantizeLinear", "DequantizeLinear"))

CARD = MethodCard(
    name="nncf_int8",
    title="NNCF int8",
    summary="OpenVINO's own quantizer: 8-bit weights by output channel, activations in the ranges of calibration items, biases corrected.",
    family="quantization",
    stage="runtime",
    division="calibration",
    paper="2002.08679",
    dependencies=("nncf", "onnxruntime"),
    formats=("onnx",),
    runtimes=("openvino",),
    parameters=(
        Parameter(
            "model_type",
            str,
            "transformer: NNCF's settings for transformers: activations with a zero point, sensitive products left as they are.",
            choices=("none", "transformer"),
        ),
        Parameter("items", int, "Calibration items whose activations make the ranges.", low=1, high=4096),
        Parameter(
            "overflow_fix",
            str,
            "Which layers get weights in half of the range, so that sums of pairs do not saturate on CPUs without VNNI.",
            choices=("disable", "first_layer_only", "enable"),
        ),
    ),
    variants=(
        Variant(
            name="transformer",
            summary="NNCF's settings for transformers; the first layers keep to half of the range, as is its default.",
            parameters={"model_type": "transformer", "items": 64, "overflow_fix": "first_layer_only"},
            claims=_CLAIMS,
        ),
        Variant(
            name="plain",
            summary="NNCF's settings for any network: every operator that OpenVINO has in int8, symmetric activations.",
            parameters={"model_type": "none", "items": 64, "overflow_fix": "first_layer_only"},
            claims=_CLAIMS,
        ),
        Variant(
            name="half_range",
            summary="As transformer, with every weight in half of the range: for processors without VNNI.",
            parameters={"model_type": "transformer", "items": 64, "overflow_fix": "enable"},
            claims=_CLAIMS,
        ),
    ),
)


def supports(model: ModelCard, target: TargetCard, variant: Variant) -> Skip | None:
    """Why it cannot be had here, or None."""
    if importlib.util.find_spec("nncf") is None:
        return Skip("nncf is not installed here: pip install 'squeezemark[openvino]'")
    return None
