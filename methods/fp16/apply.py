"""ONNX Runtime's `convert_float_to_float16`."""

from collections.abc import Mapping

import numpy as np
import onnx
from onnx import numpy_helper
from onnxruntime.transformers.float16 import convert_float_to_float16
from onnxruntime.transformers.onnx_model import OnnxModel

from suite.contracts import Context, NotApplicable, Value
from suite.graph import editable, initializers, library, nodes

LARGEST = float(np.finfo(np.float16).max)


def _check_range(model: onnx.ModelProto, component: str) -> None:
    """Raises NotApplicable if a weight does not fit. A mask's -1e38 may become fp16's lowest number, which masks as well."""
    known = initializers(model)
    for name in sorted({node.input[1] for node in nodes(model) if node.op_type in ("MatMul", "Gemm", "Conv")} & set(known)):
        largest = np.abs(numpy_helper.to_array(known[name]).astype(np.float64)).max(initial=0)
        if largest > LARGEST:
            raise NotApplicable(f"the weight {name!r} of {component} holds {largest:g}, and fp16 ends at {LARGEST:g}")


def apply(parts: Mapping[str, onnx.ModelProto], parameters: Mapping[str, Value], context: Context) -> dict[str, onnx.ModelProto]:
    """Converts copies of the parts; a component's inputs and outputs keep the dtypes that its card gives them."""
    halves = {}
    for name, model in parts.items():
        _check_range(model, name)
        with library(context.scratch):
            half = OnnxModel(convert_float_to_float16(editable(model), keep_io_types=True))
            half.topological_sort(is_deterministic=True)
        halves[name] = half.model
    return halves
