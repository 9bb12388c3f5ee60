"""SmoothQuant (2211.10438) by ONNX Runtime's `quantize_static`."""

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

import numpy as np
import onnx
from onnxruntime.quantization import CalibrationMethod, QuantFormat, QuantType, quantize_static

from methods.smoothquant.smooth import Place, Smoother, factors
from suite.contracts import Context, NotApplicable, Value
from suite.graph import Array, editable, library
from suite.surgery.probe import Probe, calibration


class Reader:
    """What `quantize_static` pulls its calibration inputs from; it asks for a `get_next`, not for a base class."""

    def __init__(self, feeds: Iterable[Mapping[str, Any]]) -> None:
        self._feeds: Iterator[Mapping[str, Any]] = iter(feeds)

    def get_next(self) -> dict[str, Any] | None:
        """The next inputs by name, or None at the end."""
        return dict(found) if (found := next(self._feeds, None)) is not None else None


def largest(model: onnx.ModelProto, component: str, places: Iterable[Place], feeds: Iterable[Mapping[str, Array]]) -> dict[str, Array]:
    """The largest |activation| in each channel of each place over the calibration items, by tensor: shape (channels,)."""
    tensors = [place.tensor for place in places]
    found: dict[str, Array] = {}
    probe = Probe(model, component, tensors)
    for feed in feeds:
        for tensor, array in zip(tensors, probe.run(feed, tensors), strict=True):
            peak = np.abs(array).reshape(-1, array.shape[-1]).max(axis=0, initial=0)
            found[tensor] = np.maximum(found.get(tensor, 0), peak)
    return found


def smooth(model: onnx.ModelProto, component: str, feeds: Iterable[Mapping[str, Array]], alpha: float) -> tuple[onnx.ModelProto, int]:
    """A copy that computes the same with smoother activations, and how many tensors were smoothed in it."""
    copy = editable(model)
    smoother = Smoother(copy)
    places = smoother.places()
    peaks = largest(model, component, places, feeds) if places else {}
    for place in places:
        smoother.divide(place, factors(peaks[place.tensor], place.magnitudes(), alpha))
    smoother.finish()
    return copy, len(places)


def apply(parts: Mapping[str, onnx.ModelProto], parameters: Mapping[str, Value], context: Context) -> dict[str, onnx.ModelProto]:
    """Smooths each part and quantizes it; a part with nothing to smooth is quantized as it is. NotApplicable if that is every part."""
    quantized, smoothed = {}, 0
    for name, model in parts.items():
        feeds = calibration(context, name, int(parameters["items"]))
        copy, places = smooth(model, name, feeds, float(parameters["alpha"]))
        smoothed, path = smoothed + places, context.scratch / f"{name}.smoothquant.onnx"
        with library(context.scratch):
            quantize_static(
                copy,
                path,
                Reader(feeds),
                quant_format=QuantFormat.QDQ,
                op_types_to_quantize=["MatMul", "Gemm", "Conv"],
                per_channel=True,
                activation_type=QuantType.QUInt8,
                weight_type=QuantType.QInt8,
                calibrate_method=CalibrationMethod.MinMax,
                extra_options={"MatMulConstBOnly": True},
            )
        quantized[name] = onnx.load(path)
    if not smoothed:
        raise NotApplicable(f"no linear layer that reads a normalization or another linear layer in {', '.join(parts)}")
    return quantized
