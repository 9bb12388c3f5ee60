"""SmoothQuant (2211.10438) by ONNX Runtime's `quantize_static`."""

from collections.abc import Iterable, Mapping

import numpy as np
import onnx

from methods.smoothquant.smooth import Place, Smoother, factors
from suite.contracts import Context, NotApplicable, Value
from suite.graph import Array, editable
from suite.surgery.probe import Probe, calibration
from suite.surgery.static import quantize


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
        quantized[name] = quantize(copy, path, feeds, ("MatMul", "Gemm", "Conv"), float_outputs=bool(parameters["float_outputs"]))
    if not smoothed:
        raise NotApplicable(f"no linear layer that reads a normalization or another linear layer in {', '.join(parts)}")
    return quantized
