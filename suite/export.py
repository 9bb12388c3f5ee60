"""From a torch module to ONNX: one graph per component, dynamic batch, nothing of this machine in it."""

import logging
import warnings
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import torch

from suite.contracts import Component
from suite.errors import CellFailed

Array = np.ndarray[Any, np.dtype[Any]]

OPSET = 20
TOLERANCE = 1e-3
LARGEST_BATCH = 4096


def export(module: torch.nn.Module, component: Component, example: Mapping[str, Array], path: Path) -> None:
    """Writes `path`. `example` holds the component's inputs with batch 2, each an array of its own.

    Raises CellFailed (`export_failed`) if torch cannot export the module or the graph answers otherwise than the module does.
    """
    arguments = tuple(torch.from_numpy(np.array(example[tensor.name])) for tensor in component.inputs)
    try:
        _export(module.eval(), component, arguments, path)
    except Exception as error:
        lines = str(error).strip().splitlines() or [""]
        raise CellFailed("export_failed", f"torch.onnx.export of {component.name!r} raised {type(error).__name__}: {lines[0]}") from error
    _strip(path)
    _check_parity(module, component, arguments, path)


def _export(module: torch.nn.Module, component: Component, arguments: tuple[torch.Tensor, ...], path: Path) -> None:
    logging.getLogger("torch.onnx").setLevel(logging.ERROR)  # it tells at length that torchvision is not there
    batch = torch.export.Dim("batch", min=1, max=LARGEST_BATCH)
    with warnings.catch_warnings(), torch.no_grad():
        warnings.simplefilter("ignore")  # deprecations inside torch's own exporter
        torch.onnx.export(
            module,
            arguments,
            str(path),
            input_names=[tensor.name for tensor in component.inputs],
            output_names=[tensor.name for tensor in component.outputs],
            dynamic_shapes=tuple({0: batch} for _ in arguments),
            opset_version=OPSET,
            dynamo=True,
            external_data=False,
            verbose=False,
        )


def _strip(path: Path) -> None:
    """Removes stack traces (they name this machine's folders) and inferred shapes (they confuse onnxruntime's quantizers)."""
    model = onnx.load(path)
    del model.metadata_props[:]
    del model.graph.value_info[:]
    del model.graph.metadata_props[:]
    for thing in (*model.graph.node, *model.graph.initializer, *model.graph.input, *model.graph.output):
        thing.doc_string = ""
        del thing.metadata_props[:]
    onnx.save(model, path)


def _check_parity(module: torch.nn.Module, component: Component, arguments: tuple[torch.Tensor, ...], path: Path) -> None:
    import onnxruntime

    session = onnxruntime.InferenceSession(str(path), providers=["CPUExecutionProvider"])
    for batch in (1, 2):
        feed = {tensor.name: argument[:batch].numpy() for tensor, argument in zip(component.inputs, arguments, strict=True)}
        with torch.no_grad():
            wanted = module(*(torch.from_numpy(feed[tensor.name]) for tensor in component.inputs))
        wanted = wanted if isinstance(wanted, tuple) else (wanted,)
        for found, expected in zip(session.run(None, feed), wanted, strict=True):
            if found.shape != expected.shape or not np.allclose(found, expected.numpy(), rtol=TOLERANCE, atol=TOLERANCE):
                raise CellFailed("export_failed", f"the exported graph of {component.name!r} does not answer as the module does")
