"""The identity."""

from collections.abc import Mapping

import onnx

from suite.contracts import Context, Value


def apply(parts: Mapping[str, onnx.ModelProto], parameters: Mapping[str, Value], context: Context) -> dict[str, onnx.ModelProto]:
    """The parts as they are."""
    return dict(parts)
