"""The conformance suite of models: what a model has to have and to do so that a run can measure it, check by check."""

import tempfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import get_args

import msgspec

from suite import arrays, evaluate
from suite.config import Config
from suite.contracts import Component, Modality, ModelCard
from suite.errors import CellFailed
from suite.executors import local
from suite.findings import Finding
from suite.metrics import METRICS, find
from suite.plugins import Part, model_part
from suite.registry import Registry
from suite.workspace import Workspace

ITEMS = 300
"""Test items for the accuracy of the uncompressed model."""

REQUIRED: Mapping[str, tuple[Part, str]] = {
    "load": ("network", "load(folder) gives a torch module or an ONNX model for each component"),
    "test": ("data", "test(seed) gives a Split(inputs, labels)"),
    "calibration": ("data", "calibration(seed, items) gives inputs from the training distribution"),
    "request": ("task", "request(inputs, index, run) answers one item through run(component, inputs)"),
    "score": ("task", "score(labels, predictions) gives each predicted item by the card's metrics"),
}
OPTIONAL: Mapping[str, tuple[Part, str]] = {
    "slices": ("task", "without slices(labels), no accuracy of groups of items"),
    "truths": ("data", "without truths(labels), a record shows no examples in words"),
    "answers": ("data", "without answers(labels, predictions), a record shows no examples in words"),
    "exhibit": ("data", "without exhibit(split, index), nobody sees or hears the inputs"),
}
DTYPES = ("float32", "int64")


def check(registry: Registry, name: str, paths: Mapping[str, list[str]]) -> tuple[Finding, ...]:
    """Every finding about the model of a name. It runs in processes of its own, within the limits of a run."""
    card = registry.models[name]
    findings = [*_card(card)]
    with tempfile.TemporaryDirectory(prefix="squeezemark-check-") as room:
        workspace = Workspace(Path(room), Config(), paths)
        findings += _light(workspace, name)
        findings += _functions(name)
        if not any(finding.bad for finding in findings if finding.check == "functions"):
            examined, items = _examined(workspace, name)
            findings += examined
            if not any(finding.bad for finding in findings):
                findings += _deployed(workspace, card, registry, min(items, ITEMS))
    return (*findings, *_hints(name, card))


def _card(card: ModelCard) -> Iterator[Finding]:
    problems = [f"it has no {field}" for field in ("title", "summary", "task", "request", "data", "licence") if not getattr(card, field)]
    if not 0 <= card.chance <= 1:
        problems.append(f"its chance is {card.chance}, not from 0 to 1")
    for component in card.components:
        problems += _component(component)
    yield from (Finding("card", "wrong", problem) for problem in problems)
    if not problems:
        yield Finding("card", "ok", f"{card.title} ({', '.join(component.name for component in card.components)})")


def _component(component: Component) -> Iterator[str]:
    if component.modality not in get_args(Modality):
        yield f"{component.name} has the modality {component.modality!r}; there are {', '.join(get_args(Modality))}"
    if not component.inputs or not component.outputs:
        yield f"{component.name} has no {'outputs' if component.inputs else 'inputs'}"
    yield from _caches(component)
    for tensor in (*component.inputs, *component.outputs):
        if tensor.dtype not in DTYPES:
            yield f"{tensor.name} of {component.name} has the dtype {tensor.dtype!r}; there are {' and '.join(DTYPES)}"
        if not all(isinstance(size, str) or (isinstance(size, int) and size > 0) for size in tensor.shape):
            yield f"{tensor.name} of {component.name} has the shape {tensor.shape}; a length is a number above 0, or a name"


def _caches(component: Component) -> Iterator[str]:
    sides = [{tensor.name: tensor for tensor in side} for side in (component.inputs, component.outputs)]
    for given, back in component.cache.items():
        one, other = sides[0].get(given), sides[1].get(back)
        if one is None or other is None:
            yield f"the cache {given!r} of {component.name} is to come back as {back!r}, and one of them is no tensor of it"
        elif one.dtype != other.dtype or len(one.shape) != len(other.shape):
            yield f"the cache {given!r} of {component.name} comes back as {back!r} with another dtype or another number of axes"


def _light(workspace: Workspace, name: str) -> Iterator[Finding]:
    try:
        libraries = local.run("suite.worker", workspace.job("imports", model=name), workspace.config.limits.launch_s, _quiet)["libraries"]
    except CellFailed as error:
        yield Finding("light import", "wrong", error.reason)
        return
    if libraries:
        words = f"importing it loads {', '.join(libraries)}, and a small board has numpy alone; import it in the functions that use it"
        yield Finding("light import", "wrong", words)
    else:
        yield Finding("light import", "ok", "its card and glue need numpy alone")


def _functions(name: str) -> Iterator[Finding]:
    absent = [(function, words) for function, (part, words) in REQUIRED.items() if not _has(name, part, function)]
    yield from (Finding("functions", "MISSING", f"{function}(): {words}") for function, words in absent)
    if not absent:
        yield Finding("functions", "ok", ", ".join(REQUIRED))


def _has(name: str, part: Part, function: str) -> bool:
    """A part that cannot be imported here may lack only a heavy library: the examination will tell."""
    try:
        return callable(getattr(model_part(name, part), function, None))
    except ModuleNotFoundError as error:
        return not str(error.name).startswith("suite.models.")
    except Exception:
        return True


def _examined(workspace: Workspace, name: str) -> tuple[list[Finding], int]:
    """What running the model's own code showed, and how many test items it has."""
    doing = ["starting"]

    def progress(done: int, total: int, text: str) -> None:
        doing.append(text)

    try:
        job = workspace.job("examine", model=name, out=str(workspace.folder))
        result = local.run("suite.examine", job, workspace.config.limits.compress_s, progress)
    except CellFailed as error:
        return [Finding(doing[-1], "wrong", f"{error.status.replace('_', ' ')}: {error.reason}")], 0
    return msgspec.convert(result["findings"], list[Finding]), result["items"]


def _deployed(workspace: Workspace, card: ModelCard, registry: Registry, items: int) -> Iterator[Finding]:
    """The exported model in the light worker, as a run evaluates it."""
    if not registry.native():
        yield Finding("light worker", "skipped", "no reference target runs on this machine; squeezemark doctor says why")
        return
    target = registry.targets[registry.native()[0]]
    folder, out = workspace.folder, workspace.folder / "predictions.npz"
    job = workspace.job(
        "evaluate", model=card.name, target=target.runs_with, settings=dict(target.settings), inputs=str(folder / "inputs.npz"),
        items=items, out=str(out), compressed={component.name: str(folder / f"{component.name}.onnx") for component in card.components},
    )  # fmt: skip
    try:
        seconds = workspace.work(target, job, workspace.config.limits.evaluate_s, _quiet)["seconds"]
        found = arrays.load(out)
        predictions = {name.partition(":")[2]: array for name, array in found.items() if name.startswith("prediction:")}
        accuracy, _ = evaluate.score(card, arrays.load(folder / "labels.npz"), predictions, seconds)
    except CellFailed as error:
        yield Finding("light worker", "wrong", error.reason)
        return
    yield Finding("light worker", "ok", f"{items} items in {seconds:.1f} s on {target.name}")
    got, metric = accuracy.metrics[card.metric], find(card.metric)
    words = f"{metric.title} {metric.show(got.value)} ({got.low:.3f} to {got.high:.3f}) uncompressed, by chance {card.chance:.3f}"
    if got.low > card.chance:
        yield Finding("above chance", "ok", words)
    else:
        yield Finding("above chance", "warning", f"{words}: nothing can be lost; do weights, inputs and labels belong together?")


def _hints(name: str, card: ModelCard) -> Iterator[Finding]:
    for function, (part, words) in OPTIONAL.items():
        if not _has(name, part, function):
            yield Finding("optional", "hint", words)
    own = [metric for metric in (card.metric, *card.other_metrics) if metric not in METRICS]
    if own:
        yield Finding("optional", "hint", f"{', '.join(own)}: a metric of its own, taken to lie from 0 to 1, of which more is better")


def _quiet(done: int, total: int, text: str) -> None:
    """Nobody looks at the progress."""
