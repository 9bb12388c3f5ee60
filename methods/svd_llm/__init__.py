"""SVD-LLM: low-rank factorisation that loses least of what layers compute on data."""

from suite.contracts import Claims, MethodCard, Parameter, Variant


def _variant(percent: int) -> Variant:
    return Variant(
        name=f"keep_{percent}",
        summary=f"Two factors with at most {percent} % of the parameters of each matrix but heads.",
        parameters={"keep": percent / 100, "items": 128, "dampening": 0.01},
        claims=Claims(layers=("MatMul", "Gemm"), parameters=percent / 100, coverage=0.5),
    )


CARD = MethodCard(
    name="svd_llm",
    title="SVD-LLM low-rank",
    summary="Thin factors as of svd_low_rank, chosen so that the outputs of a layer change least on calibration items; heads stay.",
    family="low-rank",
    stage="graph",
    division="calibration",
    paper="2403.07378",
    dependencies=("onnxruntime",),
    parameters=(
        Parameter("keep", float, "Share of a matrix's parameters that its two factors may have.", low=0.05, high=0.95),
        Parameter("items", int, "Calibration items, at most.", low=1, high=4096),
        Parameter("dampening", float, "Added to the diagonal of the second moments of inputs, as a share of its mean.", low=1e-6, high=1.0),
    ),
    variants=tuple(map(_variant, (50, 25))),
)
