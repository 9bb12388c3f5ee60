"""Structured pruning of feed-forward hidden units."""

from suite.contracts import Claims, MethodCard, Parameter, Variant


def _variant(percent: int) -> Variant:
    return Variant(
        name=f"keep_{percent}",
        summary=f"{percent} % of the hidden units of every feed-forward block stay.",
        parameters={"keep": percent / 100},
        claims=Claims(layers=("MatMul", "Gemm"), parameters=percent / 100, coverage=0.2),
    )


CARD = MethodCard(
    name="width_pruning",
    title="Width pruning",
    summary="Removes the hidden units with the smallest weights from every feed-forward block: really smaller matrices, no fine-tuning.",
    family="structure",
    stage="module",
    division="data-free",
    paper="1608.08710",
    dependencies=("torch",),
    parameters=(Parameter("keep", float, "Share of the hidden units that stay, at least one.", low=0.05, high=0.95),),
    variants=tuple(_variant(percent) for percent in (75, 50)),
)
