import subprocess
import sys

import click
import pytest

from tracker.cli.commands import COMMANDS
from tracker.cli.main import labkeeper

SLOW = {"torch", "pandas", "matplotlib", "alembic", "sklearn", "pyarrow", "numpy", "rich", "engine"}
DATABASE = {"sqlalchemy", "pysqlite3", "sqlite3"}


def modules_after(program, *, cwd=None, code=0):
    """The top-level modules that a program has imported when it ends, with this exit code."""
    tell = "import atexit, sys\natexit.register(lambda: print(*sys.modules, file=sys.stderr))\n"
    done = subprocess.run(
        [sys.executable, "-c", tell + program], capture_output=True, text=True, check=False, cwd=cwd
    )
    assert done.returncode == code, done.stderr
    return {name.partition(".")[0] for name in done.stderr.splitlines()[-1].split()}


def commandline(*arguments):
    words = ["labkeeper", *map(str, arguments)]
    return f"sys.argv = {words}\nfrom tracker.cli.main import labkeeper\nlabkeeper()"


def test_help_imports_nothing_slow():
    assert modules_after(commandline("--help")).isdisjoint(SLOW | DATABASE)


@pytest.mark.parametrize("name", [place.name for place in COMMANDS])
def test_the_help_of_a_command_imports_nothing_slow(name):
    assert modules_after(commandline(name, "--help")).isdisjoint(SLOW | DATABASE)


@pytest.mark.parametrize(
    "arguments",
    [
        ["list"],
        ["runs", "lr < 1", "--sort", "best(val_loss)"],
        ["runs", "--json"],
        ["show", "mlp"],
        ["history", "mlp", "--csv"],
        ["checkpoints", "mlp"],
        ["goal"],
    ],
    ids=" ".join,
)
def test_looking_at_a_lab_imports_nothing_slow(three_runs, arguments):
    assert modules_after(commandline("--lab", three_runs.root, *arguments)).isdisjoint(SLOW)


@pytest.mark.parametrize(
    "arguments",
    [
        ["train", "mpl"],
        ["train", "mpl", "--detach"],
        ["resume", "mpl"],
        ["create", "new", "-s", "recipe=supervise"],
    ],
    ids=" ".join,
)
def test_a_wrong_name_is_refused_before_anything_slow_is_imported(three_runs, arguments):
    program = commandline("--lab", three_runs.root, *arguments)

    assert modules_after(program, code=1).isdisjoint(SLOW)


@pytest.mark.parametrize("place", COMMANDS, ids=lambda place: place.name)
def test_the_table_s_words_are_the_command_s_own(place):
    context = click.Context(labkeeper)
    loaded = labkeeper.get_command(context, place.name)

    assert loaded.name == place.name
    assert loaded.get_short_help_str(limit=200) == place.short_help


def test_every_command_has_a_help_and_examples():
    context = click.Context(labkeeper)
    for place in COMMANDS:
        loaded = labkeeper.get_command(context, place.name)
        commands = loaded.commands.values() if isinstance(loaded, click.Group) else [loaded]
        for command in commands:
            assert command.help, command.name
            assert "Examples:\n  labkeeper " in (command.epilog or ""), command.name
