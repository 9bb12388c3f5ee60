"""Commands for someone who writes a method: new-method, check, report."""

import json
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING

import click

from suite.cli.options import discover, method_path, method_paths, plug_ins, split
from suite.errors import UsageError

if TYPE_CHECKING:
    from suite.trial.session import Found

STAGES = {
    "graph": "gets ONNX graphs and returns ONNX graphs: weights change, nodes are replaced",
    "module": "gets torch modules and returns torch modules, which are exported: shapes change, gradients are needed",
    "runtime": "gets torch modules and returns what one runtime alone can hold",
}


@click.command("new-method")
@click.argument("name")
@click.option(
    "--stage",
    type=click.Choice(list(STAGES)),
    default="graph",
    show_default=True,
    help=" ".join(f"{name}: {words}." for name, words in STAGES.items()),
)
@click.option("--out", type=click.Path(path_type=Path), default=Path("plugins"), show_default=True, help="Folder of your plug-ins.")
def new_method(name: str, stage: str, out: Path) -> None:
    """Write methods/NAME in a folder of plug-ins: a small method that works, with a test of its own, and what to put in each place.

    \b
    squeezemark new-method my_method
    squeezemark check plugins/methods/my_method
    """
    from suite.skeleton import write_method

    place = write_method(name, out, stage)
    where = " --targets x86_cpu_torch" if stage == "runtime" else ""
    click.echo(f"{place}: a method that works. Say in __init__.py what it is and claims, in apply.py how it is done, then:")
    click.echo(f"  squeezemark check {place}")
    click.echo(f"  squeezemark run --plugins {out} --methods baseline_fp32,{name} --models audio_visual_digits{where}")
    click.echo(f"  squeezemark report {name} --plugins {out}")
    click.echo(f"test_{name}.py is yours: pytest {place} runs it and the conformance suite.")


@click.command()
@click.argument("methods", nargs=-1, required=True, metavar="NAME_OR_FOLDER...")
@click.option("--models", multiple=True, callback=split, help="Models to try it on. Default: a small one that it can be applied to.")
@click.option(
    "--targets", multiple=True, callback=split, help="Where its artifacts are run. Default: all that run here and are not emulated."
)
@click.option("--variants", multiple=True, callback=split, help="Variants to try. Default: all that get a row.")
@click.option("--every", is_flag=True, help="Run every variant on every target, not the first one alone.")
@click.option("--save", metavar="LABEL", default="", help="Keep the smoke latency in .benchmarks, for `pytest-benchmark compare`.")
@click.option("--work", default=".squeezemark", show_default=True, help="Folder for exports and test sets; may be deleted at any time.")
@click.option("--json", "as_json", is_flag=True, help="An array of objects, for scripts.")
@plug_ins
def check(
    methods: tuple[str, ...], models: tuple[str, ...], targets: tuple[str, ...], variants: tuple[str, ...], every: bool, save: str,
    work: str, as_json: bool, plugins: tuple[str, ...], model_files: tuple[str, ...],
) -> None:  # fmt: skip
    """Run the conformance suite on a method, by name or path/to/its/folder, and say in words what is wrong.

    \b
    squeezemark check plugins/methods/my_method
    squeezemark check dynamic_int8 --variants per_tensor --models glyph_clip,scene_vqa

    Compresses each variant twice, in processes of their own, and runs what comes out on the targets. Measures nothing: that is for
    squeezemark run. The same checks are a plug-in of pytest: `pytest plugins/methods/my_method` runs them with the method's own tests.
    """
    from suite.trial import session

    registry = discover(plugins, model_files)
    places = [session.folder(registry, name) for name in methods]
    named = {"models": models, "targets": targets, "variants": variants, "plugins": plugins, "model-files": model_files, "work": (work,)}
    named["methods"] = tuple(map(str, method_paths()))
    found = []
    for each in session.check(places, named, every, save):
        found.append(each)
        if not as_json:
            click.echo(_line(each))
    if as_json:
        import msgspec

        click.echo(json.dumps(msgspec.to_builtins(found), indent=1))
    else:
        _verdict(found, [place.name for place in places])
    if any(each.bad for each in found):
        raise click.exceptions.Exit(1)


def _line(found: "Found") -> str:
    subject = f" [{found.subject}]" if found.subject else ""
    return f"{found.state:8}  {found.check}{subject}{': ' if found.words else ''}{found.words}"


def _verdict(found: "Iterable[Found]", names: Iterable[str]) -> None:
    for name in names:
        mine = [each for each in found if each.method == name]
        bad, skipped = sum(each.bad for each in mine), sum(each.state == "skipped" for each in mine)
        left = f" ({skipped} skipped)" if skipped else ""
        click.echo(
            f"{name}: {bad} of {len(mine)} checks failed{left}." if bad else f"{name} conforms: no check of {len(mine)} failed{left}."
        )


@click.command()
@click.argument("name")
@click.option("--results", multiple=True, callback=split, help="Folders of records. Default: results, if it is there.")
@click.option("--published/--no-published", default=True, show_default=True, help="Compare with the published records of this machine too.")
@click.option("--out", type=click.Path(path_type=Path), default=Path("report.html"), show_default=True, help="report.html or report.md.")
@click.option("--json", "as_json", is_flag=True, help="An array of objects, for scripts; writes no file.")
@click.option("--plugins", multiple=True, callback=split, help="Folders with your own methods/ or targets/.")
@method_path
def report(name: str, results: tuple[str, ...], published: bool, out: Path, as_json: bool, plugins: tuple[str, ...]) -> None:
    """Write the verdict on the method NAME against the board, on one page: HTML or Markdown. Reads records, measures nothing.

    \b
    squeezemark report my_method
    squeezemark report my_method --out report.md

    Each variant is held against all others of its board: what it surely dominates, what surely dominates it, and what it ties with.
    """
    from suite import report as reporting
    from suite import report_page
    from suite.store import Store

    folders = [Path(folder) for folder in results or ("results",)]
    for folder in folders if results else ():
        if not folder.is_dir():
            raise UsageError(f"There is no results folder {folder}; run `squeezemark run` first, or name one with --results.")
    if out.suffix not in (".html", ".md"):
        raise UsageError(f"A report is a page of HTML or of Markdown, and {out} is neither; name it report.html or report.md.")
    registry = discover(plugins)
    public = frozenset(record.name for record in Store(reporting.published()).records()) if published else frozenset()
    records, columns = reporting.gather([*folders, *([reporting.published()] if published else [])])
    if not records:
        raise UsageError("There are no records; run `squeezemark run` first, or name their folder with --results.")
    found = reporting.report(name, records, columns, public, registry.methods, registry.targets)
    if as_json:
        click.echo(json.dumps(reporting.as_rows(found), indent=1))
        return
    out.parent.mkdir(parents=True, exist_ok=True)
    out.write_text(report_page.html(found) if out.suffix == ".html" else report_page.markdown(found), encoding="utf-8")
    click.echo(f"{out}: {name} on {', '.join(dict.fromkeys(place.board.model for place in found.places))}")


COMMANDS = (new_method, check, report)
