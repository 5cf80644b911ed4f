"""What every command shares: the lab, how an error is shown, and what the exit code says.

0: done. 1: refused, with one line on stderr. 2: the command was not written as it must be.
130: interrupted by Ctrl-C, as every shell has it.
"""

import os
import sys
from collections.abc import Callable
from contextlib import suppress
from functools import cached_property
from typing import TYPE_CHECKING, Any

import click

from tracker.errors import TrackerError, UnsaidError

if TYPE_CHECKING:
    from pathlib import Path

    from tracker.lab import Lab

DONE, REFUSED, MISWRITTEN, INTERRUPTED = 0, 1, 2, 130


class App:
    """Opens what a command asks for, on first use, so that `--help` stays instant."""

    def __init__(self, directory: "Path | str | None") -> None:
        self.directory = directory
        self.has_made_one = False

    @cached_property
    def lab(self) -> "Lab":
        """The lab named by --lab or $LABKEEPER_LAB, else the nearest upward."""
        from tracker.lab import Lab

        return Lab.open(self.directory)

    def close(self) -> None:
        """Closes the lab, if one was opened."""
        if "lab" in vars(self):
            self.lab.close()

    def lab_or_new(self, check: "Callable[[Path], object]") -> "Lab":
        """The lab, or a new one where there is none yet; `has_made_one` says which.

        What `check`, given the new lab's directory, refuses leaves no lab behind.
        """
        from pathlib import Path

        from tracker.errors import NoLabError
        from tracker.lab import Lab

        try:
            return self.lab
        except NoLabError:
            root = Path(self.directory or ".").expanduser().absolute()
            check(root)
            self.lab = Lab.init(root)
            self.has_made_one = True
            return self.lab


class ReaderHasGoneError(Exception):
    """Nobody reads the command's output any more: `labkeeper runs | head`."""


def say(message: str) -> None:
    """A remark beside the results: on stderr, so that it disturbs no pipe."""
    click.echo(message, err=True)


def run_guarded(command: Callable[[], Any]) -> int:
    """Runs a command and returns its exit code; what went wrong is on stderr by then.

    What the user can put right is one line. Anything else is a fault, and shows its traceback.
    """
    try:
        code = command()
        sys.stdout.flush()
        return code if isinstance(code, int) else DONE
    except (BrokenPipeError, ReaderHasGoneError):
        return _reader_has_gone()
    except click.ClickException as error:
        error.show()
        return error.exit_code
    except click.Abort:
        return INTERRUPTED
    except Exception as error:  # noqa: BLE001 - the last place where an error can be told
        return tell_error(error)


def refusal(error: BaseException) -> str | None:
    """The one line for an error that the user can put right; None for any other."""
    if isinstance(error, TrackerError | _engine_error()):
        return " ".join(str(error).split())
    if isinstance(error, OSError) and error.strerror:
        return f"{error.strerror}: {error.filename}" if error.filename else error.strerror
    return None


def _engine_error() -> type[Exception]:
    """EngineError, if anything of the engine was imported: nothing else can have raised one."""
    errors = sys.modules.get("engine.errors")
    return errors.EngineError if errors else TrackerError


def tell_error(error: Exception) -> int:
    """One line for what the user can put right, a traceback for a fault; the exit code."""
    line = refusal(error)
    if line is not None:
        say(f"Error: {line}")
        return MISWRITTEN if isinstance(error, UnsaidError) else REFUSED
    import traceback

    traceback.print_exception(error)
    say(
        "This is a fault in Labkeeper or in a component of yours, as the last lines above show. "
        "If it is ours, please report it with the whole text."
    )
    return REFUSED


def _reader_has_gone() -> int:
    """The reader has all it wanted, so the command is done."""
    with suppress(OSError, ValueError):
        # Python flushes stdout once more at the end; let it have somewhere to go.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    return DONE
