"""Quantization-aware training."""

from suite.contracts import MethodCard, Parameter, Variant

CARD = MethodCard(
    name="qat",
    title="Quantization-aware training",
    summary="Trains with weights and activations rounded to 8 bits in the forward pass, so that int8 quantization afterwards costs less.",
    family="quantization",
    stage="module",
    division="training",
    paper="1712.05877",
    dependencies=("torch",),
    parameters=(
        Parameter("steps", int, "Training steps.", low=1, high=1_000_000),
        Parameter("rate", float, "Highest learning rate, of AdamW.", low=1e-7, high=1.0),
    ),
    variants=(
        Variant(
            name="int8",
            summary="Linear and convolutional layers: weights by output feature, their inputs as a whole.",
            parameters={"steps": 150, "rate": 1e-4},
            step_only=True,
        ),
    ),
)
