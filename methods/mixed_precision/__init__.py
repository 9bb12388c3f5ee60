"""Another width for each layer, by what each width does to the outputs."""

from suite.contracts import Claims, MethodCard, Parameter, Variant


def _variant(percent: int) -> Variant:
    return Variant(
        name=f"budget_{percent}",
        summary=f"4, 8 or 32 bits for each weight; all together, with their scales, take at most {percent} % of their bytes in fp32.",
        parameters={"budget": percent / 100, "block_size": 32, "items": 16, "accuracy_level": 4},
        claims=Claims(layers=("MatMul", "Gemm"), mean_bits=32 * percent / 100),
    )


CARD = MethodCard(
    name="mixed_precision",
    title="Mixed precision",
    summary="Measures what 4 and 8 bits in each MatMul and Gemm do to the outputs, then chooses the widths that hurt least in a budget.",
    family="quantization",
    stage="graph",
    division="calibration",
    paper="2006.10518",
    dependencies=("onnxruntime",),
    parameters=(
        Parameter("budget", float, "Bytes of the weights of MatMul and Gemm, as a share of what they take in fp32.", low=0.05, high=1.0),
        Parameter("block_size", int, "Consecutive inputs of an output feature that share a scale.", choices=(16, 32, 64, 128, 256)),
        Parameter("items", int, "Calibration items on which the outputs are compared.", low=1, high=4096),
        Parameter("accuracy_level", int, "Least precision of the sums: 1 fp32, 4 int8 (the fastest on a CPU).", choices=(1, 4)),
    ),
    variants=(_variant(20), _variant(30)),
)
