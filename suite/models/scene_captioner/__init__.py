"""Scene captioner: a small generative vision-language model, a vision transformer and a causal decoder with an explicit KV cache."""

from suite.contracts import Component, ModelCard, Tensor

CARD = ModelCard(
    name="scene_captioner",
    title="Scene captioner",
    summary=(
        "Image captioning as in LLaVA (2304.08485) and InternVL (2404.16821), small: a vision transformer with a convolutional stem, a "
        "2 x 2 pixel shuffle and a projector (2.1 M parameters) turn an image into 16 embeddings, and a causal decoder (2.7 M) with an "
        "explicit KV cache writes what it shows, token by token."
    ),
    task="Captions of scenes of coloured shapes, named from left to right",
    components=(
        Component(
            name="vision",
            modality="vision",
            inputs=(Tensor("pixel_values", "float32", ("batch", 3, 64, 64)),),
            outputs=(Tensor("image_embeds", "float32", ("batch", 16, 256)),),
        ),
        Component(
            name="decoder",
            modality="decoder",
            inputs=(
                Tensor("image_embeds", "float32", ("batch", "image", 256)),
                Tensor("input_ids", "int64", ("batch", "tokens")),
                Tensor("past_keys", "float32", ("batch", 16, "past", 64)),
                Tensor("past_values", "float32", ("batch", 16, "past", 64)),
            ),
            outputs=(
                Tensor("logits", "float32", ("batch", 19)),
                Tensor("keys", "float32", ("batch", 16, "present", 64)),
                Tensor("values", "float32", ("batch", 16, "present", 64)),
            ),
            cache={"past_keys": "keys", "past_values": "values"},
        ),
    ),
    metric="exact_match",
    other_metrics=("token_accuracy", "cider"),
    chance=0.0015,
    request=(
        "Captions one 64 x 64 image, batch size 1: the vision tower, the decoder on the image and the start token, then the decoder on one "
        "token at a time up to the end token, greedily"
    ),
    data=(
        "Generated: 64 x 64 RGB images of two to four shapes (8 colours, 5 shapes, 2 sizes) with noise, drawn in integers, and one caption "
        "each that names size, colour and shape of every object from left to right. The test split has 2,000 images; training, "
        "validation, calibration and test scenes come from independent random streams. Chance is the share of the most frequent caption."
    ),
    licence="Weights and code: Apache-2.0. Data: generated, CC0",
)
