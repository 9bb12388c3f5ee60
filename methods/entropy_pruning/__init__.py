"""Pruning by the entropy of activations."""

from suite.contracts import Claims, MethodCard, Parameter, Variant

_SUMMARIES = {
    "elements": "Of each weight, the {} % with the smallest |weight| x entropy of the input become zero.",
    "units": "Of hidden units and channels, the {} % stay with the most entropy x outgoing weights; the others become their mean.",
}
_COVERAGE = {"units": 0.2, "heads": 0.05}
"""Least share of the weights that is made smaller."""


def _elements(percent: int) -> Variant:
    return Variant(
        name=f"elements_{percent}",
        summary=_SUMMARIES["elements"].format(percent),
        parameters={"granularity": "elements", "sparsity": percent / 100},
        claims=Claims(sparsity=percent / 100),
    )


def _kept(granularity: str, percent: int) -> Variant:
    return Variant(
        name=f"{granularity}_{percent}",
        summary=_SUMMARIES[granularity].format(percent),
        parameters={"granularity": granularity, "sparsity": 1 - percent / 100},
        claims=Claims(parameters=percent / 100, coverage=_COVERAGE[granularity]),
    )


CARD = MethodCard(
    name="entropy_pruning",
    title="Entropy pruning",
    summary="Removes units with little entropy on calibration items, or elements that read such units. No fine-tuning.",
    family="pruning",
    stage="module",
    division="calibration",
    paper="1706.05791",
    dependencies=("torch", "torch-pruning"),
    parameters=(
        Parameter("granularity", str, "What goes: elements of weights, or units.", choices=("elements", "units")),
        Parameter("sparsity", float, "Share that goes: of each weight, or of each layer's units.", low=0.01, high=0.99),
    ),
    variants=(_elements(50), _kept("units", 75)),
)
