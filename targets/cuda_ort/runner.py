"""Runs ONNX files with one of ONNX Runtime's providers for NVIDIA GPUs. Needs numpy and onnxruntime-gpu only."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime

from suite.contracts import NotApplicable

Array = np.ndarray[Any, np.dtype[Any]]

ON_THE_GPU = "session.disable_cpu_ep_fallback"
"""Without it ONNX Runtime silently gives to the processor what a provider does not have."""


class Runner:
    """Loaded components. Raises NotApplicable for a graph that the provider cannot run whole, and where it is not there after all."""

    def __init__(self, files: Mapping[str, Path], settings: Mapping[str, Any]) -> None:
        provider = str(settings["provider"])
        if provider not in onnxruntime.get_available_providers():
            raise NotApplicable(f"this build of onnxruntime has no {provider}")
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = options.inter_op_num_threads = int(settings["threads"])
        options.log_severity_level = 3
        options.add_session_config_entry(ON_THE_GPU, "1")
        wanted = [(provider, _options(provider, settings))]
        self.sessions = {}
        for name, path in files.items():
            try:
                self.sessions[name] = onnxruntime.InferenceSession(str(path), options, providers=wanted)
            except RuntimeError as error:
                raise NotApplicable(f"{provider} cannot run all of {Path(path).name}: {' '.join(str(error).split())[:300]}") from error
            used = self.sessions[name].get_providers()
            if provider not in used:
                raise NotApplicable(f"{provider} was asked for and {', '.join(used)} came: its libraries could not be loaded")
        self.outputs = {name: [output.name for output in session.get_outputs()] for name, session in self.sessions.items()}

    def run(self, component: str, inputs: Mapping[str, Array]) -> dict[str, Array]:
        """Outputs by name, computed and copied back when this returns: what a caller waits for."""
        names = self.outputs[component]
        return dict(zip(names, self.sessions[component].run(names, dict(inputs)), strict=True))


def _options(provider: str, settings: Mapping[str, Any]) -> dict[str, str]:
    """Of the CUDA provider; TensorRT, which has another name for the device alone, takes that one."""
    if provider == "CUDAExecutionProvider":
        return {"device_id": str(settings["device"]), "use_tf32": str(int(bool(settings["tf32"]))), "cudnn_conv_algo_search": "EXHAUSTIVE"}
    allowed = {"trt_fp16_enable": str(settings["fp16"]), "trt_sparsity_enable": str(settings["sparsity"])}
    return {"device_id": str(settings["device"]), **allowed}
