"""Unstructured magnitude pruning."""

from suite.contracts import Claims, MethodCard, Parameter, Variant

_WHERE = {"local": "of each weight", "global": "of all weights of the pruned components together"}


def _variant(scope: str, percent: int) -> Variant:
    return Variant(
        name=f"{scope}_{percent}",
        summary=f"The {percent} % smallest elements {_WHERE[scope]} become zero.",
        parameters={"scope": scope, "sparsity": percent / 100},
        claims=Claims(sparsity=percent / 100),
    )


CARD = MethodCard(
    name="magnitude_pruning",
    title="Magnitude pruning",
    summary="Sets the elements of MatMul, Gemm and Conv weights with the smallest magnitude to zero. No fine-tuning, no smaller shapes.",
    family="pruning",
    stage="graph",
    division="data-free",
    paper="1506.02626",
    parameters=(
        Parameter(
            "scope", str, "local: a threshold for each weight. global: one for all components together.", choices=("local", "global")
        ),
        Parameter("sparsity", float, "Share of the elements that become zero.", low=0.01, high=0.99),
    ),
    variants=tuple(_variant(scope, percent) for scope in ("local", "global") for percent in (30, 50, 70)),
)
