"""Audio-visual digits: two convolutional towers with batch norm and a fusion head, for what only both senses can make out."""

from suite.contracts import Component, ModelCard, Tensor

CARD = ModelCard(
    name="audio_visual_digits",
    title="Audio-visual digits",
    summary=(
        "Late fusion of sight and hearing: a convolutional tower with batch norm for a handwritten digit (0.6 M parameters), another for "
        "the same digit spoken (0.6 M), and a fusion head (0.1 M) on the embeddings of both. Image and sound are noisy, so that the two "
        "together tell what neither does alone. This is the kind of network that static quantization and folded batch norm are made for."
    ),
    task="Which digit is seen and heard, in noise, with unseen voices and unseen handwriting",
    components=(
        Component(
            name="vision",
            modality="vision",
            inputs=(Tensor("pixel_values", "float32", ("batch", 1, 28, 28)),),
            outputs=(Tensor("image_embeds", "float32", ("batch", 128)),),
        ),
        Component(
            name="audio",
            modality="audio",
            inputs=(Tensor("input_features", "float32", ("batch", 1, 40, 48)),),
            outputs=(Tensor("audio_embeds", "float32", ("batch", 128)),),
        ),
        Component(
            name="fusion",
            modality="fusion",
            inputs=(Tensor("image_embeds", "float32", ("batch", 128)), Tensor("audio_embeds", "float32", ("batch", 128))),
            outputs=(Tensor("logits", "float32", ("batch", 10)),),
        ),
    ),
    metric="top_1",
    chance=0.1,
    request="Embeds one 28 x 28 image and one sound of 48 frames in 40 mel bands, then scores the ten digits on both, batch size 1 each",
    data=(
        "Real and synthesised: handwritten digits of the Optical Recognition of Handwritten Digits data set (E. Alpaydin and C. Kaynak, "
        "UCI Machine Learning Repository, CC BY 4.0), as scikit-learn's load_digits has them, and the same digits spoken by espeak-ng 1.51 "
        "in 31 voices and 4 accents, as log-mel features. Both ship with the suite, and with the script that made them. An item is an "
        "image and a sound of one digit, paired, moved, weakened and mixed with noise at random, in integers. Training has 20 voices and "
        "1,097 images, validation 5 and 300 others, test 6 and 400 others; the 2,000 pairs of the test split are new with every seed."
    ),
    licence=(
        "Weights, code and spoken features: Apache-2.0. Handwritten digits, redistributed in data.npz as 8 x 8 counts: CC BY 4.0, "
        "https://doi.org/10.24432/C50P49"
    ),
)
