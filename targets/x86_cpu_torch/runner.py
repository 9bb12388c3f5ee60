"""Runs programs of torch.export on the CPU, as they are or compiled by AOTInductor. Needs numpy and torch only."""

import hashlib
import importlib
import json
import os
import platform
import tempfile
import warnings
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch

from suite.contracts import NotApplicable

Array = np.ndarray[Any, np.dtype[Any]]

TENSORS = "tensors.json"


class Runner:
    """Loaded components. Raises NotApplicable for a program that calls operators of a library which is not here.

    A program is loaded by `torch.export.load`, which runs code that a file has in a pickle: the audit has refused every file with one.
    """

    def __init__(self, files: Mapping[str, Path], settings: Mapping[str, Any]) -> None:
        torch.set_num_threads(int(settings["threads"]))
        warnings.simplefilter("ignore")  # deprecations inside torch's own loader
        self.programs, self.tensors = {}, {}
        for name, path in files.items():
            _extend(Path(path))
            extra = {TENSORS: ""}
            program = torch.export.load(path, extra_files=extra)
            self.tensors[name] = tensors = json.loads(extra[TENSORS])
            if settings["compile"] == "inductor":
                self.programs[name] = _compiled(Path(path), program, tensors["example"], int(settings["threads"]))
            else:
                self.programs[name] = program.module()

    def run(self, component: str, inputs: Mapping[str, Array]) -> dict[str, Array]:
        """Outputs by name, computed when this returns."""
        tensors = self.tensors[component]
        given = [_tensor(inputs[name]) for name in tensors["inputs"]]
        with torch.inference_mode():
            found = self.programs[component](*given)
        outputs = found if isinstance(found, tuple | list) else (found,)
        return {name: output.numpy() for name, output in zip(tensors["outputs"], outputs, strict=True)}


def _tensor(array: Array) -> torch.Tensor:
    """The same memory where torch can have it."""
    return torch.from_numpy(array if array.flags.writeable and array.flags.c_contiguous else array.copy())


def _extend(path: Path) -> None:
    """Registers the operators of torchao where a program calls them."""
    with zipfile.ZipFile(path) as archive:
        graphs = [archive.read(name) for name in archive.namelist() if "/models/" in name]
    if any(b"torch.ops.torchao." in graph for graph in graphs):
        try:
            importlib.import_module("torchao")
        except ImportError as error:
            raise NotApplicable(f"{path.name} calls operators of torchao, which is not here: pip install 'squeezemark[torchao]'") from error


def _compiled(path: Path, program: torch.export.ExportedProgram, example: list[dict[str, Any]], threads: int) -> Any:
    """The program as machine code. It is compiled once for each content, version of torch and machine, and kept for later launches."""
    machine = (torch.__version__, platform.node(), torch.backends.cpu.get_cpu_capability(), threads)
    folder = _folder()
    kept = folder / f"{hashlib.sha256(path.read_bytes() + repr(machine).encode()).hexdigest()}.pt2"
    if not kept.is_file():
        given = tuple(torch.zeros(tensor["shape"], dtype=getattr(torch, tensor["dtype"])) for tensor in example)
        program.example_inputs = (given, {})
        with tempfile.TemporaryDirectory(dir=folder) as room:
            made = Path(room) / kept.name
            torch._inductor.aoti_compile_and_package(program, package_path=str(made), inductor_configs={"cpp.threads": threads})
            made.rename(kept)
    return torch._inductor.aoti_load_package(str(kept))


def _folder() -> Path:
    """Where compiled programs are kept: nobody else may write there, since what lies in it is run."""
    base = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    folder = base / "squeezemark" / "inductor"
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    return folder
