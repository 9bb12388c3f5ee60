"""What every cell of a model needs, made once in a process of its own: `python -m suite.prepare`.

Jobs: `baseline` exports the uncompressed components and notes what each is fed on the calibration split; `test` makes the test split.
"""

import importlib
import json
from collections.abc import Mapping
from pathlib import Path
from types import ModuleType
from typing import Any

import msgspec
import numpy as np

from suite import arrays
from suite.contracts import ModelCard
from suite.errors import CellFailed
from suite.hashing import hash_arrays
from suite.protocol import Job, Progress, serve

Array = np.ndarray[Any, np.dtype[Any]]
Arrays = Mapping[str, Array]

CALIBRATION_ITEMS = 128
CALIBRATION_SEED = 0


def baseline(job: Job, progress: Progress) -> dict[str, Any]:
    """Writes `<component>.onnx`, `<component>.feeds.npz` and `parts.json` to `job["out"]`."""
    from suite.audit import inspect
    from suite.export import export

    out, model = Path(job["out"]), plug_in(job, "")
    card: ModelCard = model.CARD
    network, task, data = (plug_in(job, name) for name in ("network", "task", "data"))
    modules = network.load(Path(next(iter(model.__path__))) / "weights.safetensors")
    feeds = record_feeds(card, modules, task, data.calibration(CALIBRATION_SEED, CALIBRATION_ITEMS))
    parts = {}
    for done, component in enumerate(card.components):
        progress(done, len(card.components), f"exporting {component.name}")
        example = {name: array[:2].reshape(2, *array.shape[2:]) for name, array in feeds[component.name].items()}
        export(modules[component.name], component, example, out / f"{component.name}.onnx")
        arrays.save(out / f"{component.name}.feeds.npz", feeds[component.name])
        parts[component.name] = msgspec.to_builtins(inspect(out / f"{component.name}.onnx"))
    (out / "parts.json").write_text(json.dumps(parts))
    return {}


def record_feeds(card: ModelCard, modules: Mapping[str, Any], task: ModuleType, inputs: Arrays) -> dict[str, dict[str, Array]]:
    """Component -> input -> what it was fed, shape (calls, 1, ...): at most CALIBRATION_ITEMS calls, evenly chosen."""
    import torch

    calls: dict[str, list[Arrays]] = {component.name: [] for component in card.components}

    def run(name: str, inputs: Arrays) -> dict[str, Array]:
        calls[name].append(inputs)
        component = card.component(name)
        outputs = modules[name](*(torch.from_numpy(np.ascontiguousarray(inputs[tensor.name])) for tensor in component.inputs))
        outputs = outputs if isinstance(outputs, tuple) else (outputs,)
        return {tensor.name: output.numpy() for tensor, output in zip(component.outputs, outputs, strict=True)}

    with torch.no_grad():
        task.predict(inputs, task.size(inputs), run, lambda done: None)
    feeds = {}
    for component in card.components:
        seen = calls[component.name]
        if len(seen) < 2:
            raise CellFailed("export_failed", f"the glue calls the component {component.name!r} less than twice on the calibration split")
        chosen = [seen[i] for i in np.linspace(0, len(seen) - 1, min(len(seen), CALIBRATION_ITEMS)).astype(int)]
        feeds[component.name] = {tensor.name: np.stack([call[tensor.name] for call in chosen]) for tensor in component.inputs}
    return feeds


def test(job: Job, progress: Progress) -> dict[str, Any]:
    """Writes `inputs.npz` and `labels.npz` of the test split of `job["seed"]` to `job["out"]`; the result has its content hash."""
    progress(0, 1, "making the test split")
    split, task, out = plug_in(job, "data").test(int(job["seed"])), plug_in(job, "task"), Path(job["out"])
    items = task.size(split.inputs)
    if items == 0:
        raise CellFailed("invalid_output", "the test split is empty")
    arrays.save(out / "inputs.npz", split.inputs)
    arrays.save(out / "labels.npz", split.labels)
    facts = {
        "sha256": hash_arrays({f"inputs/{n}": a for n, a in split.inputs.items()} | {f"labels/{n}": a for n, a in split.labels.items()}),
        "items": items,
    }
    (out / "test.json").write_text(json.dumps(facts))
    return {}


def plug_in(job: Job, module: str) -> ModuleType:
    """A module of the job's model, or ("") its package."""
    return importlib.import_module(f"suite.models.{job['model']}{'.' + module if module else ''}")


if __name__ == "__main__":
    serve({"baseline": baseline, "test": test}, "export_failed")
