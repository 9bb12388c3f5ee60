"""The uncompressed model."""

from suite.contracts import MethodCard, Variant

CARD = MethodCard(
    name="baseline_fp32",
    title="Baseline (fp32)",
    summary="The uncompressed model in 32-bit floating point, against which everything else is measured.",
    family="baseline",
    stage="graph",
    division="data-free",
    variants=(Variant(name="fp32", summary="The exported graphs as they are."),),
)
