"""What every cell of a model needs, made once in a process of its own: `python -m suite.prepare`.

Jobs: `baseline` exports the uncompressed components and notes what each is fed on the calibration split; `lower` makes them in another
format than ONNX; `test` makes the test split.
"""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import msgspec
import numpy as np

from suite import arrays, formats
from suite.contracts import ModelCard, Split
from suite.errors import CellFailed
from suite.glue import Glue
from suite.hashing import hash_split
from suite.plugins import model_part
from suite.protocol import Job, Progress, serve

Array = np.ndarray[Any, np.dtype[Any]]
Arrays = Mapping[str, Array]

CALIBRATION_ITEMS = 128
CALIBRATION_SEED = 0


def baseline(job: Job, progress: Progress) -> dict[str, Any]:
    """Writes `<component>.onnx`, `<component>.feeds.npz` and `parts.json` to `job["out"]`."""
    from suite import reference

    out, name, onnx = Path(job["out"]), str(job["model"]), formats.maker(formats.ONNX)
    card: ModelCard = model_part(name, "card").CARD
    steps = len(card.components) + 1
    progress(0, steps, "calling the model on the calibration split")
    loaded = reference.load(card)
    feeds = record_feeds(card, loaded, Glue(model_part(name, "task")), calibration(name))
    parts = {}
    for done, component in enumerate(card.components, 1):
        progress(done, steps, f"exporting {component.name}")
        onnx.lower(loaded[component.name], component, feeds[component.name], out / f"{component.name}.onnx")
        arrays.save_calls(out / f"{component.name}.feeds.npz", feeds[component.name])
        parts[component.name] = msgspec.to_builtins(onnx.inspect(out / f"{component.name}.onnx", component))
    (out / "parts.json").write_text(json.dumps(parts))
    return {}


def lower(job: Job, progress: Progress) -> dict[str, Any]:
    """Writes each uncompressed component in the format `job["format"]` to `job["out"]`; `job["baseline"]` has what it is fed."""
    from suite import reference

    card: ModelCard = model_part(str(job["model"]), "card").CARD
    maker, loaded = formats.maker(job["format"]), reference.load(card)
    for done, component in enumerate(card.components):
        progress(done, len(card.components), f"making {formats.FORMATS[job['format']].title} of {component.name}")
        calls = list(arrays.load_calls(Path(job["baseline"]) / f"{component.name}.feeds.npz"))
        maker.lower(loaded[component.name], component, calls, formats.place(Path(job["out"]), component.name, job["format"]))
    return {}


def calibration(model: str) -> Arrays:
    """The inputs of the calibration split. Raises CellFailed if there are none."""
    inputs: Arrays = model_part(model, "data").calibration(CALIBRATION_SEED, CALIBRATION_ITEMS)
    if not inputs or not all(len(array) for array in inputs.values()):
        raise CellFailed("invalid_output", "the calibration split of the model is empty")
    return inputs


def record_feeds(card: ModelCard, parts: Mapping[str, Any], task: Glue, inputs: Arrays) -> dict[str, list[dict[str, Array]]]:
    """Component -> what it was fed, input by input: at most CALIBRATION_ITEMS calls, evenly chosen. Raises CellFailed."""
    from suite.reference import runner

    calls: dict[str, list[Arrays]] = {component.name: [] for component in card.components}
    answer = runner(card, parts)

    def run(name: str, inputs: Arrays) -> Arrays:
        outputs = answer(name, inputs)
        calls[name].append(inputs)
        return outputs

    try:
        task.predict(inputs, min(CALIBRATION_ITEMS, task.size(inputs)), run, lambda done: None)
    except CellFailed:
        raise
    except Exception as error:
        raise CellFailed("invalid_output", f"the glue raised {type(error).__name__} on the calibration split: {error}") from error
    feeds = {}
    for component in card.components:
        seen = calls[component.name]
        if not seen:
            raise CellFailed("invalid_output", f"the card names the component {component.name!r}, and the glue never calls it")
        chosen = [seen[i] for i in np.linspace(0, len(seen) - 1, min(len(seen), CALIBRATION_ITEMS)).astype(int)]
        feeds[component.name] = [{tensor.name: np.asarray(call[tensor.name]) for tensor in component.inputs} for call in chosen]
    return feeds


def test(job: Job, progress: Progress) -> dict[str, Any]:
    """Writes `inputs.npz` and `labels.npz` of the test split of `job["seed"]` to `job["out"]`, and `test.json` with its content hash."""
    progress(0, 1, "making the test split")
    out, name = Path(job["out"]), str(job["model"])
    split, items = test_split(name, int(job["seed"]))
    arrays.save(out / "inputs.npz", split.inputs)
    arrays.save(out / "labels.npz", split.labels)
    (out / "test.json").write_text(json.dumps({"sha256": hash_split(split), "items": items}))
    return {}


def test_split(model: str, seed: int) -> tuple[Split, int]:
    """The test split of a seed and how many items it has. Raises CellFailed."""
    split = model_part(model, "data").test(seed)
    if not isinstance(split, Split):
        raise CellFailed("invalid_output", f"test() of the model gives {type(split).__name__}, not a Split(inputs, labels)")
    items = Glue(model_part(model, "task")).size(split.inputs) if split.inputs else 0
    if items == 0:
        raise CellFailed("invalid_output", "the test split of the model is empty")
    for side, columns in (("label", split.labels), ("input", split.inputs)):
        for column, array in columns.items():
            if not isinstance(array, np.ndarray) or array.dtype.kind not in "biufSU":
                raise CellFailed("invalid_output", f"the {side} {column!r} of the test split is not an array of numbers or of strings")
    return split, items


if __name__ == "__main__":
    serve({"baseline": baseline, "lower": lower, "test": test}, "export_failed")
