"""Round-to-nearest on eight levels, the counterpart of GPTQ with 3 bits."""

from collections.abc import Mapping

import onnx

from suite.contracts import Context, NotApplicable, Value
from suite.surgery.grids import Grid, matrices, round_to_nearest, store, with_matmuls


def apply(parts: Mapping[str, onnx.ModelProto], parameters: Mapping[str, Value], context: Context) -> dict[str, onnx.ModelProto]:
    """Every MatMul and Gemm with a constant weight becomes a MatMulNBits; NotApplicable if there is none."""
    grid = Grid(bits=3, block=int(parameters["block_size"]))
    rounded = {name: with_matmuls(model) for name, model in parts.items()}
    found = {name: matrices(model) for name, model in rounded.items()}
    if not any(found.values()):
        raise NotApplicable(f"there is no constant weight of a MatMul or Gemm in {', '.join(parts)}")
    for name, model in rounded.items():
        store(model, {weight: round_to_nearest(array, grid) for weight, array in found[name].items()}, int(parameters["accuracy_level"]))
    return rounded
