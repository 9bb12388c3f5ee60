"""Pruning at random: the control."""

from suite.contracts import Claims, MethodCard, Parameter, Variant

_SUMMARIES = {
    "elements": "A random {} % of the elements of each weight become zero.",
    "units": "Of each layer's hidden units (channels of convolutions), a random {} % stay.",
    "heads": "Of the heads of each attention (unless outputs hold them), a random {} % stay.",
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
    name="random_pruning",
    title="Random pruning",
    summary="Removes elements, units or attention heads at random: what every criterion of importance has to beat. No fine-tuning.",
    family="pruning",
    stage="module",
    division="data-free",
    paper="2202.02643",
    dependencies=("torch", "torch-pruning"),
    parameters=(
        Parameter("granularity", str, "What goes: elements of weights, units, or attention heads.", choices=("elements", "units", "heads")),
        Parameter(
            "sparsity", float, "Share that goes: of each weight, of each layer's units, of each attention's heads.", low=0.01, high=0.99
        ),
    ),
    variants=(_elements(50), _elements(70), _kept("units", 75), _kept("heads", 75)),
)
