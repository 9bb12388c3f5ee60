"""Runs ExecuTorch programs with the XNNPACK kernels on the CPU. Needs numpy, torch and executorch only."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch
from executorch.extension.pybindings.portable_lib import _threadpool_get_thread_count, _unsafe_reset_threadpool
from executorch.runtime import Runtime

from suite.contracts import NotApplicable

Array = np.ndarray[Any, np.dtype[Any]]

NAMES = "tensor_names"


class Runner:
    """Loaded components. Raises NotApplicable where ExecuTorch does not take the number of threads; a call of other lengths than the
    program's raises it too."""

    def __init__(self, files: Mapping[str, Path], settings: Mapping[str, Any]) -> None:
        threads, runtime = int(settings["threads"]), Runtime.get()
        _unsafe_reset_threadpool(threads)
        if (used := _threadpool_get_thread_count()) != threads:
            raise NotApplicable(f"ExecuTorch has {used} threads here, not {threads}")
        self.methods, self.names, self.shapes = {}, {}, {}
        self.programs = {name: runtime.load_program(Path(path)) for name, path in files.items()}
        for name, program in self.programs.items():
            method, told = program.load_method("forward"), program.load_method(NAMES)
            self.methods[name] = method
            self.names[name] = names = json.loads(bytes(told.execute([])[0].tolist()))
            metadata = method.metadata
            self.shapes[name] = {each: tuple(metadata.input_tensor_meta(at).sizes()) for at, each in enumerate(names["inputs"])}

    def run(self, component: str, inputs: Mapping[str, Array]) -> dict[str, Array]:
        """Outputs by name, computed when this returns, in memory of their own."""
        names = self.names[component]
        for name, shape in self.shapes[component].items():
            if inputs[name].shape != shape:
                raise NotApplicable(f"the program of {component} has fixed lengths: {name} is {shape}, not {inputs[name].shape}")
        found = self.methods[component].execute([_tensor(inputs[name]) for name in names["inputs"]])
        return {name: output.numpy().copy() for name, output in zip(names["outputs"], found, strict=True)}


def _tensor(array: Array) -> torch.Tensor:
    """The same memory where torch can have it."""
    return torch.from_numpy(array if array.flags.writeable and array.flags.c_contiguous else array.copy())
