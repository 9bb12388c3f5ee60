"""A model small enough for tests that writes token by token, with a cache, and is judged by degrees: it counts up to the end token."""

from suite.contracts import Component, ModelCard, Tensor

CARD = ModelCard(
    name="tiny_writer",
    title="Tiny writer",
    summary="Counts from a number up to 15, a token at a time, through a decoder that keeps what it has read.",
    task="generation",
    components=(
        Component(
            "decoder",
            "decoder",
            (Tensor("ids", "int64", ("batch", "tokens")), Tensor("past", "float32", ("batch", "past", 16))),
            (Tensor("logits", "float32", ("batch", 16)), Tensor("cache", "float32", ("batch", "present", 16))),
            cache={"past": "cache"},
        ),
    ),
    metric="token_accuracy",
    other_metrics=("exact_match", "own_metric"),
    chance=1 / 16,
    request="count up from one number",
    data="generated",
    licence="Apache-2.0",
)
