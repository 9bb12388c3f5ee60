"""Dropping whole residual blocks."""

from suite.contracts import Claims, MethodCard, Parameter, Variant


def _variant(blocks: int) -> Variant:
    return Variant(
        name=f"drop_{blocks}",
        summary=f"{blocks} {'block' if blocks == 1 else 'blocks'} fewer in every component, of which at least one stays.",
        parameters={"blocks": blocks, "items": 128},
        claims=Claims(layers=("MatMul", "Gemm", "Conv"), parameters=0.0, coverage=0.001),
    )


CARD = MethodCard(
    name="layer_drop",
    title="Layer drop",
    summary=(
        "Leaves out the residual blocks that turn their hidden state the least on calibration items (block influence), with no "
        "training afterwards. Keys and values of a cache are still computed where the model has to return them."
    ),
    family="structure",
    stage="module",
    division="calibration",
    paper="2403.03853",
    dependencies=("torch",),
    parameters=(
        Parameter("blocks", int, "Blocks to leave out of each component; at least one stays in every row of blocks.", low=1, high=1000),
        Parameter("items", int, "Calibration calls over whose tokens the influence of a block is averaged.", low=1, high=4096),
    ),
    variants=tuple(_variant(blocks) for blocks in (1, 2)),
)
