"""A method of my own: what it is and what it claims. Every command reads this, so it imports nothing but the contracts."""

from suite.contracts import Claims, MethodCard, Parameter, Variant

CARD = MethodCard(
    name="my_method",
    title="My method: pruning by rows",
    summary="Sets the smallest elements of each output feature's weights to zero. Replace this by what your method does.",
    family="pruning",
    stage="module",  # apply() gets torch modules and returns torch modules, which the suite exports
    division="data-free",  # or "calibration", if it calls context.feeds(); or "training", if it calls context.tutor()
    paper=None,  # the arXiv number or the https address of what it comes from
    licence="Apache-2.0",
    dependencies=("torch",),  # distributions, besides the suite's own, that apply.py imports
    parameters=(Parameter("sparsity", float, "Share of the inputs of each output feature that goes.", low=0.01, high=0.99),),
    variants=(  # each gets a row of its own
        Variant(
            name="rows_50",
            summary="Half of the inputs of each output feature become zero.",
            parameters={"sparsity": 0.5},
            claims=Claims(sparsity=0.5),  # checked on what is deployed
        ),
    ),
)
