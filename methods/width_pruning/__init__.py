"""Structured pruning of feed-forward hidden units."""

from suite.contracts import Claims, MethodCard, Parameter, Variant


def _variant(percent: int, criterion: str = "product_l2") -> Variant:
    name, ranked = ("", "") if criterion == "product_l2" else (f"_{criterion}", ", by the L1 norm of incoming weights")
    return Variant(
        name=f"keep_{percent}{name}",
        summary=f"{percent} % of the hidden units of every feed-forward block stay{ranked}.",
        parameters={"keep": percent / 100, "criterion": criterion},
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
    parameters=(
        Parameter("keep", float, "Share of the hidden units that stay, at least one.", low=0.05, high=0.95),
        Parameter(
            "criterion",
            str,
            "product_l2: the L2 norm of incoming weights times that of outgoing ones. incoming_l1: the L1 norm of incoming weights.",
            choices=("product_l2", "incoming_l1"),
        ),
    ),
    variants=(*map(_variant, (75, 50)), *(_variant(percent, "incoming_l1") for percent in (75, 50))),
)
