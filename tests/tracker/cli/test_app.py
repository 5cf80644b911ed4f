import os
import subprocess
import sys
from pathlib import Path

import click
import pytest
from click.testing import CliRunner

from engine.errors import EngineError
from tracker.cli.app import refusal, run_guarded
from tracker.errors import NotFoundError, StateError

FULL = Path("/dev/full")


def raising(error):
    def command():
        raise error

    return command


def test_a_command_that_is_done_ends_with_0():
    assert run_guarded(lambda: None) == 0
    assert run_guarded(lambda: "text") == 0


@pytest.mark.parametrize(
    ("error", "line"),
    [
        (StateError("It runs.\nStop it first."), "It runs. Stop it first."),
        (NotFoundError("run", "mpl", ["mlp"]), "There is no run named 'mpl'. Did you mean 'mlp'?"),
        (EngineError("The shapes differ."), "The shapes differ."),
        (FileNotFoundError(2, "No such file", "x.yaml"), "No such file: x.yaml"),
        (OSError(28, "No space left on device"), "No space left on device"),
    ],
    ids=lambda value: type(value).__name__,
)  # fmt: skip
def test_what_can_be_put_right_is_one_line_and_exit_code_1(capsys, error, line):
    assert run_guarded(raising(error)) == 1
    assert capsys.readouterr().err == f"Error: {line}\n"


def test_a_fault_shows_its_traceback_and_asks_for_a_report(capsys):
    assert run_guarded(raising(ZeroDivisionError("oops"))) == 1

    error = capsys.readouterr().err
    assert error.startswith("Traceback (most recent call last):")
    assert "ZeroDivisionError: oops" in error
    assert "please report it" in error.splitlines()[-1]


def test_a_usage_error_ends_with_2(capsys):
    assert run_guarded(raising(click.UsageError("--every needs --watch."))) == 2
    assert "--every needs --watch." in capsys.readouterr().err


def test_an_interrupt_ends_with_130(capsys):
    assert run_guarded(raising(click.Abort())) == 130
    assert capsys.readouterr().err == ""


def test_a_key_error_of_ours_is_not_quoted():
    assert refusal(NotFoundError("run", "x")) == "There is no run named 'x'."


def test_faults_are_no_refusals():
    assert refusal(ValueError("x")) is None
    assert refusal(OSError()) is None


def program(body):
    source = f"import sys\nfrom tracker.cli.app import run_guarded\n{body}"
    return [sys.executable, "-c", source]


def test_a_closed_pipe_is_quiet_and_means_done():
    body = "sys.exit(run_guarded(lambda: [print('x' * 100) for _ in range(100_000)]))"
    reading, writing = os.pipe()
    process = subprocess.Popen(program(body), stdout=writing, stderr=subprocess.PIPE, text=True)
    os.close(writing)
    os.read(reading, 10)
    os.close(reading)
    _, error = process.communicate()

    assert (process.returncode, error) == (0, "")


@pytest.mark.skipif(not FULL.exists(), reason="a device of Linux")
def test_a_full_disk_behind_stdout_is_told():
    body = "sys.exit(run_guarded(lambda: print('x')))"
    with FULL.open("w") as full:
        done = subprocess.run(
            program(body), stdout=full, stderr=subprocess.PIPE, text=True, check=False
        )

    assert done.returncode == 1
    assert done.stderr.startswith("Error: No space left on device\n")


def test_unknown_commands_suggest_the_nearest_and_end_with_2():
    from tracker.cli.main import labkeeper

    result = CliRunner().invoke(labkeeper, ["inti"])

    assert result.exit_code == 2
    assert "Did you mean 'init'?" in result.stderr


def test_a_command_closes_what_it_opened(labkeeper):
    def descriptors():
        return len(list(Path("/proc/self/fd").iterdir()))

    labkeeper("runs")
    before = descriptors()
    labkeeper("runs")
    labkeeper("list", "--sort", "nonsense(")

    assert descriptors() == before
