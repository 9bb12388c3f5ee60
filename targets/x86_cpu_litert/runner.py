"""Runs LiteRT models with the XNNPACK kernels on the CPU. Needs numpy and ai-edge-litert only."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from ai_edge_litert.interpreter import Interpreter

from suite.contracts import NotApplicable

Array = np.ndarray[Any, np.dtype[Any]]


class Runner:
    """Loaded components. Raises ValueError for a file that is no model; a call of other lengths than the file's raises NotApplicable."""

    def __init__(self, files: Mapping[str, Path], settings: Mapping[str, Any]) -> None:
        self.models = {name: Interpreter(model_path=str(path), num_threads=int(settings["threads"])) for name, path in files.items()}
        self.inputs, self.outputs = {}, {}
        for name, model in self.models.items():
            model.allocate_tensors()
            signature = model.get_signature_runner()
            self.inputs[name] = {
                each: (told["index"], told["dtype"], tuple(told["shape"])) for each, told in signature.get_input_details().items()
            }
            self.outputs[name] = {each: told["index"] for each, told in signature.get_output_details().items()}

    def run(self, component: str, inputs: Mapping[str, Array]) -> dict[str, Array]:
        """Outputs by name, computed when this returns. Integers are narrowed to the 32 bits that the converter gives them."""
        model = self.models[component]
        for name, (index, dtype, shape) in self.inputs[component].items():
            if inputs[name].shape != shape:
                raise NotApplicable(f"the LiteRT model of {component} has fixed lengths: {name} is {shape}, not {inputs[name].shape}")
            model.set_tensor(index, inputs[name].astype(dtype, copy=False))
        model.invoke()
        return {name: model.get_tensor(index) for name, index in self.outputs[component].items()}
