"""Commands that make the site from records and show it: render, serve."""

from pathlib import Path

import click

from suite.cli.options import discover, plug_ins
from suite.errors import UsageError


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
@plug_ins
def render(results: Path, out: Path, work: Path, plugins: tuple[str, ...], model_files: tuple[str, ...]) -> None:
    """Build the static leaderboard from records alone."""
    from suite.render import render as render_site
    from suite.store import Store

    if not results.is_dir():
        raise UsageError(f"There is no results folder {results}; run `squeezemark run` first, or name one with --results.")
    registry = discover(plugins, model_files)
    done = render_site(Store(results), registry.models, registry.methods, registry.targets, out, work)
    click.echo(f"{done.records} records, {done.pages} pages: {out / 'index.html'}")
    for error in done.broken:
        click.echo(f"Left out: {error}", err=True)
    if done.broken:
        raise click.exceptions.Exit(1)


@click.command()
@click.option("--out", type=click.Path(path_type=Path), default=Path("build/site"), show_default=True, help="Folder of the pages.")
@click.option("--port", type=click.IntRange(0, 65535), default=8000, show_default=True, help="0 takes any free port.")
def serve(out: Path, port: int) -> None:
    """Preview the rendered site on this machine only (127.0.0.1). Ctrl-C ends it."""
    from suite.serve import serve as serve_folder

    if not (out / "index.html").is_file():
        raise UsageError(f"There is no site in {out}; run `squeezemark render` first, or name its folder with --out.")
    serve_folder(out, port, lambda address: click.echo(f"{address}  (Ctrl-C ends it)"))


COMMANDS = (render, serve)
