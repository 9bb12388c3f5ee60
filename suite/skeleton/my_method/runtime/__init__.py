"""A method of my own: what it is and what it claims. Every command reads this, so it imports nothing but the contracts."""

from suite.contracts import Claims, MethodCard, Parameter, Variant

CARD = MethodCard(
    name="my_method",
    title="My method: int8 linear layers for torch",
    summary="Linear layers keep 8-bit weights that torch turns back at each call. Replace this by what your method does.",
    family="quantization",
    stage="runtime",  # apply() gets torch modules; what it returns can be had in the formats below alone
    formats=("torch_export",),  # what the targets x86_cpu_torch and x86_cpu_inductor run
    division="data-free",  # or "calibration", if it calls context.feeds(); or "training", if it calls context.tutor()
    paper=None,  # the arXiv number or the https address of what it comes from
    licence="Apache-2.0",
    dependencies=("torch",),  # distributions, besides the suite's own, that apply.py imports
    parameters=(Parameter("bits", int, "Width that the integers use of the 8 bits that they are stored in.", low=2, high=8),),
    variants=(  # each gets a row of its own
        Variant(
            name="int8",
            summary="All 8 bits, a scale for each output feature.",
            parameters={"bits": 8},
            claims=Claims(layers=("MatMul", "Gemm"), weight_bits=8, coverage=0.9),  # checked on what is deployed
        ),
    ),
)
