"""`labkeeper`: the command itself."""

import click

from tracker.cli.app import App
from tracker.cli.commands import COMMANDS
from tracker.cli.lazy import LazyGroup

_EPILOG = """\b
Names complete in the shell after one of these in its start-up file:
  eval "$(_LABKEEPER_COMPLETE=bash_source labkeeper)"
  eval "$(_LABKEEPER_COMPLETE=zsh_source labkeeper)"
  _LABKEEPER_COMPLETE=fish_source labkeeper | source
"""


@click.group(
    cls=LazyGroup,
    epilog=_EPILOG,
    places=COMMANDS,
    context_settings={"max_content_width": 100, "help_option_names": ["-h", "--help"]},
)
@click.option(
    "--lab",
    "directory",
    type=click.Path(file_okay=False),
    envvar="LABKEEPER_LAB",
    show_envvar=True,
    help="The lab's directory. Without it, the nearest one upward that holds a lab.",
)
@click.version_option(package_name="labkeeper", message="labkeeper %(version)s")
@click.pass_context
def labkeeper(context: click.Context, directory: str | None) -> None:
    """Keep the record of a machine-learning lab: create, train, list, compare and plot.

    What went well ends with exit code 0, what was refused with 1 and one line that says why,
    what was not written as it must be with 2, what Ctrl-C interrupted with 130.
    """
    context.obj = App(directory)
    context.call_on_close(context.obj.close)
