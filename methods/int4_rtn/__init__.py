"""Weight-only 4-bit round-to-nearest quantization."""

from suite.contracts import Claims, MethodCard, Parameter, Variant

_CLAIMS = Claims(layers=("MatMul", "Gemm"), weight_bits=4, coverage=0.9, operators=("MatMulNBits",))

CARD = MethodCard(
    name="int4_rtn",
    title="int4 round-to-nearest",
    summary="The weights of MatMul and Gemm as 4-bit integers, rounded to nearest, a scale for each block of inputs; the rest stays fp32.",
    family="quantization",
    stage="graph",
    division="data-free",
    paper="2212.09720",
    dependencies=("onnxruntime", "onnx-ir", "ml-dtypes"),
    parameters=(
        Parameter("block_size", int, "Consecutive inputs of an output feature that share a scale.", choices=(16, 32, 64, 128, 256)),
        Parameter("accuracy_level", int, "Least precision of the sums: 1 fp32, 4 int8 (the fastest on a CPU).", choices=(1, 4)),
    ),
    variants=(
        Variant(
            name="block_32",
            summary="A scale for each 32 inputs: 5 bits a weight.",
            parameters={"block_size": 32, "accuracy_level": 4},
            claims=_CLAIMS,
        ),
        Variant(
            name="block_128",
            summary="A scale for each 128 inputs: 4.25 bits a weight.",
            parameters={"block_size": 128, "accuracy_level": 4},
            claims=_CLAIMS,
        ),
    ),
)
