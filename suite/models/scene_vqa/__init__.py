"""Scene VQA: questions about generated scenes, answered by a small vision transformer with a cross-attention fusion network."""

from suite.contracts import Component, ModelCard, Tensor

CARD = ModelCard(
    name="scene_vqa",
    title="Scene VQA",
    summary=(
        "Visual question answering as in ALBEF (2107.07651): a vision transformer with a convolutional stem (1.7 M parameters) turns an "
        "image into 64 tokens, and a fusion network (3.2 M) of self-attention over the question and cross-attention to the tokens "
        "scores 24 answers."
    ),
    task="Visual question answering about scenes of coloured shapes, 24 answers",
    components=(
        Component(
            name="vision",
            modality="vision",
            inputs=(Tensor("pixel_values", "float32", ("batch", 3, 64, 64)),),
            outputs=(Tensor("image_embeds", "float32", ("batch", 64, 256)),),
        ),
        Component(
            name="fusion",
            modality="fusion",
            inputs=(Tensor("image_embeds", "float32", ("batch", 64, 256)), Tensor("input_ids", "int64", ("batch", 8))),
            outputs=(Tensor("logits", "float32", ("batch", 24)),),
        ),
    ),
    metric="answer_accuracy",
    chance=0.3579,
    request="Encodes one 64 x 64 image with the vision tower and answers one question about it with the fusion network, batch size 1 each",
    data=(
        "Generated: 64 x 64 RGB images of three to six shapes (8 colours, 5 shapes, 2 sizes) with noise, drawn in integers, and questions "
        "of six types: exist, count, query, relation, extreme, compare. The test split is one question of each type about each of 400 "
        "scenes, 2,400 in all; training, validation, calibration and test scenes come from independent random streams. Chance is the "
        "accuracy of always giving the most frequent answer of the question's type."
    ),
    licence="Weights and code: Apache-2.0. Data: generated, CC0",
)
