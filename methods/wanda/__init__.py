"""Wanda: unstructured pruning by weights and activations."""

from suite.contracts import Claims, MethodCard, Parameter, Variant


def _variant(percent: int) -> Variant:
    return Variant(
        name=f"elements_{percent}",
        summary=f"In each output feature, the {percent} % of the elements with the smallest |weight| x norm of its input become zero.",
        parameters={"sparsity": percent / 100},
        claims=Claims(sparsity=percent / 100),
    )


CARD = MethodCard(
    name="wanda",
    title="Wanda pruning",
    summary="Zeroes the elements with the smallest product of magnitude and norm of the activation that they read. No fine-tuning.",
    family="pruning",
    stage="module",
    division="calibration",
    paper="2306.11695",
    dependencies=("torch", "torch-pruning"),
    parameters=(Parameter("sparsity", float, "Share of the elements of each output feature that become zero.", low=0.01, high=0.99),),
    variants=tuple(_variant(percent) for percent in (50, 70)),
)
