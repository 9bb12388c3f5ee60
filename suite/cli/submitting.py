"""Commands for those who hand a method in, and for those who check what was handed in: submit, verify."""

import json
from pathlib import Path
from typing import TYPE_CHECKING

import click

from suite.cli.options import discover, plug_ins, split
from suite.errors import UsageError

if TYPE_CHECKING:
    from suite.submission.verify import Verdict, Verifier

PUBLISHED = Path("site/results")
SHOWN = 5
"""Problems of one check."""


@click.command()
@click.argument("name")
@click.option("--results", type=click.Path(path_type=Path), default=Path("results"), show_default=True, help="Folder of the records.")
@click.option("--out", type=click.Path(path_type=Path), default=Path("submissions"), show_default=True, help="Folder of the bundle.")
@click.option(
    "--recipe", "recipe_files", multiple=True, callback=split, help="The file of NAME, if it is a recipe of your own: my_recipe.toml."
)
@click.option("--author", help="Who is to be named. Default: nobody.")
@click.option("--machine", help="A part of its name: whose records are packed, where there are those of several machines.")
@click.option("--sign", "signed", is_flag=True, help="Sign it with minisign, or with Sigstore, whichever is installed.")
@click.option("--json", "as_json", is_flag=True, help="An object, for scripts: bundle, sha256, signature, text.")
@plug_ins
def submit(
    name: str, results: Path, out: Path, recipe_files: tuple[str, ...], author: str | None, machine: str | None, signed: bool,
    as_json: bool, plugins: tuple[str, ...], model_files: tuple[str, ...],
) -> None:  # fmt: skip
    """Pack the method NAME for publication: one file with its records, their raw samples, its source and what it was measured with.

    The newest record of each cell is taken, and the uncompressed model beside it; run them with --tier full first. What cannot be
    published is refused, with the reason. Prints the text of the pull request; the same records and source give the same file.
    """
    from suite.store import Store
    from suite.submission import pull_request, signing
    from suite.submission.collect import collect
    from suite.submission.pack import pack
    from suite.submission.verify import Verifier

    if not results.is_dir():
        raise UsageError(f"There is no results folder {results}; run `squeezemark run` first, or name one with --results.")
    registry = discover(plugins, model_files, recipe_files)
    if signed:
        signing.command(out)
    collection = collect(name, Store(results), registry, [Path(file) for file in recipe_files], author, machine)
    bundle = pack(out, collection.manifest, collection.contents)
    verdict = Verifier(registry.targets).bundle(bundle)
    if not verdict.ok:
        bundle.unlink()
        raise UsageError(f"{name} cannot be published: {verdict.findings[0].subject}: {verdict.findings[0].problem}.")
    signature = signing.sign(bundle) if signed else None
    text = pull_request.text(collection, bundle.name, str(verdict.sha256))
    if as_json:
        found = {"bundle": str(bundle), "sha256": verdict.sha256, "signature": signature and str(signature), "text": text}
        click.echo(json.dumps(found, indent=1))
        return
    click.echo(text)
    click.echo(f"Written: {bundle}{f', signed by {signature.name}' if signature else ''}", err=True)


@click.command()
@click.argument("bundles", nargs=-1, type=click.Path(path_type=Path))
@click.option("--all", "everything", is_flag=True, help="Check every published record, those under --results.")
@click.option(
    "--results", type=click.Path(path_type=Path), default=PUBLISHED, show_default=True,
    help="Folder of the published records: with --all they are checked, and no bundle may hold what is in there already.",
)  # fmt: skip
@click.option("--json", "as_json", is_flag=True, help="An array of objects, one for each bundle: its checks and what each found.")
def verify(bundles: tuple[Path, ...], everything: bool, results: Path, as_json: bool) -> None:
    """Check BUNDLES without running or importing anything that is in them. Exits with 1 if a check fails.

    Hashes, the manifest and every statistic are worked out again, the source is held against the records, and figures that no machine
    gives are refused; docs/security.md says what each check asks, and what none can see.
    """
    from suite import registry
    from suite.store import Store
    from suite.submission import together
    from suite.submission.verify import Verifier

    if not bundles and not everything:
        raise UsageError("Name a bundle, such as submissions/mine-0123456789ab.squeezemark.zip, or check what is published with --all.")
    if everything and not results.is_dir():
        raise UsageError(f"There is no folder {results} of published records; name one with --results.")
    published = together.Published(Store(results)) if bundles and results.is_dir() else None
    verifier = Verifier(registry.discover().targets, published)
    verdicts = [verifier.bundle(path) for path in bundles]
    verdicts += [_published(verifier, results)] if everything else []
    if as_json:
        click.echo(json.dumps([verdict.as_json() for verdict in verdicts], indent=1))
    else:
        for verdict in verdicts:
            _print(verdict)
        if bundles and published is None:
            click.echo(f"Not compared with what is published: there is no folder {results}.", err=True)
    if not all(verdict.ok for verdict in verdicts):
        raise click.exceptions.Exit(1)


def _published(verifier: "Verifier", results: Path) -> "Verdict":
    """With a bar, for it takes a while."""
    from rich.console import Console
    from rich.progress import Progress

    from suite.store import Store

    console = Console(stderr=True)
    with Progress(console=console, transient=True, disable=not console.is_terminal) as progress:
        bar = progress.add_task("records", total=len(list(results.glob("*.json"))))
        return verifier.store(Store(results), lambda: progress.advance(bar))


def _print(verdict: "Verdict") -> None:
    from suite.submission.checks import ASKS
    from suite.submission.texts import shown

    for name in verdict.checks:
        problems = [found for found in verdict.findings if found.check == name]
        click.echo(f"{'FAILED' if problems else 'ok':8}{name:14}{ASKS[name]}")
        for found in problems[:SHOWN]:
            click.echo(f"{'':22}{found.subject}: {found.problem}")
        if len(problems) > SHOWN:
            click.echo(f"{'':22}and {len(problems) - SHOWN} more; --json lists them all")
    state = "passed" if verdict.ok else f"failed {len({found.check for found in verdict.findings})} of them"
    click.echo(f"{shown(verdict.subject)}: {verdict.records} records, {len(verdict.checks)} checks, {state}.")


COMMANDS = (submit, verify)
