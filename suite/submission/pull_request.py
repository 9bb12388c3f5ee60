"""The text of the pull request that hands a bundle in: what it claims, from its records alone. Nothing in it is markup but our own."""

from collections.abc import Iterator

from suite.contracts import BASELINE
from suite.metrics import find
from suite.record import Estimate, Record
from suite.submission.collect import Collection
from suite.submission.texts import markdown


def text(collection: Collection, file: str, sha256: str) -> str:
    """Markdown. file, sha256: of the bundle."""
    return "\n".join(_lines(collection, file, sha256)) + "\n"


def _lines(collection: Collection, file: str, sha256: str) -> Iterator[str]:
    manifest = collection.manifest
    yield f"## Submission of the method `{manifest.method}`"
    yield ""
    yield f"`{file}` goes into `submissions/`. Its sha256 is `{sha256}`."
    yield f"Source under {markdown(manifest.licence)}" + (f", by {markdown(manifest.author)}." if manifest.author else ".")
    yield ""
    yield "What its records say (95 % intervals; measured by the submitter, so self-reported until they were reproduced):"
    yield ""
    yield "| model | variant | target | accuracy | uncompressed | size | speed-up |"
    yield "|---|---|---|---|---|---|---|"
    baselines = {_place(record): record for record in collection.records if record.cell.method == BASELINE}
    for record in collection.records:
        if record.cell.method == manifest.method:
            yield _row(record, baselines.get(_place(record)))
    yield ""
    yield from _where(collection)
    yield ""
    yield f"- [ ] `squeezemark verify submissions/{file}` passes"
    yield "- [ ] `squeezemark reproduce` bears it out on a fresh test set"


def _place(record: Record) -> tuple[object, ...]:
    cell = record.cell
    return cell.model, cell.target, cell.tier, cell.test_seed


def _row(record: Record, baseline: Record | None) -> str:
    cell = record.cell
    variant = cell.variant + (f" on {cell.component} alone" if cell.component else "")
    names = [markdown(cell.model), markdown(variant), markdown(cell.target)]
    if record.status != "ok" or record.accuracy is None or record.artifact is None:
        return "| " + " | ".join([*names, f"{markdown(record.status)}: {markdown(record.reason)}", "", "", ""]) + " |"
    metric = record.accuracy.metric
    show = find(metric).show
    old = baseline.accuracy.metrics.get(metric) if baseline and baseline.accuracy else None
    size = f"{record.artifact.total('bytes') / 1e6:.2f} MB"
    if baseline is not None and baseline.artifact is not None:
        size += f" of {baseline.artifact.total('bytes') / 1e6:.2f} MB"
    speed = _interval(record.latency.speed_up, "{:.2f}x".format) if record.latency else "not timed"
    answers = f"{_interval(record.accuracy.metrics[metric], show)} {markdown(find(metric).title)}"
    return "| " + " | ".join([*names, answers, _interval(old, show) if old else "", size, speed]) + " |"


def _interval(estimate: Estimate, show: object) -> str:
    assert callable(show)
    return f"{show(estimate.value)} [{show(estimate.low)}, {show(estimate.high)}]"


def _where(collection: Collection) -> Iterator[str]:
    """The machines, and whether the source of the suite is known."""
    records = collection.records
    for host in sorted({record.environment.host for record in records}):
        yield f"Measured on {markdown(host)}."
    versions = sorted({record.provenance.suite_version for record in records})
    commits = sorted({str(record.provenance.git_commit or "an unknown commit") for record in records})
    yield f"Squeezemark {markdown(', '.join(versions))}, at {markdown(', '.join(commits))}."
    if any(record.provenance.git_dirty for record in records):
        yield "**The source tree had changes that are in no commit** when some of them were measured."
    if any(record.provenance.git_commit is None for record in records):
        yield "The state of the source tree is unknown for some of them: it was no checkout."
