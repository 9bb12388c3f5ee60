"""Loads and runs the components of a model. Only the worker imports this, so it may import what it likes."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime

from suite.contracts import NotApplicable

Array = np.ndarray[Any, np.dtype[Any]]


class Runner:
    """Loaded components, ready to run. Raises NotApplicable for a file that this runtime has no means to run."""

    def __init__(self, files: Mapping[str, Path], settings: Mapping[str, Any]) -> None:
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = int(settings["threads"])
        options.log_severity_level = 3
        try:
            self.sessions = {
                name: onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"]) for name, path in files.items()
            }
        except onnxruntime.capi.onnxruntime_pybind11_state.NotImplemented as error:
            raise NotApplicable(f"ONNX Runtime has no kernel for this model: {error}") from error

    def run(self, component: str, inputs: Mapping[str, Array]) -> dict[str, Array]:
        """Outputs by name, computed when this returns: where the device works on by itself, wait for it here."""
        session = self.sessions[component]
        names = [output.name for output in session.get_outputs()]
        return dict(zip(names, session.run(names, dict(inputs)), strict=True))
