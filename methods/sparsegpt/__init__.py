"""SparseGPT: pruning that lets the weights that stay make up for those that go."""

from suite.contracts import Claims, MethodCard, Parameter, Variant


def _elements(percent: int) -> Variant:
    return Variant(
        name=f"elements_{percent}",
        summary=f"{percent} % of the elements of each weight become zero, the others are changed for it.",
        parameters={"pattern": "free", "sparsity": percent / 100, "dampening": 0.01},
        claims=Claims(sparsity=percent / 100),
    )


CARD = MethodCard(
    name="sparsegpt",
    title="SparseGPT pruning",
    summary="Zeroes elements input by input and updates those still to come, so that the layer's outputs on calibration items change less.",
    family="pruning",
    stage="module",
    division="calibration",
    paper="2301.00774",
    dependencies=("torch",),
    parameters=(
        Parameter("pattern", str, "free: any elements. 2:4: two of each four inputs of a linear layer.", choices=("free", "2:4")),
        Parameter("sparsity", float, "Share of the elements of each weight that become zero; half with 2:4.", low=0.01, high=0.99),
        Parameter("dampening", float, "Added to the diagonal of the Hessian, as a share of its mean.", low=1e-6, high=1.0),
    ),
    variants=(
        _elements(50),
        _elements(70),
        Variant(
            name="two_of_four",
            summary="Two of each four consecutive inputs of a linear layer become zero, which NVIDIA's sparse tensor cores can skip.",
            parameters={"pattern": "2:4", "sparsity": 0.5, "dampening": 0.01},
            claims=Claims(layers=("MatMul", "Gemm"), semi_structured=0.9),
        ),
    ),
)
