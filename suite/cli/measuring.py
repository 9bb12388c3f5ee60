"""Commands that measure, or say what would be measured: plan, run, sensitivity."""

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from suite.cli.options import planned, prepare, print_rows, report_broken, selection
from suite.contracts import BASELINE

if TYPE_CHECKING:
    from suite.config import Config
    from suite.record import Record
    from suite.registry import Registry


@click.command("plan")
@selection
@click.option("--json", "as_json", is_flag=True, help="An array of objects, for scripts.")
def plan_command(as_json: bool, **choices: Any) -> None:
    """The cells that `run` would measure, and why some cannot be. Measures nothing."""
    from suite import catalogue

    config, registry, _ = prepare(choices)
    print_rows(catalogue.plan_rows(planned(config, registry), config), as_json, ("name", "state", "reason"))
    report_broken(registry)


@click.command()
@selection
@click.option("--retry-failed", is_flag=True, default=None, help="Measure again what failed before.")
def run(**choices: Any) -> None:
    """Compress, evaluate and measure. What is recorded already is not measured again; Ctrl-C loses nothing."""
    config, registry, paths = prepare(choices)
    records = _execute(config, registry, paths)
    failed = _report(records, config)
    if failed or report_broken(registry):
        raise click.exceptions.Exit(1)


@click.command()
@click.argument("names", nargs=-1, metavar="[MODEL]...")
@selection
@click.option("--retry-failed", is_flag=True, default=None, help="Measure again what failed before.")
def sensitivity(names: tuple[str, ...], **choices: Any) -> None:
    """Compress each component of MODEL alone and show where it hurts. Without MODEL: every model.

    Accuracy only: a cell of one component is not timed. The difference is to the uncompressed model on the same items; ≈ marks one whose
    95 % interval holds zero. A component is said to hurt most if its interval lies below those of all others.
    """
    from rich.console import Console

    from suite.sensitivity import sensitivities
    from suite.store import Store
    from suite.tables import sensitivity_table

    files = tuple(name for name in names if name.endswith(".py"))
    choices["models"] += tuple(name for name in names if name not in files)
    choices["model_files"] += files
    if choices["methods"]:
        choices["methods"] += (BASELINE,)  # nothing can be said without it
    config, registry, paths = prepare(choices | {"one_component": True})
    records = _execute(config, registry, paths)
    for found in sensitivities(records, Store(Path(config.results)).columns):
        Console().print(sensitivity_table(found))
    if _report(records, config):
        raise click.exceptions.Exit(1)


def _execute(config: "Config", registry: "Registry", paths: dict[str, list[str]]) -> "list[Record]":
    """The records of everything that the config asks for, measured or found."""
    from rich.console import Console

    from suite.execute import execute
    from suite.progress import Display
    from suite.store import Store
    from suite.workspace import Workspace

    store, workspace = Store(Path(config.results)), Workspace(Path(config.work).resolve(), config, paths)
    with Display(Console(stderr=False, soft_wrap=True)) as display:
        return execute(planned(config, registry), registry, store, workspace, display)


def _report(records: "list[Record]", config: "Config") -> bool:
    """Says how the run ended; true if a cell failed."""
    failed = [record for record in records if record.status not in ("ok", "unsupported")]
    for record in failed:
        click.echo(f"Failed: {record.cell.title}: {record.status}: {record.reason}", err=True)
    fine = sum(record.status == "ok" for record in records)
    click.echo(f"{fine} of {len(records)} cells ok, {len(failed)} failed, records in {config.results}")
    return bool(failed)


COMMANDS = (plan_command, run, sensitivity)
