"""The part of the conformance suite that runs a model's own code, in a process of its own: `python -m suite.examine`.

The job `examine` loads the uncompressed model, makes its splits, calls its glue and exports it, each as a run would do it.
"""

import sys
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import msgspec
import numpy as np

from suite import arrays, formats, prepare, reference
from suite.contracts import ModelCard, Split
from suite.errors import CellFailed
from suite.evaluate import score
from suite.findings import Finding
from suite.glue import Glue, words
from suite.hashing import hash_split
from suite.plugins import model_folder, model_part, single_files
from suite.protocol import Job, Progress, serve

Array = np.ndarray[Any, np.dtype[Any]]

TRIED = 40
"""Items that the glue is tried on here; more follow in the light worker."""
FEW, PUBLISHED = 200, 2000
COINCIDENCE = 0.05
"""Share of the calibration items that may be in the test split by chance, where inputs are simple."""


@dataclass
class Subject:
    """A model under examination, and what of it has been made so far."""

    card: ModelCard
    glue: Glue
    data: Any
    out: Path
    parts: Mapping[str, Any] = field(default_factory=dict)
    split: Split = field(default_factory=lambda: Split({}, {}))
    items: int = 0
    calibration: Mapping[str, Array] = field(default_factory=dict)
    predictions: dict[str, Array] = field(default_factory=dict)

    @property
    def tried(self) -> int:
        return min(TRIED, self.items)


def examine(job: Job, progress: Progress) -> dict[str, Any]:
    """The findings; into `job["out"]` the exported components, and `inputs.npz` and `labels.npz` of the test split."""
    name = str(job["model"])
    subject = Subject(model_part(name, "card").CARD, Glue(model_part(name, "task")), model_part(name, "data"), Path(job["out"]))
    findings: list[Finding] = []
    for done, (check, (step, needs)) in enumerate(STEPS.items()):
        progress(done, len(STEPS), check)
        failed = {finding.check for finding in findings if finding.bad or finding.state == "skipped"}
        missing = [need for need in needs if need in failed]
        if missing:
            findings.append(Finding(check, "skipped", f"needs what failed: {', '.join(missing)}"))
        else:
            findings += _tried(check, step(subject))
    return {"findings": msgspec.to_builtins(findings), "items": subject.items}


def _tried(check: str, found: Iterator[tuple[Any, str]]) -> Iterator[Finding]:
    try:
        for state, words in found:
            yield Finding(check, state, words)
    except CellFailed as error:
        yield Finding(check, "wrong", error.reason)
    except Exception as error:
        reason = " ".join(str(error).split())
        yield Finding(check, "wrong", f"it raised {type(error).__name__}{f': {reason}' if reason else ''}")


def _load(subject: Subject) -> Iterator[tuple[str, str]]:
    subject.parts = reference.load(subject.card)
    yield "ok", f"load() gives {', '.join(subject.parts)}"


def _test(subject: Subject) -> Iterator[tuple[str, str]]:
    name = subject.card.name
    subject.split, subject.items = prepare.test_split(name, 0)
    arrays.save(subject.out / "inputs.npz", subject.split.inputs)
    arrays.save(subject.out / "labels.npz", subject.split.labels)
    first = hash_split(subject.split)
    if hash_split(prepare.test_split(name, 0)[0]) != first:
        yield "wrong", "test(0) gives other bytes each time; draw everything from a generator with the seed"
    if hash_split(prepare.test_split(name, 1)[0]) == first:
        yield "wrong", "test(1) gives the same items as test(0); another seed has to give a fresh set"
    if both := set(subject.split.inputs) & set(subject.split.labels):
        yield "wrong", f"{', '.join(sorted(both))}: among the inputs and the labels; the model must not see what is right"
    if not subject.split.labels:
        yield "MISSING", "test() gives no labels: score() has nothing to compare with"
    if subject.items < FEW:
        yield "warning", f"only {subject.items} test items: the interval of an accuracy is up to ±{98 / subject.items**0.5:.0f} points wide"
    elif subject.items < PUBLISHED:
        yield "hint", f"{subject.items} test items; a published model has {PUBLISHED} or more"
    yield "ok", f"{subject.items} items, the same each time, others for another seed"


def _calibration(subject: Subject) -> Iterator[tuple[str, str]]:
    subject.calibration = prepare.calibration(subject.card.name)
    items = subject.glue.size(subject.calibration)
    common, few = _common(subject, items)
    if common:
        words = f"{common} of {items} calibration items are in the test split; draw them from the training data"
        yield "wrong" if common > COINCIDENCE * items and not few else "warning", words
    if items < prepare.CALIBRATION_ITEMS:
        yield "hint", f"{items} calibration items, of {prepare.CALIBRATION_ITEMS} asked for"
    yield "ok", f"{items} items, {'some' if common else 'none'} of them in the test split"


def _common(subject: Subject, items: int) -> tuple[int, bool]:
    """How many calibration items have the very inputs of a test item, and whether there are so few different ones that some must.

    Inputs that all items share do not count.
    """
    test, own = subject.split.inputs, subject.calibration
    columns = sorted(name for name in own if name in test and len(own[name]) == items and len(test[name]) == subject.items)
    if not columns:
        return 0, False
    seen = {tuple(test[name][index].tobytes() for name in columns) for index in range(subject.items)}
    common = sum(tuple(own[name][index].tobytes() for name in columns) in seen for index in range(items))
    return common, 2 * len(seen) < subject.items


def _glue(subject: Subject) -> Iterator[tuple[str, str]]:
    known, called = reference.runner(subject.card, subject.parts), set()

    def run(name: str, inputs: Mapping[str, Array]) -> Mapping[str, Array]:
        called.add(name)
        return known(name, inputs)

    glue, inputs = subject.glue, subject.split.inputs
    told: list[int] = []
    subject.predictions = glue.predict(inputs, subject.tried, run, told.append)
    if not told:
        yield "hint", "predict() never calls advance(items done): a long evaluation shows no progress"
    for index in (0, subject.tried - 1, subject.items + 1):
        first, again = glue.request(inputs, index, run), glue.request(inputs, index, run)
        if not all(np.array_equal(first[name], again.get(name)) for name in first):  # type: ignore[arg-type]
            yield "wrong", f"request() answers item {index} differently each time; what is timed has to answer as what was evaluated"
            break
    if glue.streams and not list(glue.stream(inputs, 0, run)):
        yield "wrong", "stream() yields no token for the first item"
    for name in sorted({component.name for component in subject.card.components} - called):
        yield "wrong", f"the card names the component {name!r}, and the glue never calls it"
    yield "ok", f"request() and predict() call {', '.join(sorted(called))} as the card says"


def _score(subject: Subject) -> Iterator[tuple[str, str]]:
    labels, glue = subject.split.labels, subject.glue
    accuracy, _ = score(subject.card, dict(labels), subject.predictions, 0.0)
    for name, groups in glue.slices(labels).items():
        if len(np.unique(groups)) < 2:
            yield "hint", f"all items are in one group of the slice {name!r}"
    said = words(subject.data, labels, subject.predictions)
    if said is not None and not len(said[0]) == len(said[1]) == subject.tried:
        yield "wrong", f"truths() and answers() give {len(said[0])} and {len(said[1])} texts for {subject.tried} predicted items"
    if hasattr(subject.data, "exhibit"):
        subject.data.exhibit(subject.split, 0)
    yield "ok", f"score() gives {', '.join(accuracy.metrics)} for each predicted item"


def _export(subject: Subject) -> Iterator[tuple[str, str]]:
    feeds = prepare.record_feeds(subject.card, subject.parts, subject.glue, subject.calibration)
    for component in subject.card.components:
        path = subject.out / f"{component.name}.onnx"
        formats.maker(formats.ONNX).lower(subject.parts[component.name], component, feeds[component.name], path)
        yield "ok", f"{path.name} answers as load()'s {component.name!r} does ({path.stat().st_size / 1e6:.2f} MB)"


def _files(subject: Subject) -> Iterator[tuple[str, str]]:
    name = subject.card.name
    folder, own = model_folder(name), {*subject.card.files, f"{name}.py"}
    if name in single_files("suite.models"):
        read = {path.relative_to(folder).as_posix() for path in OPENED if _belongs(path, folder) and not path.is_relative_to(subject.out)}
        for file in sorted(read - own):
            yield "wrong", f"it reads {file}, which its card does not list in `files`: an edit of that file would go unnoticed"
        if read <= own:
            yield from _alone(subject, folder, own)
    yield "ok", "every file that it reads belongs to its identity"


def _belongs(path: Path, folder: Path) -> bool:
    """Whether a file that was opened may be part of a model in a folder: one beside it, or data further below, of no environment."""
    if not path.is_relative_to(folder) or path.is_relative_to(sys.prefix) or not path.is_file():
        return False
    return path.parent == folder or not (path.suffix == ".py" or any(part.startswith(".") for part in path.relative_to(folder).parts))


def _alone(subject: Subject, folder: Path, files: set[str]) -> Iterator[tuple[str, str]]:
    """load() once more, with these files alone beside it: some libraries open files past Python, where nobody sees it."""
    room = subject.out / "alone"
    if any(Path(file).is_absolute() or ".." in Path(file).parts for file in files):
        return
    for file in files:
        (room / file).parent.mkdir(parents=True, exist_ok=True)
        (room / file).symlink_to(folder / file)
    try:
        model_part(subject.card.name, "network").load(room)
    except Exception as error:
        reason = " ".join(str(error).replace(f"{room}/", "").split())
        yield (
            "wrong",
            f"beside the files that its card lists alone, load() raised {type(error).__name__}: {reason}; `files` lacks what it reads",
        )


OPENED: set[Path] = set()


def _watch(event: str, arguments: tuple[Any, ...]) -> None:
    if event == "open" and isinstance(arguments[0], str) and not arguments[0].endswith((".pyc", ".so")):
        OPENED.add(Path(arguments[0]).absolute())


STEPS: dict[str, tuple[Callable[[Subject], Iterator[tuple[str, str]]], tuple[str, ...]]] = {
    "load": (_load, ()),
    "test split": (_test, ()),
    "calibration split": (_calibration, ("test split",)),
    "glue": (_glue, ("load", "test split")),
    "score": (_score, ("test split", "glue")),
    "export": (_export, ("load", "calibration split", "glue")),
    "files": (_files, ("load", "test split", "calibration split")),
}
"""Check -> what does it, and the checks without which it cannot."""

if __name__ == "__main__":
    sys.addaudithook(_watch)
    serve({"examine": examine}, "invalid_output")
