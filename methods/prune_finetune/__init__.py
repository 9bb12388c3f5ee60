"""Iterative pruning with training between."""

from suite.contracts import Claims, MethodCard, Parameter, Variant


def _variant(percent: int) -> Variant:
    return Variant(
        name=f"elements_{percent}",
        summary=f"{percent} % of the elements of each weight become zero, a few more every few steps of training.",
        parameters={"sparsity": percent / 100, "steps": 250, "rate": 3e-4},
        claims=Claims(sparsity=percent / 100),
    )


CARD = MethodCard(
    name="prune_finetune",
    title="Pruning and fine-tuning",
    summary="The smallest elements of each weight become zero step by step, and training on labels lets the others make up for them.",
    family="pruning",
    stage="module",
    division="training",
    paper="1710.01878",
    dependencies=("torch",),
    parameters=(
        Parameter("sparsity", float, "Share of the elements of each weight that are zero at the end.", low=0.01, high=0.99),
        Parameter("steps", int, "Training steps; weights are pruned in the first seven tenths of them.", low=1, high=1_000_000),
        Parameter("rate", float, "Highest learning rate, of AdamW.", low=1e-7, high=1.0),
    ),
    variants=tuple(_variant(percent) for percent in (70, 90)),
)
