"""Merging of similar tokens in vision transformers."""

from suite.contracts import Claims, MethodCard, Parameter, Variant


def _variant(percent: int) -> Variant:
    return Variant(
        name=f"keep_{percent}",
        summary=f"{percent} % of the tokens are left after the last block, about as many fewer in each.",
        parameters={"keep": percent / 100},
        claims=Claims(operators=("ArgMax", "GatherElements")),
    )


CARD = MethodCard(
    name="token_merging",
    title="Token merging",
    summary=(
        "After the attention of each block of a vision transformer the most similar tokens, by their keys, are merged into their weighted "
        "mean; at the end each place gets back the token that it went into. No training, no data. Needs a row of blocks that add "
        "self-attention to their input."
    ),
    family="token reduction",
    stage="module",
    division="data-free",
    modalities=("vision",),
    paper="2210.09461",
    dependencies=("torch",),
    parameters=(Parameter("keep", float, "Share of the tokens that is left after the last block.", low=0.1, high=0.95),),
    variants=tuple(_variant(percent) for percent in (75, 50)),
)
