"""GPTQ: weight-only quantization that lets later weights make up for the rounding of earlier ones."""

from suite.contracts import Claims, MethodCard, Parameter, Variant


def _variant(bits: int, summary: str) -> Variant:
    return Variant(
        name=f"int{bits}_block_32",
        summary=summary,
        parameters={"bits": bits, "block_size": 32, "items": 128, "dampening": 0.01, "act_order": True, "accuracy_level": 4},
        claims=Claims(layers=("MatMul", "Gemm"), weight_bits=4, coverage=0.9, operators=("MatMulNBits",)),
    )


CARD = MethodCard(
    name="gptq",
    title="GPTQ rounding",
    summary="The grid of round-to-nearest, but each MatMul and Gemm is rounded so that its outputs on calibration items change less.",
    family="quantization",
    stage="graph",
    division="calibration",
    paper="2210.17323",
    dependencies=("onnxruntime",),
    parameters=(
        Parameter("bits", int, "Levels: 2 to the power of this. 3 bits are stored in 4.", choices=(3, 4)),
        Parameter("block_size", int, "Consecutive inputs of an output feature that share a scale.", choices=(16, 32, 64, 128, 256)),
        Parameter("items", int, "Calibration items, at most.", low=1, high=4096),
        Parameter("dampening", float, "Added to the diagonal of the Hessian, as a share of its mean.", low=1e-6, high=1.0),
        Parameter("act_order", bool, "Rounds the inputs with the largest activations first instead of in their order."),
        Parameter("accuracy_level", int, "Least precision of the sums: 1 fp32, 4 int8 (the fastest on a CPU).", choices=(1, 4)),
    ),
    variants=(
        _variant(4, "16 levels, a scale for each 32 inputs: 5 bits a weight, the file of int4_rtn/block_32 with other roundings."),
        _variant(3, "8 levels, a scale for each 32 inputs, stored in 4 bits: ONNX Runtime's CPU kernels have no 3-bit weights."),
    ),
)
