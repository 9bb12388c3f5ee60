"""Commands about what others hand in and who measured what: reproduce, vouch, unpack."""

import json
import os
import socket
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from suite.cli.options import split
from suite.errors import UsageError

if TYPE_CHECKING:
    from suite.submission.reproduce import Reproduction, Result
    from suite.submission.unpack import Bundle
    from suite.workspace import Confine

RESULTS = click.option(
    "--results",
    type=click.Path(path_type=Path),
    default=Path("results"),
    show_default=True,
    help="Folder of the records; what is granted is written to its provenance/, what bears it out to its reproductions/.",
)
BY = click.option("--by", help="Who says so. Default: you, at this machine.")


def _me() -> str:
    return f"{os.environ.get('USER') or 'somebody'} at {socket.gethostname()}"


@click.command()
@click.argument("bundle", type=click.Path(path_type=Path))
@click.option("--test-seed", type=click.IntRange(0), help="The seed of the test set. Default: one that nobody can guess.")
@RESULTS
@BY
@click.option("--accept", is_flag=True, help="Copy the submitted records that are reproduced into the results.")
@click.option(
    "--publish", is_flag=True, help="Then measure its cells on the published test set too, as records of those who keep the board."
)
@click.option("--no-sandbox", is_flag=True, help="Run it as you, with all that you may do. Then nothing is granted.")
@click.option("--work", default=".squeezemark", show_default=True, help="Folder for exports and test sets; may be deleted at any time.")
@click.option("--plugins", multiple=True, callback=split, help="Folders with models/ or targets/ of your own, which you trust.")
@click.option("--json", "as_json", is_flag=True, help="An object, for scripts: each record with its outcome and checks, and the grant.")
def reproduce(bundle: Path, as_json: bool, **choices: Any) -> None:
    """Measure the cells of BUNDLE again, on a fresh test set, and grant those that come out the same the tier "reproduced".

    What was submitted runs in a sandbox (bubblewrap): no network, no files but what it compresses, limits on memory, processes and time.
    Accuracy has to agree within intervals (95 % for all cells together), sizes exactly, the artifact byte for byte where the same
    libraries made it on the same kind of processor, speed-ups where the machines are alike. Ctrl-C loses nothing: the same command goes
    on, on the same test set. Exits with 1 if a record is not borne out.
    """
    from suite import registry
    from suite.submission.unpack import opened

    if choices["accept"] and choices["publish"]:
        raise UsageError("Records of one cell have one name: take the submitted ones with --accept, or measure your own with --publish.")
    choices["own"] = registry.extend(map(Path, choices["plugins"]))
    confine = _confine(choices["no_sandbox"])
    with opened(bundle) as known:
        _verify(known)
        found, granted, own = _reproduce(known, confine, as_json, choices)
    if as_json:
        rows = [result.as_json() for result in found]
        paths = [str(path) for path in (granted, own) if path]
        click.echo(json.dumps({"bundle": str(bundle), "sha256": known.sha256, "records": rows, "grants": paths}, indent=1))
    else:
        _tell(found, granted, choices["no_sandbox"])
    if any(result.outcome == "differs" for result in found) or not any(result.outcome == "reproduced" for result in found):
        raise click.exceptions.Exit(1)


def _confine(openly: bool) -> "Confine":
    """Raises UsageError where there is no sandbox, and none was declined."""
    import psutil

    from suite import workspace
    from suite.config import Limits
    from suite.submission.sandbox import Sandbox, missing

    if openly:
        return workspace.openly
    if problem := missing():
        raise UsageError(f"What a stranger wrote is run in a sandbox, and {problem}; --no-sandbox runs it without, and grants nothing.")
    return Sandbox(min(int(Limits().memory_gib * workspace.GIB), int(psutil.virtual_memory().total * workspace.MOST_MEMORY)))


def _verify(bundle: "Bundle") -> None:
    """Raises UsageError for a bundle that does not stand the checks which run nothing."""
    from suite import registry
    from suite.submission.verify import Verifier

    verdict = Verifier(registry.discover().targets).bundle(bundle.path)
    if verdict.sha256 not in (None, bundle.sha256):
        raise UsageError(f"{bundle.path} changed while it was read; run the same command again.")
    if not verdict.ok:
        first = verdict.findings[0]
        raise UsageError(f"{bundle.path} is not run, as it fails the check {first.check!r}: {first.subject}: {first.problem}.")


def _reproduce(
    bundle: "Bundle", confine: "Confine", quiet: bool, choices: dict[str, Any]
) -> "tuple[list[Result], Path | None, Path | None]":
    from rich.console import Console

    from suite.progress import Display
    from suite.store import Store
    from suite.submission.reproduce import Reproduction

    by = choices["by"] or _me()
    with Display(Console(stderr=quiet, soft_wrap=True)) as display:
        run = Reproduction(bundle, Store(choices["results"]), Path(choices["work"]).resolve(), confine, display, own=choices["own"])
        found = run.run(run.seed(choices["test_seed"]))
        granted = run.grant(found, by)
        if granted and choices["accept"]:
            run.accept(found)
        own = _publish(run, by) if granted and choices["publish"] else None
    run.forget()
    return found, granted, own


def _publish(run: "Reproduction", by: str) -> Path | None:
    from suite import provenance

    records = run.publish()
    how = f"squeezemark reproduce {run.bundle.path.name} --publish, in a sandbox"
    return provenance.grant(run.results, provenance.OURS, by, how, ((record, ()) for record in records)) if records else None


def _tell(found: "list[Result]", granted: Path | None, openly: bool) -> None:
    marks = {True: "agrees", False: "DIFFERS", None: "not compared"}
    for result in found:
        click.echo(f"{result.record.cell.title}: {result.outcome}{f': {result.reason}' if result.reason else ''}")
        for check in result.checks:
            click.echo(f"  {check.name:10} {marks[check.agrees]:13} {check.words}")
    done = sum(result.outcome == "reproduced" for result in found)
    click.echo(f"{done} of {len(found)} records reproduced.")
    if granted:
        click.echo(f"Granted in {granted}")
    elif openly:
        click.echo("Nothing is granted: it did not run in a sandbox.")


@click.command()
@RESULTS
@BY
@click.option("--how", default="measured by ourselves, on the machine that each record names", show_default=True, help="How, in words.")
def vouch(results: Path, by: str | None, how: str) -> None:
    """Say of the records in the results that have no tier yet that you, who keep this board, measured them: "re-run by us"."""
    from suite import provenance
    from suite.store import Store

    if not results.is_dir():
        raise UsageError(f"There is no results folder {results}; run `squeezemark run` first, or name one with --results.")
    store = Store(results)
    known = provenance.read(store)
    new = [record for record in store.records() if known.tier(record) == provenance.SELF]
    for error in known.broken:
        click.echo(f"Left out: {error}", err=True)
    if not new:
        click.echo("Every record has a tier already.")
        return
    path = provenance.grant(store, provenance.OURS, by or _me(), how, ((record, ()) for record in new))
    click.echo(f"{len(new)} records: {path}")


@click.command()
@click.argument("bundle", type=click.Path(path_type=Path))
@click.option("--out", type=click.Path(path_type=Path), required=True, help="A folder that is not there yet.")
def unpack(bundle: Path, out: Path) -> None:
    """Write out what BUNDLE holds, to be read: records/, the source of its methods as methods/, its recipes. Runs nothing of it.

    Methods that are the suite's own, to the byte, are left out.
    OUT is then a folder of plug-ins: --plugins OUT lets other commands run the methods, as you and without a sandbox.
    """
    import shutil

    from suite import registry
    from suite.sources import hash_method
    from suite.submission.unpack import opened

    if out.exists():
        raise UsageError(f"{out} is there already; name a folder that is not.")
    with opened(bundle) as known:
        shutil.copytree(known.folder, out)
        if (out / "method").is_dir():
            (out / "method").rename(out / "methods")
    ours = registry.discover().sources
    for folder in (out / "methods").glob("*"):
        if ours.get(("method", folder.name)) == hash_method(folder):
            shutil.rmtree(folder)
    click.echo(f"{out}: {', '.join(sorted(path.name for path in out.iterdir()))}")


COMMANDS = (reproduce, vouch, unpack)
