"""Weight-only 3-bit round-to-nearest quantization."""

from suite.contracts import Claims, MethodCard, Parameter, Variant

CARD = MethodCard(
    name="int3_rtn",
    title="int3 round-to-nearest",
    summary="MatMul and Gemm weights rounded to 8 levels, a scale for each block of inputs; stored in 4 bits, so no smaller than int4.",
    family="quantization",
    stage="graph",
    division="data-free",
    paper="2212.09720",
    dependencies=("onnxruntime",),
    parameters=(
        Parameter("block_size", int, "Consecutive inputs of an output feature that share a scale.", choices=(16, 32, 64, 128, 256)),
        Parameter("accuracy_level", int, "Least precision of the sums: 1 fp32, 4 int8 (the fastest on a CPU).", choices=(1, 4)),
    ),
    variants=(
        Variant(
            name="block_32",
            summary="8 levels, a scale for each 32 inputs, stored in 4 bits: ONNX Runtime's CPU kernels have no 3-bit weights.",
            parameters={"block_size": 32, "accuracy_level": 4},
            claims=Claims(layers=("MatMul", "Gemm"), weight_bits=4, coverage=0.9, operators=("MatMulNBits",)),
        ),
    ),
)
