"""The command that hands over a compressed model: compress."""

from pathlib import Path
from typing import TYPE_CHECKING

import click

from suite.cli.options import method_path, one_model, planned, split
from suite.contracts import BASELINE
from suite.errors import UsageError

if TYPE_CHECKING:
    from suite.registry import Registry


@click.command()
@click.option("--model", required=True, help="A model's name, or a model in one file: path/to/my_model.py.")
@click.option(
    "--recipe",
    required=True,
    help="A method and its variant, such as dynamic_int8/per_channel, or path/to/my_recipe.toml, whose first variant is taken.",
)
@click.option("--out", required=True, type=click.Path(path_type=Path), help="Folder of the files; it must not exist yet, or be empty.")
@click.option("--target", help="Where it is measured. Default: the reference target of this machine.")
@click.option("--tier", type=click.Choice(["quick", "full"]), default="quick", show_default=True, help="How thoroughly it is measured.")
@click.option("--results", default="results", show_default=True, help="Folder of the records.")
@click.option("--work", default=".squeezemark", show_default=True, help="Folder for exports and test sets; may be deleted at any time.")
@click.option("--plugins", multiple=True, callback=split, help="Folders with your own models/, methods/ or targets/.")
@method_path
def compress(model: str, recipe: str, out: Path, target: str | None, tier: str, results: str, work: str, plugins: tuple[str, ...]) -> None:
    """Compress MODEL by RECIPE and write what is deployed: the files, their manifest, the measured verdict and an example that runs."""
    from rich.console import Console

    from suite import config as configs
    from suite import deliver
    from suite.progress import Display
    from suite.store import Store
    from suite.verdict import sentences
    from suite.workspace import Workspace

    deliver.check_free(out)
    name, registry, paths = one_model(model, plugins, (), (recipe,) if recipe.endswith(".toml") else ())
    chosen = {"models": (name,), "methods": (f"{BASELINE}/fp32", _recipe(recipe, registry)), "targets": (_target(target, registry),)}
    config = configs.load(None, {**chosen, "tier": tier, "results": results, "work": work, "retry_failed": True})
    store, workspace = Store(Path(config.results)), Workspace(Path(config.work).resolve(), config, paths)
    with Display(Console(soft_wrap=True)) as display:
        found = deliver.deliver(planned(config, registry), registry, store, workspace, display, out)
    if not isinstance(found, deliver.Delivery):
        click.echo(f"Failed: {found.cell.title}: {found.status}: {found.reason}", err=True)
        raise click.exceptions.Exit(1)
    for sentence in sentences(found.row, found.baseline):
        click.echo(sentence)
    click.echo(f"{out}: {', '.join(sorted(path.name for path in out.iterdir()))}")


def _recipe(recipe: str, registry: "Registry") -> str:
    if recipe.endswith(".toml"):
        card = registry.methods[Path(recipe).stem]
        return f"{card.name}/{card.variants[0].name}"
    method, _, variant = recipe.partition("/")
    if not variant:
        names = [f"{method}/{variant.name}" for variant in registry.find("method", method).variants]  # type: ignore[union-attr]
        raise UsageError(f"The recipe {recipe!r} names no variant; take one of {', '.join(names)}.")
    return recipe


def _target(name: str | None, registry: "Registry") -> str:
    if name is not None:
        return registry.find("target", name).name
    if not registry.native():
        raise UsageError("No reference target runs on this machine; squeezemark doctor says why, and --target names another.")
    return registry.native()[0]


COMMANDS = (compress,)
