"""Commands about models of one's own: train."""

import sys
from pathlib import Path

import click

from suite.cli.options import discover, plug_ins


@click.command()
@click.argument("model")
@click.option("--out", type=click.Path(path_type=Path), help="Folder of the weights. Default: the model's own, over those that are there.")
@plug_ins
def train(model: str, out: Path | None, plugins: tuple[str, ...], model_files: tuple[str, ...]) -> None:
    """Train the reference MODEL from scratch: fixed steps and seeds."""
    from suite.catalogue import train as train_model

    with click.progressbar(length=1, label=model, item_show_func=str, file=sys.stderr) as bar:

        def advance(done: int, total: int, text: str) -> None:
            bar.length = total
            bar.update(done - bar.pos, text)

        path, figures = train_model(discover(plugins, model_files), model, out, advance)
    click.echo(f"{path}: " + ", ".join(f"{name} {value:.4f}" for name, value in figures.items()))


COMMANDS = (train,)
