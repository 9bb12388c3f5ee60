"""The command line. Only this module prints and exits; what is heavy is imported by the command that needs it."""

import functools
import json
import sys
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from suite import __version__
from suite.errors import SqueezemarkError, UsageError

if TYPE_CHECKING:
    from suite.config import Config
    from suite.record import Record
    from suite.registry import Registry

KINDS = {"models": "model", "methods": "method", "targets": "target"}


def main() -> None:
    """The `squeezemark` command: 0 for success, 1 if something failed, 2 for a wrong request, 130 after Ctrl-C."""
    try:
        sys.exit(cli(standalone_mode=False))
    except click.ClickException as error:
        error.show()
        sys.exit(error.exit_code)
    except (KeyboardInterrupt, click.Abort):
        click.echo("\nStopped. Every finished cell is recorded; the same command continues.", err=True)
        sys.exit(130)
    except SqueezemarkError as error:
        click.echo(f"Error: {error}", err=True)
        sys.exit(2 if isinstance(error, UsageError) else 1)
    except BrokenPipeError:
        sys.exit(0)
    except OSError as error:
        click.echo(f"Error: {error.strerror or error}{f' ({error.filename})' if error.filename else ''}.", err=True)
        sys.exit(1)


def _split(_context: click.Context, _parameter: click.Parameter, values: tuple[str, ...]) -> tuple[str, ...]:
    return tuple(name.strip() for value in values for name in value.split(",") if name.strip())


def _selection(command: Callable[..., Any]) -> Callable[..., Any]:
    """The options that choose what to run, shared by `plan` and `run`."""
    options = (
        click.option("--models", multiple=True, callback=_split, help="Models, separated by commas. Default: all."),
        click.option("--methods", multiple=True, callback=_split, help="Methods or method/variant, separated by commas. Default: all."),
        click.option("--targets", multiple=True, callback=_split, help="Targets, separated by commas. Default: all."),
        click.option(
            "--tier", type=click.Choice(["quick", "full"]), help="quick: 600 test items, short timing (default). full: what is published."
        ),
        click.option("--test-seed", type=click.IntRange(0), help="Another seed gives a fresh, independent test set. Default: 0."),
        click.option(
            "--config", "config_file", type=click.Path(path_type=Path), help="A TOML file with these settings; options win over it."
        ),
        click.option("--results", help="Folder of the records. Default: results."),
        click.option("--work", help="Folder for exports and test sets; may be deleted at any time. Default: .squeezemark."),
        click.option("--plugins", multiple=True, callback=_split, help="Folders with your own models/, methods/ or targets/."),
    )
    return functools.reduce(lambda wrapped, option: option(wrapped), reversed(options), command)


@click.group(context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 110})
@click.version_option(__version__, prog_name="squeezemark")
def cli() -> None:
    """What compressing a multimodal model really costs, and really gains, on your hardware.

    \b
    squeezemark doctor                          what this machine can run
    squeezemark run --tier quick                every method on every model, a few minutes
    squeezemark run --methods dynamic_int8,my_method --models glyph_clip
    squeezemark render && squeezemark serve     look at the leaderboard
    """


@cli.command("list")
@click.argument("kind", type=click.Choice(list(KINDS)), required=False)
@click.option("--json", "as_json", is_flag=True, help="An array of objects, for scripts.")
@click.option("--plugins", multiple=True, callback=_split, help="Folders with your own models/, methods/ or targets/.")
def list_command(kind: str | None, as_json: bool, plugins: tuple[str, ...]) -> None:
    """What there is: models, methods and targets."""
    from suite import catalogue

    registry = _discover(plugins)
    rows = [row for name in ([kind] if kind else KINDS) for row in catalogue.rows(registry, KINDS[name])]
    _print_rows(rows, as_json, ("kind", "name", "title"))
    _report_broken(registry)


@cli.command()
@click.argument("name")
@click.option("--plugins", multiple=True, callback=_split, help="Folders with your own models/, methods/ or targets/.")
def describe(name: str, plugins: tuple[str, ...]) -> None:
    """Everything that the card of the model, method or target NAME says."""
    from suite import catalogue

    click.echo(catalogue.describe(_discover(plugins), name))


@cli.command("plan")
@_selection
@click.option("--json", "as_json", is_flag=True, help="An array of objects, for scripts.")
def plan_command(as_json: bool, **choices: Any) -> None:
    """The cells that `run` would measure, and why some cannot be. Measures nothing."""
    from suite import catalogue

    config, registry, _ = _prepare(choices)
    _print_rows(catalogue.plan_rows(_plan(config, registry), config), as_json, ("name", "state", "reason"))
    _report_broken(registry)


@cli.command()
@_selection
@click.option("--retry-failed", is_flag=True, default=None, help="Measure again what failed before.")
def run(**choices: Any) -> None:
    """Compress, evaluate and measure. What is recorded already is not measured again; Ctrl-C loses nothing."""
    from rich.console import Console

    from suite.execute import execute
    from suite.progress import Display
    from suite.store import Store
    from suite.workspace import Workspace

    config, registry, paths = _prepare(choices)
    store, workspace = Store(Path(config.results)), Workspace(Path(config.work).resolve(), config, paths)
    with Display(Console(stderr=False, soft_wrap=True)) as display:
        records = execute(_plan(config, registry), registry, store, workspace, display)
    failed = _report(records, config)
    if failed or _report_broken(registry):
        raise click.exceptions.Exit(1)


@cli.command()
@click.option("--results", type=click.Path(path_type=Path), default=Path("results"), show_default=True, help="Folder of the records.")
@click.option("--out", type=click.Path(path_type=Path), default=Path("build/site"), show_default=True, help="Folder of the pages.")
@click.option("--plugins", multiple=True, callback=_split, help="Folders with your own models/, methods/ or targets/.")
def render(results: Path, out: Path, plugins: tuple[str, ...]) -> None:
    """Build the static leaderboard from records alone."""
    from suite.render import render as render_site
    from suite.store import Store

    if not results.is_dir():
        raise UsageError(f"There is no results folder {results}; run `squeezemark run` first, or name one with --results.")
    registry = _discover(plugins)
    done = render_site(Store(results), registry.models, registry.methods, registry.targets, out)
    click.echo(f"{done.records} records, {done.pages} pages: {out / 'index.html'}")
    for error in done.broken:
        click.echo(f"Left out: {error}", err=True)
    if done.broken:
        raise click.exceptions.Exit(1)


@cli.command()
@click.option("--out", type=click.Path(path_type=Path), default=Path("build/site"), show_default=True, help="Folder of the pages.")
@click.option("--port", type=click.IntRange(0, 65535), default=8000, show_default=True, help="0 takes any free port.")
def serve(out: Path, port: int) -> None:
    """Preview the rendered site on this machine only (127.0.0.1). Ctrl-C ends it."""
    from suite.serve import serve as serve_folder

    if not (out / "index.html").is_file():
        raise UsageError(f"There is no site in {out}; run `squeezemark render` first, or name its folder with --out.")
    serve_folder(out, port, lambda address: click.echo(f"{address}  (Ctrl-C ends it)"))


@cli.command()
@click.argument("model")
@click.option("--out", type=click.Path(path_type=Path), help="Folder of the weights. Default: the model's own, over those that are there.")
@click.option("--plugins", multiple=True, callback=_split, help="Folders with your own models/, methods/ or targets/.")
def train(model: str, out: Path | None, plugins: tuple[str, ...]) -> None:
    """Train the reference MODEL from scratch: fixed steps and seeds."""
    from suite.catalogue import train as train_model

    with click.progressbar(length=1, label=model, item_show_func=str, file=sys.stderr) as bar:

        def advance(done: int, total: int, text: str) -> None:
            bar.length = total
            bar.update(done - bar.pos, text)

        path, figures = train_model(_discover(plugins), model, out, advance)
    click.echo(f"{path}: " + ", ".join(f"{name} {value:.4f}" for name, value in figures.items()))


@cli.command()
@click.option("--json", "as_json", is_flag=True, help="An array of objects, for scripts.")
@click.option("--plugins", multiple=True, callback=_split, help="Folders with your own models/, methods/ or targets/.")
def doctor(as_json: bool, plugins: tuple[str, ...]) -> None:
    """What this machine can run, what it cannot and why, and what would disturb a measurement. Changes nothing."""
    from suite import diagnose

    registry = _discover(plugins)
    _print_rows(diagnose.rows(registry), as_json, ("kind", "name", "state", "reason"))
    _report_broken(registry)


def _discover(plugins: Iterable[str]) -> "Registry":
    from suite import registry

    registry.extend(Path(folder) for folder in plugins)
    return registry.discover()


def _prepare(choices: Mapping[str, Any]) -> "tuple[Config, Registry, dict[str, list[str]]]":
    from suite import config as configs
    from suite import registry

    changes = {name: value for name, value in choices.items() if name != "config_file" and value not in (None, ())}
    config = configs.load(choices["config_file"], changes)
    paths = registry.extend(Path(folder) for folder in config.plugins)
    return config, registry.discover(), paths


def _plan(config: "Config", registry: "Registry") -> Any:
    from suite import environment
    from suite.plan import plan

    return plan(config, registry, environment.read().host, environment.library_versions())


def _report(records: "list[Record]", config: "Config") -> bool:
    """Says how the run ended; true if a cell failed."""
    failed = [record for record in records if record.status not in ("ok", "unsupported")]
    for record in failed:
        click.echo(f"Failed: {record.cell.model} · {record.cell.method}/{record.cell.variant}: {record.status}: {record.reason}", err=True)
    fine = sum(record.status == "ok" for record in records)
    click.echo(f"{fine} of {len(records)} cells ok, {len(failed)} failed, records in {config.results}")
    return bool(failed)


def _report_broken(registry: "Registry") -> bool:
    for error in registry.broken:
        click.echo(f"Left out: {error}", err=True)
    return bool(registry.broken)


def _print_rows(rows: list[dict[str, Any]], as_json: bool, columns: tuple[str, ...]) -> None:
    if as_json:
        click.echo(json.dumps(rows, indent=1))
        return
    widths = [max((len(str(row.get(column) or "")) for row in rows), default=0) for column in columns]
    for row in rows:
        cells = (str(row.get(column) or "").ljust(width) for column, width in zip(columns, widths, strict=True))
        click.echo("  ".join(cells).rstrip())
