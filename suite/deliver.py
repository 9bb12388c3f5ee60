"""From a measured cell to a folder that can be deployed: the files, what they are, what was measured, and how to run them."""

import tempfile
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import msgspec
import numpy as np

from suite import __version__, arrays, caches, formats
from suite.contracts import Component, ModelCard, TargetCard, Tensor
from suite.errors import CellFailed, NotWritable, UsageError
from suite.execute import Keep, Observer, execute
from suite.hashing import hash_file
from suite.plan import Plan, PlannedCell
from suite.record import Part, Record, encode
from suite.registry import Registry
from suite.store import Store
from suite.summarize import Row, summarize
from suite.verdict import figures, sentences
from suite.workspace import Workspace

INPUTS, OUTPUTS = "example_inputs.npz", "example_outputs.npz"

EXAMPLE = '''"""Runs each component on an input that it really gets. Needs numpy and onnxruntime, nothing of Squeezemark."""
from pathlib import Path
import numpy as np
import onnxruntime

here = Path(__file__).resolve().parent
given, expected = np.load(here / "{inputs}"), np.load(here / "{outputs}")
for name in {names}:
    session = onnxruntime.InferenceSession(str(here / f"{{name}}.onnx"), providers=["CPUExecutionProvider"])
    feed = {{tensor.name: given[f"{{name}}.{{tensor.name}}"] for tensor in session.get_inputs()}}
    for tensor, array in zip(session.get_outputs(), session.run(None, feed)):
        off = np.abs(array - expected[f"{{name}}.{{tensor.name}}"]).max(initial=0)
        print(f"{{name}}: {{tensor.name}} {{array.shape}} {{array.dtype}}, {{off:.2g}} off what was measured")
'''

README = """# {card.title}, compressed by {cell.method}/{cell.variant}

- **Accuracy**: {accuracy}
- **Size**: {size}
- **Latency**: {speed}

Measured on {target} ({host}) on {day}, {cell.tier} tier; another processor may answer and run otherwise. `record.json` is the whole
record, `manifest.json` has the figures and the hash of every file.

| component | file | inputs | outputs |
|---|---|---|---|
{rows}

A length with a name may differ from call to call. `python example.py` runs each component; it needs numpy and onnxruntime alone.
The glue of the model `{card.name}` makes those inputs from raw ones, and the answer from the outputs: {card.request}.

Licence of the model: {card.licence}. Measured again by: `{record.provenance.command}`
"""


@dataclass(frozen=True, slots=True)
class Delivery:
    """Where a compressed model lies, and its row beside the baseline's."""

    folder: Path
    row: Row
    baseline: Row


def check_free(out: Path) -> None:
    """Raises UsageError unless `out` can become the folder of a delivery."""
    if out.is_dir() and any(out.iterdir()):
        raise UsageError(f"The folder {out} is not empty, and nothing is written over; choose another with --out.")
    if out.exists() and not out.is_dir():
        raise UsageError(f"{out} is a file; choose a folder with --out.")


def deliver(plan: Plan, registry: Registry, store: Store, workspace: Workspace, observer: Observer, out: Path) -> Delivery | Record:
    """Measures the last cell of a plan, whose first is its baseline, and writes `out` whole or not at all.

    Returns the record of a cell that failed or that cannot be done instead. Raises UsageError, NotWritable, CellFailed.
    """
    check_free(out)
    wanted = plan.cells[-1]
    if wanted.skip is None and wanted.format != formats.ONNX:
        runs = formats.FORMATS[wanted.format].title
        raise UsageError(f"What is handed over are ONNX graphs, and {wanted.cell.target} runs {runs}; squeezemark run measures it there.")
    with _room(out) as room:
        folder = Path(room) / out.name
        folder.mkdir()
        records = execute(plan, registry, store, workspace, observer, _keep(wanted, folder))
        for record in records:
            if record.status != "ok":
                return record
        board = next(iter(summarize(records, store.columns)))
        rows = {row.record.key: row for row in board.rows}
        delivery = Delivery(out, rows[wanted.key], rows[plan.cells[0].key])
        _Writer(folder, registry.models[board.model], registry.targets[board.target], registry, delivery).write(workspace)
        check_free(out)
        folder.chmod(0o755)
        folder.rename(out)
    return delivery


def _room(out: Path) -> "tempfile.TemporaryDirectory[str]":
    """A folder beside `out`, on the same disk, that is removed afterwards. Raises NotWritable."""
    try:
        out.parent.mkdir(parents=True, exist_ok=True)
        return tempfile.TemporaryDirectory(dir=out.parent, prefix=f".{out.name}-")
    except OSError as error:
        raise NotWritable(f"The folder {out} cannot be written ({error.strerror}); choose another with --out.") from error


def _keep(wanted: PlannedCell, folder: Path) -> Keep:
    return lambda planned: folder if planned.key == wanted.key else None


@dataclass(frozen=True, slots=True)
class _Writer:
    folder: Path
    card: ModelCard
    target: TargetCard
    registry: Registry
    delivery: Delivery

    @property
    def record(self) -> Record:
        return self.delivery.row.record

    def write(self, workspace: Workspace) -> None:
        """Everything but the components' files, which are there."""
        assert self.record.artifact is not None
        for part in self.record.artifact.parts.values():
            if hash_file(self.folder / part.file) != part.sha256:
                raise CellFailed("invalid_output", f"{part.file} is not the artifact that was measured: its bytes changed afterwards")
        self._example(workspace)
        (self.folder / "record.json").write_bytes(encode(self.record))
        (self.folder / "README.md").write_text(self._readme(), encoding="utf-8")
        manifest = msgspec.json.format(msgspec.json.encode(self._manifest(), order="deterministic"), indent=1) + b"\n"
        (self.folder / "manifest.json").write_bytes(manifest)

    def _example(self, workspace: Workspace) -> None:
        """example.py, an input of each component from the calibration split, and what the target answers to it."""
        assert self.record.artifact is not None
        name, parts = self.card.name, self.record.artifact.parts
        baseline = workspace.baseline(name, self.registry.sources["model", name], lambda done, total, text: None)
        calls = {c.name: _example(arrays.load_calls(baseline / f"{c.name}.feeds.npz"), parts[c.name].cache) for c in self.card.components}
        given = {f"{component}.{tensor}": array for component, call in calls.items() for tensor, array in call.items()}
        np.savez(self.folder / INPUTS, allow_pickle=False, **given)
        job = workspace.job(
            "answer", model=name, target=self.target.runs_with, settings=dict(self.record.cell.settings), calls=str(self.folder / INPUTS),
            out=str(self.folder / OUTPUTS), compressed={component: str(self.folder / f"{component}.onnx") for component in calls},
        )  # fmt: skip
        workspace.work(self.target, job, workspace.config.limits.launch_s, lambda done, total, text: None)
        text = EXAMPLE.format(inputs=INPUTS, outputs=OUTPUTS, names=tuple(calls))
        (self.folder / "example.py").write_text(text, encoding="utf-8")

    def _manifest(self) -> dict[str, Any]:
        record, card = self.record, self.card
        assert record.artifact is not None
        parts = record.artifact.parts
        return {
            "format": 1,
            "model": {n: getattr(card, n) for n in ("name", "title", "task", "licence")} | {"sha256": record.provenance.model_sha256},
            "recipe": {
                "name": f"{record.cell.method}/{record.cell.variant}",
                "title": self.registry.methods[record.cell.method].title,
                "steps": msgspec.to_builtins(record.cell.recipe),
            },
            "components": {
                component.name: {
                    "file": parts[component.name].file,
                    "sha256": parts[component.name].sha256,
                    "bytes": parts[component.name].bytes,
                    "modality": component.modality,
                    "inputs": [_tensor(tensor) for tensor in deployed(component, parts[component.name]).inputs],
                    "outputs": [_tensor(tensor) for tensor in deployed(component, parts[component.name]).outputs],
                }
                for component in card.components
            },
            "target": {"name": self.target.name, "runtime": self.target.runtime, "settings": record.cell.settings},
            "verdict": figures(self.delivery.row, self.delivery.baseline),
            "environment": msgspec.to_builtins(record.environment),
            "suite_version": __version__,
            "created": record.created,
            "command": record.provenance.command,
            "files": {path.name: hash_file(path) for path in sorted(self.folder.iterdir())},
        }

    def _readme(self) -> str:
        record, card = self.record, self.card
        assert record.artifact is not None
        components = [deployed(component, record.artifact.parts[component.name]) for component in card.components]
        accuracy, size, speed = sentences(self.delivery.row, self.delivery.baseline)
        return README.format(
            card=card, record=record, cell=record.cell, accuracy=accuracy, size=size, speed=speed, target=self.target.title,
            host=record.environment.host, day=record.created[:10],
            rows="\n".join(
                f"| {component.name} | `{component.name}.onnx` | {_words(component.inputs)} | {_words(component.outputs)} |"
                for component in components
            ),
        )  # fmt: skip


def _example(calls: Iterator[dict[str, Any]], kept: caches.Types) -> dict[str, Any]:
    """The last call; of a component that keeps its caches in types of its own, the last that begins a sequence."""
    return caches.entered([call for call in calls if caches.begins(call, kept)][-1], kept)


def deployed(component: Component, part: Part) -> Component:
    """A component as its file has it: caches in the file's own types."""
    narrow = part.cache | {component.cache[name]: dtype for name, dtype in part.cache.items()}
    sides = [[replace(t, dtype=narrow.get(t.name, t.dtype)) for t in side] for side in (component.inputs, component.outputs)]  # type: ignore[arg-type]
    return replace(component, inputs=tuple(sides[0]), outputs=tuple(sides[1]))


def _tensor(tensor: Tensor) -> dict[str, Any]:
    return {"name": tensor.name, "dtype": tensor.dtype, "shape": list(tensor.shape)}


def _words(side: tuple[Tensor, ...]) -> str:
    return ", ".join(f"`{tensor.name}` {tensor.dtype} ({', '.join(map(str, tensor.shape))})" for tensor in side)
