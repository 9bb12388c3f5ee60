"""Full int8 quantization of LiteRT models by the AI Edge Quantizer."""

from suite.contracts import Claims, MethodCard, Parameter, Variant

CARD = MethodCard(
    name="litert_full_int8",
    title="LiteRT full int8",
    summary="Weights and activations of every operator in 8 bits, in ranges from calibration items, as an Edge TPU takes it.",
    family="quantization",
    stage="runtime",
    division="calibration",
    paper="1712.05877",
    dependencies=("ai-edge-quantizer", "ai-edge-litert"),
    formats=("litert",),
    parameters=(Parameter("items", int, "Calibration items whose activations make the ranges.", low=1, high=4096),),
    variants=(
        Variant(
            name="all_ops",
            summary="The quantizer's recipe static_wi8_ai8; what goes in and comes out keeps its type.",
            parameters={"items": 64},
            claims=Claims(weight_bits=8, coverage=0.9, operators=("QUANTIZE", "DEQUANTIZE")),
        ),
    ),
)
