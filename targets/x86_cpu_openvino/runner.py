"""Runs ONNX files with OpenVINO on the CPU. Needs numpy and openvino only."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import openvino

from suite.contracts import NotApplicable

Array = np.ndarray[Any, np.dtype[Any]]


class Runner:
    """Loaded components. Raises NotApplicable for an operator or a precision that OpenVINO does not have here."""

    def __init__(self, files: Mapping[str, Path], settings: Mapping[str, Any]) -> None:
        core, wanted = openvino.Core(), str(settings["inference_precision"])
        config = {
            "INFERENCE_NUM_THREADS": int(settings["threads"]),
            "NUM_STREAMS": 1,
            "PERFORMANCE_HINT": str(settings["performance_hint"]),
            "INFERENCE_PRECISION_HINT": wanted,
            "ENABLE_CPU_PINNING": False,
        }
        self.requests, self.outputs = {}, {}
        for name, path in files.items():
            try:
                model = core.read_model(path)
                self.outputs[name] = [sorted(output.get_names()) for output in model.outputs]  # compiled, it has more names
                compiled = core.compile_model(model, "CPU", config)
            except RuntimeError as error:
                raise NotApplicable(f"OpenVINO cannot run {Path(path).name}: {_told(error)}") from error
            used = compiled.get_property("INFERENCE_PRECISION_HINT").to_string()
            if used != wanted:
                raise NotApplicable(f"OpenVINO computes in {used} on this processor, not in {wanted}")
            self.requests[name] = compiled.create_infer_request()

    def run(self, component: str, inputs: Mapping[str, Array]) -> dict[str, Array]:
        """Outputs by each name that the file gives them, computed when this returns."""
        request = self.requests[component]
        request.infer(dict(inputs), share_inputs=True)
        found: dict[str, Array] = {}
        for index, names in enumerate(self.outputs[component]):
            array = np.array(request.get_output_tensor(index).data)
            found |= dict.fromkeys(names, array)
        return found


def _told(error: Exception) -> str:
    """What OpenVINO says went wrong: the last line of its message that is a sentence of its own."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    named = [
        line for line in lines if "not supported" in line.lower() or "unsupported" in line.lower() or "not implemented" in line.lower()
    ]
    return (named or lines or [type(error).__name__])[-1][:300]
