"""NNCF's post-training quantization of the ONNX graphs that OpenVINO reads (https://github.com/openvinotoolkit/nncf)."""

import sys
from collections.abc import Mapping
from itertools import islice

import onnx

from suite.contracts import Context, Value
from suite.graph import library


def apply(parts: Mapping[str, bytes], parameters: Mapping[str, Value], context: Context) -> dict[str, bytes]:
    """Quantized copies of the parts, the bytes of ONNX files: QuantizeLinear and DequantizeLinear pairs around int8 weights."""
    sys.modules["openvino_telemetry"] = None  # type: ignore[assignment]  # without it NNCF tells nobody that it is used
    import nncf
    from nncf.quantization.advanced_parameters import AdvancedQuantizationParameters, OverflowFix

    nncf.set_log_level(40)
    made, items = {}, int(parameters["items"])
    kind = nncf.ModelType.TRANSFORMER if parameters["model_type"] == "transformer" else None
    advanced = AdvancedQuantizationParameters(overflow_fix=OverflowFix(parameters["overflow_fix"]))
    for name, model in parts.items():
        feeds = [dict(feed) for feed in islice(context.feeds(name), items)]
        with library(context.scratch):
            quantized = nncf.quantize(
                onnx.load_from_string(model), nncf.Dataset(feeds), subset_size=len(feeds), model_type=kind, advanced_parameters=advanced
            )
        made[name] = quantized.SerializeToString()
    return made
