"""Dynamic int8 quantization of LiteRT models by the AI Edge Quantizer."""

from suite.contracts import Claims, MethodCard, Variant

CARD = MethodCard(
    name="litert_dynamic_int8",
    title="LiteRT dynamic int8",
    summary="Weights of linear layers, convolutions and embeddings in 8 bits; activations are quantized while the model runs.",
    family="quantization",
    stage="runtime",
    division="data-free",
    paper="https://ai.google.dev/edge/litert/conversion/tensorflow/quantization/post_training_quantization",
    dependencies=("ai-edge-quantizer", "ai-edge-litert"),
    formats=("litert",),
    variants=(
        Variant(
            name="per_channel",
            summary="The quantizer's recipe dynamic_wi8_afp32: 8-bit weights, activations in 8 bits within an operator.",
            claims=Claims(weight_bits=8, coverage=0.9),
        ),
    ),
)
