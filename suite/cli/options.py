"""What several commands share: options, finding plug-ins, printing rows."""

import functools
import json
import math
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from suite.contracts import BASELINE
from suite.errors import UsageError

if TYPE_CHECKING:
    from suite.config import Config
    from suite.plan import Plan
    from suite.registry import Registry


def split(_context: click.Context, _parameter: click.Parameter, values: tuple[str, ...]) -> tuple[str, ...]:
    return tuple(name.strip() for value in values for name in value.split(",") if name.strip())


def finite(_context: click.Context, _parameter: click.Parameter, number: float | None) -> float | None:
    """The number; a range of click lets nan through, for it compares with nothing. Raises BadParameter."""
    if number is not None and not math.isfinite(number):
        raise click.BadParameter(f"{number} is not a finite number.")
    return number


METHOD_PATHS = "squeezemark.method_paths"
"""Where the context of a command keeps what --method-path named: whatever looks for plug-ins asks there."""


def _remember(context: click.Context, parameter: click.Parameter, values: tuple[str, ...]) -> None:
    context.meta[METHOD_PATHS] = split(context, parameter, values)


method_path = click.option(
    "--method-path",
    multiple=True,
    expose_value=False,
    callback=_remember,
    help="A folder that holds methods, or that is one (its __init__.py and apply.py). May be given several times.",
)
"""Beside --plugins, on every command that has it."""


def method_paths() -> list[Path]:
    """The folders that --method-path named in the command that is running."""
    context = click.get_current_context(silent=True)
    return [Path(folder) for folder in context.meta.get(METHOD_PATHS, ())] if context else []


PLUG_INS = (
    click.option("--plugins", multiple=True, callback=split, help="Folders with your own models/, methods/ or targets/."),
    method_path,
    click.option(
        "--model",
        "model_files",
        multiple=True,
        callback=split,
        help="A model in one file: path/to/my_model.py. May be given several times.",
    ),
)


EFFORT = (
    click.option(
        "--tier",
        type=click.Choice(["quick", "full"]),
        help="quick: 600 test items, short timing; without --methods, the first variant of each method that does not train (default). "
        "full: everything, as it is published.",
    ),
    click.option(
        "--scenarios",
        multiple=True,
        callback=split,
        help="What to measure beside one request after another on one thread: batch_8, all_cores, batch_8_all_cores, server, or none "
        "(docs/measurement.md). Default: batch_8 in the full tier.",
    ),
    click.option("--test-seed", type=click.IntRange(0), help="Another seed gives a fresh, independent test set. Default: 0."),
)
"""How much is measured."""


def plug_ins(command: Callable[..., Any]) -> Callable[..., Any]:
    """The options that name plug-ins of the user's own: `plugins` and `model_files`."""
    return functools.reduce(lambda wrapped, option: option(wrapped), reversed(PLUG_INS), command)


def selection(command: Callable[..., Any]) -> Callable[..., Any]:
    """The options that choose what to run, shared by `plan` and `run`."""
    options = (
        click.option("--models", multiple=True, callback=split, help="Models, separated by commas. Default: all."),
        click.option(
            "--methods", multiple=True, callback=split, help="Methods or method/variant, separated by commas. Default: see --tier."
        ),
        click.option(
            "--recipe",
            "recipe_files",
            multiple=True,
            callback=split,
            help="A recipe of your own: path/to/my_recipe.toml (docs/methods.md). May be given several times.",
        ),
        click.option(
            "--targets", multiple=True, callback=split, help="Targets, separated by commas. Default: the reference target of the machine."
        ),
        click.option("--host", help="Another machine that measures, as ssh knows it: pi@board (docs/targets.md). Default: this one."),
        click.option("--host-python", help="The Python there. Default: that of `squeezemark env host`, or python3."),
        click.option("--ssh-option", "ssh_options", multiple=True, help="An option of ssh, such as -p2222. May be given several times."),
        *EFFORT,
        click.option(
            "--config", "config_file", type=click.Path(path_type=Path), help="A TOML file with these settings; options win over it."
        ),
        click.option("--results", help="Folder of the records. Default: results."),
        click.option("--work", help="Folder for exports and test sets; may be deleted at any time. Default: .squeezemark."),
        *PLUG_INS,
    )
    return functools.reduce(lambda wrapped, option: option(wrapped), reversed(options), command)


def discover(plugins: Iterable[str], model_files: Iterable[str] = (), recipe_files: Iterable[str] = ()) -> "Registry":
    """Every plug-in, those of the user's own too."""
    from suite import registry

    models, recipes = [Path(file) for file in model_files], [Path(file) for file in recipe_files]
    registry.extend(map(Path, plugins), models, method_paths())
    return registry.usable(registry.discover(recipes), models, recipes)


def prepare(choices: Mapping[str, Any]) -> "tuple[Config, Registry, dict[str, list[str]]]":
    from msgspec import structs

    from suite import config as configs
    from suite import registry

    changes = {name: value for name, value in choices.items() if name != "config_file" and value not in (None, ())}
    config = configs.load(choices["config_file"], changes)
    models, recipes = [Path(file) for file in config.model_files], [Path(file) for file in config.recipe_files]
    paths = registry.extend(map(Path, config.plugins), models, [*map(Path, config.method_paths), *method_paths()])
    found = registry.usable(registry.discover(recipes), models, recipes)
    if models and not config.models:  # whoever names a model of their own means that one
        config = structs.replace(config, models=tuple(file.stem for file in models))
    if recipes and not config.methods:  # and the same for a recipe, which nothing can be said of without the baseline
        config = structs.replace(config, methods=(BASELINE, *(file.stem for file in recipes)))
    _check_recipes(found, config, recipes)
    return config, found, paths


def _check_recipes(found: "Registry", config: "Config", files: Iterable[Path]) -> None:
    from suite.recipes import check_components

    chosen = [found.models[name] for name in config.models or found.models if name in found.models]
    for file in files:
        check_components(found.methods[file.stem], chosen)


def one_model(
    model: str, plugins: Iterable[str], model_files: Iterable[str], recipe_files: Iterable[str] = ()
) -> "tuple[str, Registry, dict[str, list[str]]]":
    """The name of a model that was given by name or as a path, every plug-in, and what the processes of a run add. Raises UnknownName,
    ConfigError, and the PlugInError of a model that cannot be read."""
    from suite import registry

    is_file = model.endswith(".py") or "/" in model or "\\" in model or Path(model).is_dir()
    files, recipes = [*map(Path, model_files), *([Path(model)] if is_file else [])], list(map(Path, recipe_files))
    paths = registry.extend(map(Path, plugins), files, method_paths())
    found, name = registry.usable(registry.discover(recipes), files, recipes), Path(model).stem if is_file else model
    if name not in found.models and Path(f"{model}.py").is_file():
        raise UsageError(f"There is no model {model!r} in the package; for the file here write {model}.py.")
    found.find("model", name)
    return name, found, paths


def planned(config: "Config", registry: "Registry") -> "Plan":
    """The cells that the config asks for, on this machine or on the one that it names. Raises HostError."""
    from dataclasses import replace

    from suite import environment
    from suite.executors import remote
    from suite.plan import plan

    host = remote.of(config)
    if host is not None:
        probes = {name: functools.partial(host.probe, card) for name, card in registry.targets.items()}
        registry = replace(registry, probes=probes)
    found = environment.read(machine=host.facts if host else None)
    return plan(config, registry, found.host, found.libraries, environment.target_libraries)


def report_broken(registry: "Registry") -> bool:
    for error in registry.broken:
        click.echo(f"Left out: {error}", err=True)
    return bool(registry.broken)


def print_rows(rows: list[dict[str, Any]], as_json: bool, columns: tuple[str, ...]) -> None:
    if as_json:
        click.echo(json.dumps(rows, indent=1))
        return
    widths = [max((len(str(row.get(column) or "")) for row in rows), default=0) for column in columns]
    for row in rows:
        cells = (str(row.get(column) or "").ljust(width) for column, width in zip(columns, widths, strict=True))
        click.echo("  ".join(cells).rstrip())
