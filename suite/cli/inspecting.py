"""Commands that look and change nothing: list, describe, compare, recompute, doctor."""

import json
from itertools import groupby
from pathlib import Path
from typing import TYPE_CHECKING

import click

from suite.cli.options import discover, method_path, plug_ins, print_rows, report_broken, split
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
    registry = discover(plugins, model_files)
    card = catalogue.find(registry, name)
    click.echo(catalogue.describe(card))
    if isinstance(card, ModelCard):
        click.echo(f"\nbaseline  {catalogue.baseline_line(registry, card, results)}\n")
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
@click.argument("one")
@click.argument("other")
@click.option("--model", "models", multiple=True, callback=split, help="Models to look at, separated by commas. Default: all.")
@click.option("--results", type=click.Path(path_type=Path), default=Path("results"), show_default=True, help="Folder of the records.")
@click.option("--json", "as_json", is_flag=True, help="An array of objects, for scripts.")
@click.option("--plugins", multiple=True, callback=split, help="Folders with your own methods/ or targets/.")
@method_path
def compare(one: str, other: str, models: tuple[str, ...], results: Path, as_json: bool, plugins: tuple[str, ...]) -> None:
    """Two methods side by side: who wins, loses or ties on each model, with intervals. Reads records, measures nothing.

    ONE and OTHER are a method and its variant, such as int4_rtn/block_32. Of a method alone, the variants that both have are compared.
    Accuracies are compared item by item; of speeds, the ratio of the two speed-ups has the interval. A difference counts if its 95 %
    interval leaves out none; speeds and sizes must differ by more than 1 % besides.
    """
    from suite.store import Store
    from suite.versus import as_rows, versus

    if not results.is_dir():
        raise UsageError(f"There is no results folder {results}; run `squeezemark run` first, or name one with --results.")
    store, targets = Store(results), discover(plugins).targets
    found = versus(store.records(), one, other, store.columns, lambda name: name not in targets or targets[name].ranks_latency, models)
    if as_json:
        click.echo(json.dumps(as_rows(found), indent=1))
        return
    from rich.console import Console

    from suite.tables import versus_table

    for _, group in groupby(found, lambda side: (side.one, side.other)):
        sides = tuple(group)
        if any(side.contrasts for side in sides):
            Console().print(versus_table(sides))
        for side in sides:
            if side.problem is not None:
                click.echo(f"{side.model}: {'/'.join(side.one)} against {'/'.join(side.other)}: {side.problem}")


@click.command()
@click.option("--results", type=click.Path(path_type=Path), default=Path("results"), show_default=True, help="Folder of the records.")
def recompute(results: Path) -> None:
    """Work out every published statistic again from the raw samples, and say where one differs. Exits with 1 if any does."""
    from suite.errors import BrokenRecord
    from suite.recompute import discrepancies, figures
    from suite.store import Store

    if not results.is_dir():
        raise UsageError(f"There is no results folder {results}; run `squeezemark run` first, or name one with --results.")
    store, records, checked, wrong = Store(results), 0, 0, [str(error) for error in Store(results).broken()]
    for record in store.records():
        records += 1
        if record.columns_sha256 is None:
            continue
        try:
            columns = store.columns(record)
            checked += len(figures(record, columns))
            wrong += [f"{record.name}: {d.figure} is {d.published}, its samples give {d.again}" for d in discrepancies(record, columns)]
        except (BrokenRecord, KeyError, ValueError, IndexError) as error:
            wrong.append(f"{record.name}: its raw columns do not bear it out ({error})")
    for sentence in wrong:
        click.echo(sentence, err=True)
    click.echo(f"{checked:,} figures of {records:,} records worked out again, {len(wrong)} differences.")
    if wrong:
        raise click.exceptions.Exit(1)


@click.command()
@click.option("--json", "as_json", is_flag=True, help="An array of objects, for scripts.")
@plug_ins
def doctor(as_json: bool, plugins: tuple[str, ...], model_files: tuple[str, ...]) -> None:
    """What this machine can run, what it cannot and why, and what would disturb a measurement. Changes nothing."""
    from suite import diagnose

    registry = discover(plugins, model_files)
    print_rows(diagnose.rows(registry), as_json, ("kind", "name", "state", "reason"))
    report_broken(registry)


COMMANDS = (list_command, describe, compare, recompute, doctor)
