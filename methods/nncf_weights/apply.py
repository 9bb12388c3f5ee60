"""NNCF's compression of weights in the ONNX graphs that OpenVINO reads (https://github.com/openvinotoolkit/nncf)."""

import sys
from collections.abc import Mapping
from typing import Any

import onnx
from onnx import numpy_helper

from suite.contracts import Context, NotApplicable, Value
from suite.graph import Array, attribute, initializers, library, replace

NIBBLES = (onnx.TensorProto.INT4, onnx.TensorProto.UINT4)
OPSET = 21
"""The first in which DequantizeLinear knows blocks and 4-bit integers."""


def apply(parts: Mapping[str, bytes], parameters: Mapping[str, Value], context: Context) -> dict[str, bytes]:
    """Copies of the parts, the bytes of ONNX files, with a DequantizeLinear between each compressed weight and the layer that reads it.

    Convolutions over one axis stay as they are. A layer whose inputs are no multiple of the group gets 8 bits in place of 4. Raises
    NotApplicable where nothing can be had in 4 bits that was to be.
    """
    sys.modules["openvino_telemetry"] = None  # type: ignore[assignment]  # without it NNCF tells nobody that it is used
    import nncf
    from nncf.quantization.advanced_parameters import GroupSizeFallbackMode

    nncf.set_log_level(40)
    made, mode, narrow = {}, nncf.CompressWeightsMode(parameters["mode"]), False
    rest = nncf.AdvancedCompressionParameters(group_size_fallback_mode=GroupSizeFallbackMode.ADJUST)
    for name, data in parts.items():
        model = onnx.version_converter.convert_version(onnx.load_from_string(data), OPSET)
        with library(context.scratch):
            scope = nncf.IgnoredScope(names=_flat(model), validate=False)
            compressed = nncf.compress_weights(
                model, mode=mode, group_size=int(parameters["group_size"]), ignored_scope=scope, advanced_parameters=rest
            )
        _mend(compressed)
        narrow = narrow or any(tensor.data_type in NIBBLES for tensor in compressed.graph.initializer)
        made[name] = compressed.SerializeToString()
    if str(parameters["mode"]).startswith("int4") and not narrow:
        raise NotApplicable(f"{', '.join(parts)} have no linear layer whose rows divide into groups, other than the last")
    return made


def _flat(model: onnx.ModelProto) -> list[str]:
    """The convolutions over one axis: NNCF 3.4 writes a scale for each pair of channels there, which neither ONNX nor OpenVINO has."""
    known = initializers(model)
    convolutions = [node for node in model.graph.node if node.op_type == "Conv" and node.input[1] in known]
    return [node.name for node in convolutions if len(known[node.input[1]].dims) == 3]


def _mend(model: onnx.ModelProto) -> None:
    """Makes what NNCF 3.4 writes valid ONNX, in place: scales of a convolution are no vector, blocks of a transposed matrix lie on axis 0.

    OpenVINO reads blocks along axis 0 alone, so a Gemm with a transposed weight gets it as it multiplies.
    """
    known = initializers(model)
    new: dict[str, Array] = {}
    readers = {name: node for node in model.graph.node for name in node.input}
    for node in model.graph.node:
        if node.op_type != "DequantizeLinear" or node.input[0] not in known:
            continue
        arrays = {name: numpy_helper.to_array(known[name]) for name in node.input if name}
        if not attribute(node, "block_size", 0):
            new |= {name: array.reshape(-1) for name, array in arrays.items() if name != node.input[0] and array.ndim > 1}
        elif (reader := readers[node.output[0]]).op_type == "Gemm" and attribute(reader, "transB", 0):
            new |= {name: array.T for name, array in arrays.items()}
            _set(reader, "transB", 0)
    replace(model, new)


def _set(node: onnx.NodeProto, name: str, value: Any) -> None:
    (found,) = (each for each in node.attribute if each.name == name)
    found.CopyFrom(onnx.helper.make_attribute(name, value))
