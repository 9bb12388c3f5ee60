"""Runs programs of torch.export on an NVIDIA GPU. Needs numpy and torch only."""

import json
import warnings
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch.export.passes import move_to_device_pass

Array = np.ndarray[Any, np.dtype[Any]]

TENSORS = "tensors.json"


class Runner:
    """Loaded components. Raises torch.cuda.OutOfMemoryError where the GPU's memory does not suffice.

    A program is loaded by `torch.export.load`, which runs code that a file has in a pickle: the audit has refused every file with one.
    """

    def __init__(self, files: Mapping[str, Path], settings: Mapping[str, Any], device: str | None = None) -> None:
        """device: another than the GPU of the settings, for tests on a machine without one."""
        torch.set_num_threads(int(settings["threads"]))
        torch.backends.cuda.matmul.allow_tf32 = torch.backends.cudnn.allow_tf32 = bool(settings["tf32"])
        warnings.simplefilter("ignore")  # deprecations inside torch's own loader
        self.device = torch.device(device or f"cuda:{settings['device']}")
        self.programs, self.tensors = {}, {}
        for name, path in files.items():
            extra = {TENSORS: ""}
            program = torch.export.load(path, extra_files=extra)
            self.tensors[name] = json.loads(extra[TENSORS])
            self.programs[name] = move_to_device_pass(program, self.device).module()

    def run(self, component: str, inputs: Mapping[str, Array]) -> dict[str, Array]:
        """Outputs by name, computed and copied back when this returns: copying waits for the GPU, and is what a caller waits for."""
        tensors = self.tensors[component]
        given = [torch.from_numpy(np.array(inputs[name])).to(self.device, non_blocking=True) for name in tensors["inputs"]]
        with torch.inference_mode():
            found = self.programs[component](*given)
        outputs = found if isinstance(found, tuple | list) else (found,)
        return {name: output.cpu().numpy() for name, output in zip(tensors["outputs"], outputs, strict=True)}
