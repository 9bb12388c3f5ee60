"""The proximal step of an L1 penalty."""

from suite.contracts import Claims, MethodCard, Parameter, Variant


def _variant(percent: int) -> Variant:
    return Variant(
        name=f"sparsity_{percent}",
        summary=f"Of each weight, the {percent} % smallest elements become zero; the others shrink by the largest of these.",
        parameters={"sparsity": percent / 100},
        claims=Claims(sparsity=percent / 100),
    )


CARD = MethodCard(
    name="l1_proximal",
    title="L1 proximal step",
    summary="Soft-thresholds each weight: the closest one under an L1 penalty that is just large enough for the sparsity. No fine-tuning.",
    family="pruning",
    stage="graph",
    division="data-free",
    paper="https://web.stanford.edu/~boyd/papers/prox_algs.html",
    parameters=(Parameter("sparsity", float, "Share of the elements of each weight that become zero.", low=0.01, high=0.99),),
    variants=tuple(_variant(percent) for percent in (50, 70)),
)
