"""Another int8 scheme for each modality."""

from suite.contracts import MethodCard, Step, Variant

CARD = MethodCard(
    name="per_component_int8",
    title="int8 per component",
    summary="Static int8 where activations keep to their range (images, sound), dynamic int8 where they do not (text and what reads it).",
    family="recipe",
    stage="recipe",
    division="calibration",
    variants=(
        Variant(
            name="static_vision_dynamic_text",
            summary="Static int8 with convolutions on vision and audio, dynamic int8 on text, fusion and decoder.",
            steps=(
                Step("static_int8", "matmul_conv", ("vision", "audio")),
                Step("dynamic_int8", "per_channel", ("text", "fusion", "decoder")),
            ),
        ),
    ),
)
