"""Runs LiteRT models on an Edge TPU. Needs numpy, ai-edge-litert, Coral's compiler and its delegate."""

import subprocess
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from ai_edge_litert import schema_py_generated as schema
from ai_edge_litert.interpreter import Interpreter, load_delegate

from suite.contracts import NotApplicable
from targets.edge_tpu_litert import COMPILER, DELEGATE

Array = np.ndarray[Any, np.dtype[Any]]

CUSTOM = "edgetpu-custom-op"
"""The operator that stands for everything that the compiler has mapped to the accelerator."""
SECONDS = 600.0
_HOST = frozenset({schema.BuiltinOperator.QUANTIZE, schema.BuiltinOperator.DEQUANTIZE})
"""What the host may do: it turns what goes in and comes out into 8 bits and back."""


class Runner:
    """Loaded components. Raises NotApplicable for a quantized file that the compiler leaves in part to the host, or without a device."""

    def __init__(self, files: Mapping[str, Path], settings: Mapping[str, Any]) -> None:
        self.models = {name: _loaded(Path(path), int(settings["threads"])) for name, path in files.items()}
        self.signatures = {name: model.get_signature_runner() for name, model in self.models.items()}
        self.types = {
            name: {each: told["dtype"] for each, told in signature.get_input_details().items()}
            for name, signature in self.signatures.items()
        }

    def run(self, component: str, inputs: Mapping[str, Array]) -> dict[str, Array]:
        """Outputs by name, computed when this returns. Integers are narrowed to the 32 bits that the converter gives them."""
        given = {name: inputs[name].astype(dtype, copy=False) for name, dtype in self.types[component].items()}
        return dict(self.signatures[component](**given))


def _loaded(path: Path, threads: int) -> Interpreter:
    model = _read(path)
    if not any(tensor.type == schema.TensorType.INT8 for graph in model.subgraphs for tensor in graph.tensors):
        interpreter = Interpreter(model_path=str(path), num_threads=threads)
    else:
        data = compiled(path)
        try:
            interpreter = Interpreter(model_content=data, experimental_delegates=[load_delegate(DELEGATE)])
        except (ValueError, OSError) as error:
            raise NotApplicable(f"no Edge TPU answers here: {error}") from error
    interpreter.allocate_tensors()
    return interpreter


def compiled(path: Path) -> bytes:
    """A quantized model, compiled for the accelerator. Raises NotApplicable where any of its arithmetic would stay on the host."""
    with tempfile.TemporaryDirectory() as room:
        command = [COMPILER, "--out_dir", room, str(path)]
        done = subprocess.run(command, capture_output=True, text=True, timeout=SECONDS, stdin=subprocess.DEVNULL)
        made = Path(room) / f"{path.stem}_edgetpu.tflite"
        if done.returncode or not made.is_file():
            last = (done.stderr.strip() or done.stdout.strip() or f"it exited with {done.returncode}").splitlines()[-1]
            raise NotApplicable(f"the Edge TPU's compiler does not take {path.name}: {last}")
        data = made.read_bytes()
        left = [code for code in _read(made).operatorCodes if not _mapped(code)]
    if left:
        raise NotApplicable(f"the Edge TPU's compiler leaves {len(left)} kinds of operators of {path.name} to the host's processor")
    return data


def _mapped(code: Any) -> bool:
    if code.customCode is not None:
        return bytes(code.customCode) == CUSTOM.encode()
    return max(code.builtinCode, code.deprecatedBuiltinCode) in _HOST


def _read(path: Path) -> Any:
    return schema.ModelT.InitFromPackedBuf(path.read_bytes(), 0)
