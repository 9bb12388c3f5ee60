"""Commands that look and change nothing: list, describe, doctor."""

import click

from suite.cli.options import discover, plug_ins, print_rows, report_broken

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
@plug_ins
def describe(name: str, plugins: tuple[str, ...], model_files: tuple[str, ...]) -> None:
    """Everything that the card of the model, method or target NAME says."""
    from suite import catalogue

    click.echo(catalogue.describe(discover(plugins, model_files), name))


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
