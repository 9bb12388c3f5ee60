"""Low-rank factorisation by truncated singular value decomposition."""

from suite.contracts import Claims, MethodCard, Parameter, Variant


def _variant(percent: int) -> Variant:
    return Variant(
        name=f"keep_{percent}",
        summary=f"Two factors with at most {percent} % of the parameters of each matrix.",
        parameters={"keep": percent / 100},
        claims=Claims(layers=("MatMul", "Gemm"), parameters=percent / 100, coverage=0.9),
    )


CARD = MethodCard(
    name="svd_low_rank",
    title="SVD low-rank",
    summary="Each weight matrix of MatMul and Gemm becomes the product of two thin ones, its best approximation of that rank.",
    family="low-rank",
    stage="graph",
    division="data-free",
    paper="1404.0736",
    parameters=(Parameter("keep", float, "Share of a matrix's parameters that its two factors may have.", low=0.05, high=0.95),),
    variants=tuple(_variant(percent) for percent in (75, 50, 25)),
)
