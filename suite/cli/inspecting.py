"""Commands that look and change nothing: list, describe, doctor."""

from pathlib import Path
from typing import TYPE_CHECKING

import click

from suite.cli.options import discover, plug_ins, print_rows, report_broken
from suite.errors import UsageError

if TYPE_CHECKING:
    from suite.contracts import ModelCard

KINDS = {"models": "model", "methods": "method", "targets": "target"}


@click.command("list")
@click.argument("kind", type=click.Choice(list(KINDS)), required=False)
@click.option("--json", "as_json", is_flag=True, help="An array of objects, for scripts.")
@plug_ins
def list_command(kind: str | None, as_json: bool, plugins: tuple[str, ...], model_files: tuple[str, ...]) -> None:
    """What there is: models, methods and targets."""
    from suite import catalogue

    registry = discover(plugins, model_files)
    rows = [row for name in ([kind] if kind else KINDS) for row in catalogue.rows(registry, KINDS[name])]
    print_rows(rows, as_json, ("kind", "name", "title"))
    report_broken(registry)


@click.command()
@click.argument("name")
@click.option("--results", type=click.Path(path_type=Path), default=Path("results"), show_default=True, help="Folder of the records.")
@click.option("--picture", type=click.Path(path_type=Path), help="Of a model: writes a picture of sample inputs to this PNG file.")
@plug_ins
def describe(name: str, results: Path, picture: Path | None, plugins: tuple[str, ...], model_files: tuple[str, ...]) -> None:
    """Everything that the card of the model, method or target NAME says.

    Of a model also what it is made of, how good it is uncompressed, and a picture of what it is asked. NAME may be a model's file.
    """
    from suite import catalogue
    from suite.contracts import ModelCard

    if name.endswith(".py"):
        name, model_files = Path(name).stem, (*model_files, name)
    card = catalogue.find(discover(plugins, model_files), name)
    click.echo(catalogue.describe(card))
    if isinstance(card, ModelCard):
        click.echo(f"\nbaseline  {catalogue.baseline_line(card, results)}\n")
        _take_apart(card)
    if picture is not None:
        from suite import samples

        if not isinstance(card, ModelCard):
            raise UsageError(f"{name} is not a model: there is no sample input to draw.")
        click.echo(f"sample inputs: {samples.draw(card, picture)}")


def _take_apart(card: "ModelCard") -> None:
    try:
        from suite.anatomy import anatomy
    except ImportError as error:  # someone who only reads results has no torch
        click.echo(f"what it is made of: {error}; pip install 'squeezemark[run]' brings it", err=True)
        return
    from rich.console import Console

    from suite.tables import anatomy_table

    Console().print(anatomy_table(anatomy(card)))


@click.command()
@click.option("--json", "as_json", is_flag=True, help="An array of objects, for scripts.")
@plug_ins
def doctor(as_json: bool, plugins: tuple[str, ...], model_files: tuple[str, ...]) -> None:
    """What this machine can run, what it cannot and why, and what would disturb a measurement. Changes nothing."""
    from suite import diagnose

    registry = discover(plugins, model_files)
    print_rows(diagnose.rows(registry), as_json, ("kind", "name", "state", "reason"))
    report_broken(registry)


COMMANDS = (list_command, describe, doctor)
