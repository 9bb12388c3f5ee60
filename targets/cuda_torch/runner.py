"""Runs programs of torch.export on an NVIDIA GPU: operator by operator, replayed as CUDA graphs, or compiled. Needs numpy and torch."""

import importlib
import itertools
import json
import warnings
import zipfile
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch.export.passes import move_to_device_pass

from suite.contracts import NotApplicable

Array = np.ndarray[Any, np.dtype[Any]]
Call = Callable[..., Any]

TENSORS = "tensors.json"
MODES = ("eager", "graphs", "compile")
SHAPES = 64
"""CUDA graphs that are kept of a component, one for each set of lengths: each holds memory of its own. Other lengths run as they are."""
WARM_UP = 3
"""Runs on a stream of their own before a graph is captured, as torch asks for: libraries allocate in their first calls."""


class Runner:
    """Loaded components. Raises torch.cuda.OutOfMemoryError where the GPU's memory does not suffice.

    A program is loaded by `torch.export.load`, which runs code that a file has in a pickle: the audit has refused every file with one.
    Raises NotApplicable for a program that calls operators of a library which is not here.
    """

    def __init__(self, files: Mapping[str, Path], settings: Mapping[str, Any], *devices: str) -> None:
        """settings: `mode` is one of MODES. devices: others than the GPUs of the settings, for tests on a machine without them."""
        torch.set_num_threads(int(settings["threads"]))
        torch.backends.cuda.matmul.allow_tf32 = torch.backends.cudnn.allow_tf32 = bool(settings["tf32"])
        warnings.simplefilter("ignore")  # deprecations inside torch's own loader
        gpus = devices or _gpus(settings)
        self.devices = {name: torch.device(gpu) for name, gpu in zip(files, itertools.cycle(gpus), strict=False)}
        self.programs: dict[str, torch.nn.Module] = {}
        self.calls: dict[str, Call] = {}
        self.tensors = {}
        for name, path in files.items():
            _extend(Path(path))
            extra = {TENSORS: ""}
            program = torch.export.load(path, extra_files=extra)
            self.tensors[name] = json.loads(extra[TENSORS])
            self.programs[name] = module = move_to_device_pass(program, self.devices[name]).module()
            self.calls[name] = _callable(module, str(settings["mode"]))

    def run(self, component: str, inputs: Mapping[str, Array]) -> dict[str, Array]:
        """Outputs by name, computed and copied back when this returns: copying waits for the GPU, and is what a caller waits for."""
        with torch.inference_mode():
            found = self.calls[component](*self._given(component, inputs))
        outputs = found if isinstance(found, tuple | list) else (found,)
        return {name: output.cpu().numpy() for name, output in zip(self.tensors[component]["outputs"], outputs, strict=True)}

    def device_ns(self, component: str, inputs: Mapping[str, Array]) -> int:
        """Nanoseconds between two CUDA events around a call: from its first kernel to the end of its last, on an idle GPU and without
        copies. What the processor takes to launch kernels is in it where the GPU has to wait for that."""
        given = self._given(component, inputs)
        first, last = (torch.cuda.Event(enable_timing=True) for _ in range(2))  # type: ignore[no-untyped-call]
        with torch.cuda.device(self.devices[component]), torch.inference_mode():
            torch.cuda.synchronize()
            first.record()
            self.calls[component](*given)
            last.record()
            last.synchronize()
        return int(1e6 * first.elapsed_time(last))

    def _given(self, component: str, inputs: Mapping[str, Array]) -> list[torch.Tensor]:
        """The inputs on the component's device, in their order."""
        device, names = self.devices[component], self.tensors[component]["inputs"]
        return [torch.from_numpy(np.array(inputs[name])).to(device, non_blocking=True) for name in names]


def _gpus(settings: Mapping[str, Any]) -> list[str]:
    """Those that components are placed on in turn: the one of the settings, or with the `placement` "spread" every one that is here."""
    if settings.get("placement") == "spread":
        return [f"cuda:{index}" for index in range(torch.cuda.device_count())]
    return [f"cuda:{settings['device']}"]


def _callable(module: torch.nn.Module, mode: str) -> Call:
    """What is called in a mode of MODES."""
    if mode == "graphs":
        return Replayed(module)
    return torch.compile(module) if mode == "compile" else module


class Replayed:
    """A program whose kernels are recorded at the first call with some lengths and launched as one from then on (CUDA graphs).

    What it returns is overwritten by the next call of the same lengths. Raises RuntimeError for a program that waits for the GPU inside.
    """

    def __init__(self, program: Call) -> None:
        self.program = program
        self.kept: dict[tuple[Any, ...], tuple[torch.cuda.CUDAGraph, tuple[torch.Tensor, ...], Any]] = {}

    def __call__(self, *given: torch.Tensor) -> Any:
        """Outputs for tensors that are on the GPU."""
        lengths = tuple((tensor.dtype, tuple(tensor.shape)) for tensor in given)
        if lengths not in self.kept:
            if len(self.kept) == SHAPES:
                return self.program(*given)
            self.kept[lengths] = self._captured(given)
        graph, places, outputs = self.kept[lengths]
        for place, tensor in zip(places, given, strict=True):
            place.copy_(tensor)
        graph.replay()
        return outputs

    def _captured(self, given: tuple[torch.Tensor, ...]) -> tuple[torch.cuda.CUDAGraph, tuple[torch.Tensor, ...], Any]:
        """The graph, the tensors that it reads, and what it writes."""
        places = tuple(tensor.clone() for tensor in given)
        aside = torch.cuda.Stream()  # type: ignore[no-untyped-call]
        aside.wait_stream(torch.cuda.current_stream())
        with torch.cuda.stream(aside):
            for _ in range(WARM_UP):
                self.program(*places)
        torch.cuda.current_stream().wait_stream(aside)
        graph = torch.cuda.CUDAGraph()
        with torch.cuda.graph(graph):
            outputs = self.program(*places)
        return graph, places, outputs


def _extend(path: Path) -> None:
    """Registers the operators of torchao where a program calls them."""
    with zipfile.ZipFile(path) as archive:
        graphs = [archive.read(name) for name in archive.namelist() if "/models/" in name]
    if any(b"torch.ops.torchao." in graph for graph in graphs):
        try:
            importlib.import_module("torchao")
        except ImportError as error:
            raise NotApplicable(f"{path.name} calls operators of torchao, which is not here: pip install 'squeezemark[torchao]'") from error
