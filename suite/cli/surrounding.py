"""The commands about environments that some targets' workers run in: env list, env create, env remove."""

import json
from typing import Any

import click


@click.group()
def env() -> None:
    """Environments of their own that some targets need: emulators, and what conflicts with the suite's own libraries.

    \b
    squeezemark env list                    what there is, and what it takes
    squeezemark env create arm-emulated     an ARM system in a folder; needs apt-get, no root
    squeezemark run --targets arm_neoverse_n1_emulated --models glyph_clip --methods dynamic_int8

    They lie in ~/.local/share/squeezemark/environments, or under $SQUEEZEMARK_HOME.
    """


@env.command("list")
@click.option("--json", "as_json", is_flag=True, help="An array of objects, for scripts.")
def list_command(as_json: bool) -> None:
    """What environments there are, and whether they are there."""
    from suite import environments

    rows: list[dict[str, Any]] = [
        {"name": name, "summary": kind.summary, "versions": environments.versions(name), "reason": skip.reason if skip else None}
        for name, kind in environments.KINDS.items()
        for skip in [environments.missing(name)]
    ]
    if as_json:
        click.echo(json.dumps(rows, indent=1))
        return
    width = max(len(row["name"]) for row in rows) + 2
    for row in rows:
        made = ", ".join(f"{name} {version}" for name, version in row["versions"].items())
        click.echo(f"{row['name']:{width}}{row['reason'] or made}\n{'':{width}}{row['summary']}")


@env.command()
@click.argument("name")
def create(name: str) -> None:
    """Make the environment NAME. What it needs is fetched with apt-get and pip from wherever this machine fetches packages."""
    from suite import environments

    folder = environments.create(name, lambda step: click.echo(f"{name}: {step} ..."))
    click.echo(f"{name}: ready in {folder}")


@env.command()
@click.argument("name")
def remove(name: str) -> None:
    """Remove the environment NAME."""
    from suite import environments

    click.echo(f"{name}: removed {environments.remove(name)}")


@env.command()
@click.argument("host")
@click.option("--ssh-option", "ssh_options", multiple=True, help="An option of ssh, such as -p2222. May be given several times.")
def host(host: str, ssh_options: tuple[str, ...]) -> None:
    """Make a virtual environment on HOST (pi@board) with the numpy and ONNX Runtime that are installed here, and show what HOST is."""
    from suite.environments.emulated import pins
    from suite.executors.remote import Remote

    machine, wanted = Remote(host, options=ssh_options), pins()
    click.echo(f"{host}: installing {', '.join(f'{name} {version}' for name, version in wanted.items())} ...")
    machine.prepare(wanted)
    found = machine.facts
    click.echo(f"{host}: ready: {found['cpu']}, {found['cores']} cores, {found['system']} {found['machine']}, Python {found['python']}")
    click.echo(f"  squeezemark run --host {host} --models audio_visual_digits --methods baseline_fp32,dynamic_int8")


COMMANDS = (env,)
