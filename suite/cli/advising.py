"""The command that answers what to use: recommend."""

import json
from math import inf, nan
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from suite.cli.options import discover, finite, method_path, split
from suite.errors import UnknownName, UsageError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from suite.recommend import Advice, Pick
    from suite.summarize import Board

SHOWN = 5
LOSS = "1"
"""Points of accuracy to spend if nobody says: the front page's too."""
ANY = "any"
EVERY = "all"
DIVISIONS = ("data-free", "calibration", "training")


def _points(_context: click.Context, _parameter: click.Parameter, text: str) -> float | None:
    """Points of accuracy; None for any. Raises BadParameter."""
    try:
        points = None if text.strip().lower() == ANY else float(text)
    except ValueError:
        points = nan
    if points is not None and not 0 <= points < inf:
        raise click.BadParameter(f"{text!r} is neither a number of points, such as 0.5, nor {ANY!r}.")
    return points


@click.command()
@click.option("--models", multiple=True, callback=split, help="Models to look at, separated by commas. Default: all.")
@click.option("--target", help="Where it is to run. Default: the target that most was measured on.")
@click.option("--machine", help=f"A part of its name, or {EVERY!r}. Default: of each model the one where most was measured.")
@click.option(
    "--max-loss",
    metavar="POINTS",
    default=LOSS,
    show_default=True,
    callback=_points,
    help=f"Points of accuracy to spend: 1 is from .900 to .890. Met by the whole interval. {ANY!r}: it may lose everything.",
)
@click.option("--max-size", help="Of all files together: 10MB, 800kB, 1.5GiB.")
@click.option(
    "--max-latency",
    type=click.FloatRange(0, min_open=True),
    callback=finite,
    help="Milliseconds of a request on the machine that measured.",
)
@click.option("--division", "divisions", multiple=True, type=click.Choice(DIVISIONS), help="May be given several times. Default: all.")
@click.option("--licence", "licences", multiple=True, help="Licence of the method, such as Apache-2.0. May be given several times.")
@click.option(
    "--prefer", type=click.Choice(["smaller", "faster"]), help="What ranks. Default: faster if a size is given, otherwise smaller."
)
@click.option("--show", type=click.IntRange(1), default=SHOWN, show_default=True, help="How many of each model.")
@click.option("--results", type=click.Path(path_type=Path), default=Path("results"), show_default=True, help="Folder of the records.")
@click.option("--json", "as_json", is_flag=True, help="An object for each model, for scripts.")
@click.option("--plugins", multiple=True, callback=split, help="Folders with your own methods/ or targets/.")
@method_path
def recommend(
    results: Path, target: str | None, machine: str | None, models: tuple[str, ...], show: int, as_json: bool, plugins: tuple[str, ...],
    **asked: Any,
) -> None:  # fmt: skip
    """What to use: the variants that fit what you can spend, the best first. Reads records, measures nothing.

    \b
    squeezemark recommend --max-loss 1 --max-size 10MB
    squeezemark recommend --models scene_captioner --max-loss 0.5 --prefer faster --division data-free

    Variants that cannot be told apart share a rank; of speeds that is corrected for how many there are, so that the fastest is among those
    of rank 1 at 95 %. A variant meets --max-loss if its whole 95 % interval does.
    """
    from suite.recommend import Wish, parse_size
    from suite.recommend import recommend as advise
    from suite.store import Store
    from suite.summarize import summarize

    if not results.is_dir():
        raise UsageError(f"There is no results folder {results}; run `squeezemark run` first, or name one with --results.")
    wish = Wish(
        loss=None if asked["max_loss"] is None else asked["max_loss"] / 100,
        bytes=parse_size(asked["max_size"]) if asked["max_size"] else None,
        latency_ms=asked["max_latency"],
        divisions=asked["divisions"],
        licences=asked["licences"],
        prefer=asked["prefer"] or ("faster" if asked["max_size"] else "smaller"),
    )
    store, registry = Store(results), discover(plugins)
    summarized = summarize(store.records(), store.columns)
    boards = _chosen(summarized, target, models, machine)
    found = advise(boards, wish, registry.methods, registry.targets)
    _tell_lost(boards)
    if as_json:
        click.echo(json.dumps([_object(advice, show) for advice in found], indent=1))
    else:
        _tell(found, show)
        _tell_rest(boards, summarized)
    if not any(advice.picks for advice in found):
        raise click.exceptions.Exit(1)


def _chosen(boards: "tuple[Board, ...]", target: str | None, models: tuple[str, ...], machine: str | None) -> "tuple[Board, ...]":
    """The boards of a target, of the largest tier that it has, on the machines that were asked for, the largest of each model first.

    Raises UnknownName, UsageError.
    """
    from suite.recommend import usual

    known = sorted({board.target for board in boards})
    if not known:
        raise UsageError("There are no records yet; run `squeezemark run` first.")
    if target is not None and target not in known:
        raise UnknownName("measured target", target, known)
    wanted = target or usual(boards)[0]
    here = [board for board in boards if board.target == wanted]
    for model in models:
        if model not in {board.model for board in here}:
            raise UnknownName("measured model", model, {board.model for board in here})
    tier = "full" if any(board.tier == "full" for board in here) else "quick"
    chosen = _on([board for board in here if board.tier == tier and (not models or board.model in models)], machine)
    return tuple(sorted(chosen, key=lambda board: (board.model, -len(board.rows))))


def _on(boards: "Sequence[Board]", machine: str | None) -> "Sequence[Board]":
    """Those of the machines that were asked for. Raises UnknownName."""
    from suite.machine import named
    from suite.recommend import main_boards

    if machine is None:
        return main_boards(boards)
    hosts = named("" if machine == EVERY else machine, (board.host for board in boards))
    return [board for board in boards if board.host in hosts]


def _tell_lost(boards: "tuple[Board, ...]") -> None:
    """Names the models of which nothing can be said. Raises UsageError if that is all of them."""
    lost = sorted({board.model for board in boards if board.baseline is None})
    if lost:
        words = f"Of {', '.join(lost)} the uncompressed model was not measured on {boards[0].target}, beside which all is said"
        told = f"{words}; run `squeezemark run --methods baseline_fp32 --models {','.join(lost)}`."
        if all(board.baseline is None for board in boards):
            raise UsageError(told)
        click.echo(told, err=True)


def _object(advice: "Advice", show: int) -> dict[str, Any]:
    from suite.verdict import figures

    baseline = advice.board.baseline
    assert baseline is not None
    picks = [
        {"rank": pick.rank, "method": pick.row.record.cell.method, "variant": pick.row.record.cell.variant, **figures(pick.row, baseline)}
        for pick in advice.picks[:show]
    ]
    place = {"model": advice.board.model, "target": advice.board.target, "tier": advice.board.tier, "host": advice.board.host}
    return {**place, "fitting": len(advice.picks), "picks": picks, "fallen": dict(advice.fallen)}


def _tell(found: "tuple[Advice, ...]", show: int) -> None:
    from rich.console import Console

    from suite.recommend import everywhere
    from suite.tables import advice_table

    several = len({advice.board.host for advice in found}) > 1
    for advice in found:
        if advice.picks:
            Console().print(advice_table(advice, show))
            click.echo(f"  {_command(advice.picks[0])}")
        fallen = ", ".join(f"{count} {reason}" for reason, count in advice.fallen.items())
        rest = f"{len(advice.picks)} of {len(advice.picks) + sum(advice.fallen.values())} variants fit" + (f": {fallen}" if fallen else "")
        click.echo(f"{advice.board.model}{f', {advice.board.host}' if several else ''}: {rest}.\n")
    names = everywhere(found) if len(found) > 1 else ()
    if names:
        boards = f"{len(found)} boards" if several else f"{len(found)} models"
        click.echo(f"Fits on all {boards}, the best first: {', '.join(names[:show])}.")


def _tell_rest(boards: "tuple[Board, ...]", every: "tuple[Board, ...]") -> None:
    """What else there are records of, and how to ask for it."""
    from collections import Counter

    target, tier = boards[0].target, boards[0].tier
    others = Counter(board.target for board in every if board.target != target)
    if others:
        named = ", ".join(f"{name} ({count})" for name, count in sorted(others.items()))
        click.echo(f"These are the boards of {target}. There are others, which --target names: {named}.")
    models, told = {board.model for board in boards}, {id(board) for board in boards}
    mine = [board for board in every if (board.target, board.tier) == (target, tier) and board.model in models and id(board) not in told]
    if mine:
        hosts = "; ".join(sorted({board.host for board in mine}))
        click.echo(f"{len(mine)} more of these boards are of other machines, which --machine names ({EVERY!r} for each): {hosts}.")
    if smaller := sum(board.target == target and board.tier != tier for board in every):
        click.echo(f"Left out are {smaller} of {target} that were measured in another tier.")


def _command(pick: "Pick") -> str:
    cell = pick.row.record.cell
    return f"squeezemark compress --model {pick.row.record.model_as_given} --recipe {cell.method}/{cell.variant} --out deployed"


COMMANDS = (recommend,)
