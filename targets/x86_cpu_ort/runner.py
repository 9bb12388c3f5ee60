"""Runs ONNX files with ONNX Runtime's CPU execution provider. Needs numpy and onnxruntime only."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime

Array = np.ndarray[Any, np.dtype[Any]]

LEVELS = {
    "off": onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL,
    "basic": onnxruntime.GraphOptimizationLevel.ORT_ENABLE_BASIC,
    "all": onnxruntime.GraphOptimizationLevel.ORT_ENABLE_ALL,
}


class Runner:
    """Loaded components. Raises onnxruntime's own errors for a file that is no model.

    spinning, of the settings: whether threads of a pool wait for work with open eyes; each component has a pool of its own.
    """

    def __init__(self, files: Mapping[str, Path], settings: Mapping[str, Any]) -> None:
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = int(settings["threads"])
        options.inter_op_num_threads = 1
        options.graph_optimization_level = LEVELS[settings["graph_optimization"]]
        options.log_severity_level = 3
        options.add_session_config_entry("session.intra_op.allow_spinning", str(int(bool(settings.get("spinning", True)))))
        self.sessions = {
            name: onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"]) for name, path in files.items()
        }
        self.outputs = {name: [output.name for output in session.get_outputs()] for name, session in self.sessions.items()}

    def run(self, component: str, inputs: Mapping[str, Array]) -> dict[str, Array]:
        """Outputs by name, computed when this returns."""
        names = self.outputs[component]
        return dict(zip(names, self.sessions[component].run(names, inputs), strict=True))
