"""Commands that measure, or say what would be measured: plan, run, sensitivity, crosscheck."""

import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from suite.cli.options import discover, finite, method_path, one_model, planned, prepare, print_rows, report_broken, selection, split
from suite.contracts import BASELINE

if TYPE_CHECKING:
    from suite.config import Config
    from suite.crosscheck import Crosscheck
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


@click.command()
@click.argument("model", required=False)
@click.option("--method", default=f"{BASELINE}/fp32", show_default=True, help="A method and its variant.")
@click.option("--target", help="Where it is measured. Default: the reference target of this machine.")
@click.option("--seconds", type=click.FloatRange(1), default=20.0, callback=finite, show_default=True, help="How long the two take turns.")
@click.option("--work", default=".squeezemark", show_default=True, help="Folder for exports and test sets; may be deleted at any time.")
@click.option("--json", "as_json", is_flag=True, help="One object, for scripts.")
@click.option("--plugins", multiple=True, callback=split, help="Folders with your own models/, methods/ or targets/.")
@method_path
def crosscheck(
    model: str | None, method: str, target: str | None, seconds: float, work: str, as_json: bool, plugins: tuple[str, ...]
) -> None:
    """Time MODEL by our loop and by MLPerf LoadGen, in turn on one session, and say whether p50 and p90 agree within 2 %.

    LoadGen's scenario is SingleStream; pip install 'squeezemark[loadgen]' brings it. Without MODEL: the first one. MODEL may be a model's
    file. Writes no record. Exits with 1 if the two do not agree.
    """
    from suite import config as configs
    from suite import crosscheck as checking
    from suite.workspace import Workspace

    name, registry, paths = one_model(model or next(iter(discover(plugins).models)), plugins, ())
    config = configs.load(None, {"models": (name,), "methods": (method,), "targets": (target,) if target else (), "work": work})
    cell = planned(config, registry).cells[0]
    workspace = Workspace(Path(config.work).resolve(), config, paths)
    with click.progressbar(length=1, label=cell.title, item_show_func=str, file=sys.stderr) as bar:

        def advance(done: int, total: int, text: str) -> None:
            bar.length = total
            bar.update(done - bar.pos, text)

        found = checking.crosscheck(workspace, cell, registry, seconds, advance)
    click.echo(json.dumps(_as_object(cell.title, found), indent=1) if as_json else _side_by_side(cell.title, found))
    if not found.holds:
        raise click.exceptions.Exit(1)


def _as_object(title: str, found: "Crosscheck") -> dict[str, Any]:
    from dataclasses import asdict

    return {"name": title, "holds": found.holds, "disturbed": found.disturbed, **asdict(found)}


def _side_by_side(title: str, found: "Crosscheck") -> str:
    lines = [
        f"{title}: {found.blocks} blocks of {found.calls} requests each, in turn",
        f"{'':10}{'ours':>12}{'LoadGen':>12}{'difference':>12}",
    ]
    for row in found.agreements:
        lines.append(_row(row.percentile, row.ours_ms, row.loadgen_ms, row.difference, row.holds))
    lines.append(f"{'cpu/wall':10}{found.ours_cpu_wall:12.2f}{found.loadgen_cpu_wall:12.2f}")
    lines.append("Of LoadGen's requests the answers alone, by our clock, and what it adds to them:")
    for row in found.agreements:
        alone = _row(row.percentile, row.ours_ms, row.answers_ms, row.answers_difference, row.answers_hold)
        lines.append(f"{alone}, and {row.own_us:.1f} us")
    if found.disturbed:
        lines.append("It did not get its core: something else runs on this machine, and what is said of the agreement may be said of that.")
    return "\n".join(lines)


def _row(name: str, ours_ms: float, theirs_ms: float, difference: float, holds: bool) -> str:
    from suite.crosscheck import AGREEMENT

    words = f"{'within' if holds else 'beyond'} {AGREEMENT:.0%}"
    return f"{name:10}{ours_ms:9.3f} ms{theirs_ms:9.3f} ms{difference:+12.2%}  {words}"


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


COMMANDS = (plan_command, run, sensitivity, crosscheck)
