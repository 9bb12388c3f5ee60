"""A dual encoder that matches pictures of glyphs to Unicode character names, as CLIP (2103.00020) matches photographs to captions."""

from suite.contracts import Component, ModelCard, Tensor

SIDE = 40
"""Side of an image in pixels."""
WORDS = 10
"""Tokens of a name, the start token and padding included."""
VOCABULARY = 426
"""Token ids in use: padding, start, and a token for each word of the names."""
EMBEDDING = 128
"""Width of the space that images and names share."""

CARD = ModelCard(
    name="glyph_clip",
    title="Glyph CLIP",
    summary=(
        "A dual encoder as in CLIP: a vision transformer with a convolutional stem (3.4 M parameters) embeds the picture of a glyph, "
        "a text transformer (1.4 M) embeds a Unicode character name, and the nearest of 958 names is the answer. The typeface of the "
        "test, DejaVu Serif, is never seen in training."
    ),
    task="Zero-shot classification of glyphs in an unseen typeface, among 958 character names",
    components=(
        Component(
            "vision",
            "vision",
            (Tensor("pixel_values", "float32", ("batch", 1, SIDE, SIDE)),),
            (Tensor("image_embeds", "float32", ("batch", EMBEDDING)),),
        ),
        Component(
            "text",
            "text",
            (Tensor("input_ids", "int64", ("batch", WORDS)),),
            (Tensor("text_embeds", "float32", ("batch", EMBEDDING)),),
        ),
    ),
    metric="recall_at_1",
    other_metrics=("recall_at_5",),
    chance=0.0013,
    request="Embeds one 40 x 40 image with the vision tower and one name with the text tower, batch size 1 each",
    data=(
        "Real: glyphs rendered from the typefaces that matplotlib bundles, each with its Unicode character name. Training: 10 styles "
        "of DejaVu Sans, DejaVu Sans Mono and STIX General. Validation: one further style of each of the last two. Test: the four "
        "styles of DejaVu Serif, less the glyphs that are pixel for pixel a training glyph; 2,000 of them a seed, each shifted, "
        "scaled, slanted, lit and noisy at random. Names that a training font draws with one bitmap (Latin, Greek and Cyrillic A) "
        "count as one answer: 873 in all."
    ),
    licence=(
        "Weights and code: Apache-2.0. Typefaces, not redistributed here: DejaVu under the Bitstream Vera and Arev licences, its own "
        "changes in the public domain; STIX under the SIL Open Font License 1.1"
    ),
)
