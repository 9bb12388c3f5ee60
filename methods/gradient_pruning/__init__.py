"""Pruning by the gradient: first-order Taylor terms."""

from suite.contracts import Claims, MethodCard, Parameter, Variant

_SUMMARIES = {
    "elements": "The {} % of the elements of each weight with the smallest (weight x gradient)^2 become zero.",
    "units": "Of hidden units and channels of convolutions, the {} % stay that outputs depend on; the others become their mean.",
    "heads": "Of attention heads (unless outputs hold them), the {} % stay that outputs depend on; the others become their mean.",
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
    name="gradient_pruning",
    title="Gradient pruning (Taylor)",
    summary="Removes the elements, units or heads that the outputs on calibration items depend on least, to first order. No fine-tuning.",
    family="pruning",
    stage="module",
    division="calibration",
    paper="1906.10771",
    dependencies=("torch", "torch-pruning"),
    parameters=(
        Parameter("granularity", str, "What goes: elements of weights, units, or attention heads.", choices=("elements", "units", "heads")),
        Parameter(
            "sparsity", float, "Share that goes: of each weight, of each layer's units, of each attention's heads.", low=0.01, high=0.99
        ),
    ),
    variants=(_elements(50), _elements(70), _kept("units", 75), _kept("heads", 75)),
)
