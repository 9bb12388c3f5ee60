"""The command line, a module for each kind of command. Only this package prints and exits; what is heavy is imported where it is used."""

import sys

import click

from suite import __version__
from suite.cli import advising, delivering, inspecting, measuring, modelling, publishing, submitting, surrounding
from suite.errors import SqueezemarkError, UsageError


def main() -> None:
    """The `squeezemark` command: 0 for success, 1 if something failed, 2 for a wrong request, 130 after Ctrl-C."""
    try:
        sys.exit(cli(standalone_mode=False))
    except click.ClickException as error:
        error.show()
        sys.exit(error.exit_code)
    except (KeyboardInterrupt, click.Abort):
        click.echo("\nStopped. Every finished cell is recorded; the same command continues.", err=True)
        sys.exit(130)
    except SqueezemarkError as error:
        click.echo(f"Error: {error}", err=True)
        sys.exit(2 if isinstance(error, UsageError) else 1)
    except BrokenPipeError:
        sys.exit(0)
    except OSError as error:
        click.echo(f"Error: {error.strerror or error}{f' ({error.filename})' if error.filename else ''}.", err=True)
        sys.exit(1)


@click.group(context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 110})
@click.version_option(__version__, prog_name="squeezemark")
def cli() -> None:
    """What compressing a multimodal model really costs, and really gains, on your hardware.

    \b
    squeezemark doctor                          what this machine can run
    squeezemark run --tier quick                one variant of each method on every model
    squeezemark run --methods dynamic_int8,my_method --models glyph_clip
    squeezemark render && squeezemark serve     look at the leaderboard
    squeezemark recommend --max-loss 1 --max-size 10MB   what to use, and why
    squeezemark compare width_pruning svd_low_rank   two methods side by side
    squeezemark new-model my_model              a model of your own, in one file
    """


for module in (advising, delivering, inspecting, measuring, modelling, publishing, submitting, surrounding):
    for command in module.COMMANDS:
        cli.add_command(command)
