"""A model small enough for tests: matches noisy patterns to their names through two components."""

from suite.contracts import Component, ModelCard, Tensor

CARD = ModelCard(
    name="tiny_matcher",
    title="Tiny matcher",
    summary="A matched filter: noisy 8x8 patterns against the embeddings of their names.",
    task="retrieval",
    components=(
        Component("vision", "vision", (Tensor("pixels", "float32", ("batch", 64)),), (Tensor("image_embeds", "float32", ("batch", 64)),)),
        Component("text", "text", (Tensor("ids", "int64", ("batch", 1)),), (Tensor("text_embeds", "float32", ("batch", 64)),)),
    ),
    metric="recall_at_1",
    chance=1 / 32,
    request="embed one pattern and one name",
    data="generated",
    licence="Apache-2.0",
)
