"""Random dropping of tokens in vision transformers."""

from suite.contracts import Claims, MethodCard, Parameter, Variant


def _variant(percent: int) -> Variant:
    return Variant(
        name=f"keep_{percent}",
        summary=f"{percent} % of the tokens are left after the last block, about as many fewer in each.",
        parameters={"keep": percent / 100},
        claims=Claims(operators=("GatherElements",)),
    )


CARD = MethodCard(
    name="token_dropping",
    title="Random token dropping",
    summary=(
        "The control of token merging: as many tokens leave each block of a vision transformer, chosen at random once for all inputs. "
        "At the end the place of a dropped token gets the nearest token that is left."
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
