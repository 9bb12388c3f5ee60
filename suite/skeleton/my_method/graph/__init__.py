"""A method of my own: what it is and what it claims. Every command reads this, so it imports nothing but the contracts."""

from suite.contracts import Claims, MethodCard, Parameter, Variant

CARD = MethodCard(
    name="my_method",
    title="My method: int8 weights",
    summary="Stores each weight as 8-bit integers and turns them back while the model runs. Replace this by what your method does.",
    family="quantization",
    stage="graph",  # apply() gets ONNX graphs and returns ONNX graphs
    division="data-free",  # or "calibration", if it calls context.feeds(); or "training", if it calls context.tutor()
    paper=None,  # the arXiv number or the https address of what it comes from
    licence="Apache-2.0",
    dependencies=(),  # distributions, besides the suite's own, that apply.py imports
    parameters=(Parameter("per_channel", bool, "A scale for each output feature instead of one for the whole weight."),),
    variants=(  # each gets a row of its own
        Variant(
            name="per_tensor",
            summary="One scale for each weight.",
            parameters={"per_channel": False},
            claims=Claims(weight_bits=8, coverage=0.9, operators=("DequantizeLinear",)),  # checked on what is deployed
        ),
        Variant(
            name="per_channel",
            summary="A scale for each output feature of a weight.",
            parameters={"per_channel": True},
            claims=Claims(weight_bits=8, coverage=0.9, operators=("DequantizeLinear",)),
        ),
    ),
)
