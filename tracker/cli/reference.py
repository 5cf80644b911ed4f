"""`docs/cli.md`, made from the commands' own help: `python -m tracker.cli.reference`."""

from collections.abc import Iterator

import click

from tracker.cli.main import labkeeper

WIDTH = 96

_OPENING = """\
# Command line

Every command with its options, as `--help` shows them. Written by `make docs`; do not edit.

Results go to standard output, remarks and progress to standard error. On a terminal tables are
drawn to its width, with at most 50 rows unless `--limit` says otherwise; in a pipe they are plain
text in full width. Exit codes: 0 done, 1 refused, with one line that says why, 2 a command that
is not written as it must be, 130 interrupted by Ctrl-C.

`--json`, `--ndjson` and `--csv` lose nothing: floats are written in full and moments in UTC. JSON
knows no NaN and no infinities, so there they are the strings `"NaN"`, `"Infinity"` and
`"-Infinity"`, and `null` is what is missing. In CSV they are `nan`, `inf` and `-inf`, a missing
value is an empty field, and lists are written as JSON.
"""


def reference() -> str:
    """The whole page."""
    return "\n".join([_OPENING, *_sections(labkeeper, "labkeeper")])


def _sections(
    command: click.Command, path: str, parent: click.Context | None = None
) -> Iterator[str]:
    """The help of a command, then of those inside it."""
    context = click.Context(
        command,
        info_name=path.rsplit(" ", 1)[-1],
        parent=parent,
        terminal_width=WIDTH,
        help_option_names=["-h", "--help"],
    )
    yield f"## {path}\n\n```text\n{command.get_help(context)}\n```\n"
    if isinstance(command, click.Group):
        for name in command.list_commands(context):
            inner = command.get_command(context, name)
            if inner is not None:
                yield from _sections(inner, f"{path} {name}", context)


if __name__ == "__main__":
    click.echo(reference(), nl=False)
