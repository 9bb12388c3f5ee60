"""Commands about plug-ins of one's own: new-model, new-target, check-model, train."""

import sys
from pathlib import Path

import click

from suite.cli.options import discover, one_model, plug_ins, print_rows


@click.command("new-model")
@click.argument("name")
@click.option("--out", type=click.Path(path_type=Path), default=Path(), help="Folder of the new files. Default: this one.")
def new_model(name: str, out: Path) -> None:
    """Write NAME.py and its weights NAME.npz: a model in one file that runs as it stands, each part with what to put there."""
    from suite.skeleton import write_model

    file, weights = write_model(name, out, lambda done, total, text: None)
    click.echo(f"{file} and its weights {weights}: a small model that runs. Replace its parts by yours, then:")
    click.echo(f'  squeezemark check-model "{file}"' if " " in str(file) else f"  squeezemark check-model {file}")


@click.command("new-target")
@click.argument("name")
@click.option("--out", type=click.Path(path_type=Path), default=Path("plugins"), show_default=True, help="Folder of your plug-ins.")
def new_target(name: str, out: Path) -> None:
    """Write targets/NAME in a folder of plug-ins: a target that runs as it stands, with what to put in each place."""
    from suite.skeleton import write_target

    place = write_target(name, out)
    click.echo(f"{place}: a target that runs. Say in __init__.py what it is, and in runner.py how it runs a file, then:")
    click.echo(f"  squeezemark doctor --plugins {out}")
    click.echo(f"  squeezemark run --plugins {out} --targets {name} --models audio_visual_digits --methods baseline_fp32,dynamic_int8")


@click.command("check-model")
@click.argument("model", metavar="NAME_OR_FILE")
@click.option("--json", "as_json", is_flag=True, help="An array of objects, for scripts.")
@plug_ins
def check_model(model: str, as_json: bool, plugins: tuple[str, ...], model_files: tuple[str, ...]) -> None:
    """Run the conformance suite on a model, by name or path/to/my_model.py, and say in words what is missing."""
    from suite import conformance

    name, registry, paths = one_model(model, plugins, model_files)
    found = conformance.check(registry, name, paths)
    rows = [{"state": finding.state, "name": finding.check, "words": finding.words} for finding in found]
    print_rows(rows, as_json, ("state", "name", "words"))
    bad = [finding for finding in found if finding.bad]
    if not as_json:
        click.echo(f"{name}: {len(bad)} of {len(found)} checks failed." if bad else f"{name} can be run: no check of {len(found)} failed.")
    if bad:
        raise click.exceptions.Exit(1)


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


COMMANDS = (new_model, new_target, check_model, train)
