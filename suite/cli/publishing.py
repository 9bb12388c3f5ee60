"""Commands that make the site from records, freeze what it shows, and show it: render, release, serve."""

from pathlib import Path
from typing import TYPE_CHECKING

import click

from suite.cli.options import discover, plug_ins
from suite.errors import UsageError

if TYPE_CHECKING:
    from suite.registry import Registry

RELEASES = "releases"


@click.command()
@click.option("--results", type=click.Path(path_type=Path), default=Path("results"), show_default=True, help="Folder of the records.")
@click.option("--out", type=click.Path(path_type=Path), default=Path("build/site"), show_default=True, help="Folder of the pages.")
@click.option(
    "--work",
    type=click.Path(path_type=Path),
    default=Path(".squeezemark"),
    show_default=True,
    help="Working folder of a run: its test sets save making them again for the examples.",
)
@click.option(
    "--overlay",
    type=click.Path(path_type=Path),
    help="A folder of your own records, shown beside the others and marked as local on each row and page.",
)
@click.option("--releases", type=click.Path(path_type=Path), help="Folder of the releases.  [default: releases beside --results]")
@click.option("--unreleased", is_flag=True, help="Show every record, not only those of the newest release.")
@plug_ins
def render(
    results: Path,
    out: Path,
    work: Path,
    overlay: Path | None,
    releases: Path | None,
    unreleased: bool,
    plugins: tuple[str, ...],
    model_files: tuple[str, ...],
) -> None:
    """Build the static leaderboard from records alone.

    What has not changed since the last build is taken from there. The site that is in --out stays until the new one is whole.

    \b
    squeezemark render                                            your own records
    squeezemark render --results site/results --overlay results   yours beside the published ones
    """
    if not results.is_dir():
        raise UsageError(f"There is no results folder {results}; run `squeezemark run` first, or name one with --results.")
    if overlay is not None and not overlay.is_dir():
        raise UsageError(f"There is no folder {overlay} to lay over the others; run `squeezemark run` first, or name another one.")
    _build(results, out, work, (overlay, releases or results.parent / RELEASES, unreleased), discover(plugins, model_files))


def _build(results: Path, out: Path, work: Path, shown: tuple[Path | None, Path, bool], registry: "Registry") -> None:
    from rich.console import Console
    from rich.progress import Progress

    from suite.render import Show
    from suite.render import render as render_site
    from suite.store import Store

    overlay, releases, unreleased = shown
    console = Console(stderr=True)
    with Progress(console=console, transient=True, disable=not console.is_terminal) as progress:
        bar = progress.add_task("boards", total=None)
        show = Show(
            Store(overlay) if overlay else None,
            releases,
            unreleased,
            lambda done, total: progress.update(bar, completed=done, total=total),
        )
        done = render_site(Store(results), registry.models, registry.methods, registry.targets, out, work, show)
    click.echo(f"{done.records} records, {done.pages} pages: {out / 'index.html'}")
    for error in done.broken:
        click.echo(f"Left out: {error}", err=True)
    if done.broken:
        raise click.exceptions.Exit(1)


@click.command()
@click.argument("name")
@click.option("--results", type=click.Path(path_type=Path), default=Path("site/results"), show_default=True, help="Folder of the records.")
@click.option("--releases", type=click.Path(path_type=Path), help="Folder of the releases.  [default: releases beside --results]")
@click.option("--why", required=True, help="What this release is for, in a sentence: it stands on the page of releases.")
def release(name: str, results: Path, releases: Path | None, why: str) -> None:
    """Freeze the records as they are, under a date such as 2026-11-27.

    The site then shows these records and no others, until the next release. Pages of a release stay as they are for ever; a build fails
    if one of its records is missing or has changed. Every record is checked first, and nothing is written if one does not hold.
    """
    from suite.publishing.release import freeze
    from suite.store import Store

    if not results.is_dir():
        raise UsageError(f"There is no results folder {results}; name the folder of the records with --results.")
    folder = releases or results.parent / RELEASES
    made = freeze(name, why, Store(results), folder)
    click.echo(f"{len(made.records)} records: {folder / name}.json")


@click.command()
@click.option("--out", type=click.Path(path_type=Path), default=Path("build/site"), show_default=True, help="Folder of the pages.")
@click.option("--port", type=click.IntRange(0, 65535), default=8000, show_default=True, help="0 takes any free port.")
def serve(out: Path, port: int) -> None:
    """Preview the rendered site on this machine only (127.0.0.1). Ctrl-C ends it."""
    from suite.serve import serve as serve_folder

    if not (out / "index.html").is_file():
        raise UsageError(f"There is no site in {out}; run `squeezemark render` first, or name its folder with --out.")
    serve_folder(out, port, lambda address: click.echo(f"{address}  (Ctrl-C ends it)"))


COMMANDS = (render, release, serve)
