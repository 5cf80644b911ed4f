"""How a run ends: from what ended the code to what the record says.

    returned                        finished
    sys.exit(), sys.exit(0)         finished
    sys.exit(3)                     failed, "exit 3"
    an exception                    failed, with its traceback
    Ctrl-C                          stopped
    SIGTERM, SIGHUP                 stopped
    cancelled, generator closed     stopped
    the program's end, unfinished   stopped; failed if an exception ended the program

A process that vanishes (SIGKILL, `os._exit`) tells nothing: who reads next finds it lost.
"""

import builtins
import sys
import traceback
from typing import Any, NamedTuple

from tracker.database.kinds import RunStatus
from tracker.recording.signals import Terminated, terminations


class Ending(NamedTuple):
    """What is recorded of a session's end; the words for `exit` are short, `reason` says more."""

    status: RunStatus
    exit: str
    reason: str | None = None
    traceback: str | None = None


RETURNED = Ending(RunStatus.FINISHED, "returned")
ASKED = Ending(RunStatus.STOPPED, "stopped", "asked to stop")
LEFT_OPEN = Ending(RunStatus.STOPPED, "left open", "the program ended without run.finish()")


def ending_of(error: BaseException | None) -> Ending:
    """What an exception that leaves the run's code means for the run."""
    match error:
        case None:
            return RETURNED
        case Terminated():
            return _terminated(error.signal)
        case SystemExit(code=None | 0):
            return Ending(RunStatus.FINISHED, "exit 0")
        case SystemExit(code=int(code)):
            return Ending(RunStatus.FAILED, f"exit {int(code)}", f"sys.exit({code})")
        case SystemExit(code=words):
            return Ending(RunStatus.FAILED, "exit 1", _storable(f"sys.exit: {words}"))
        case KeyboardInterrupt():
            return Ending(RunStatus.STOPPED, "interrupted", "interrupted (Ctrl-C)")
        case Exception():
            return _failed(error)
    # What is no Exception is no failure: a generator closed, a task cancelled.
    return Ending(RunStatus.STOPPED, "stopped", f"stopped by {type(error).__name__}")


def _failed(error: Exception) -> Ending:
    words = "".join(traceback.format_exception_only(error)).strip()
    text = "".join(traceback.format_exception(error))
    return Ending(RunStatus.FAILED, "raised", _storable(words), _storable(text))


def ending_at_exit(known_error: Any) -> Ending:
    """What the program's end means for a run that nobody has finished.

    `known_error` is what `uncaught_error()` said when the run began.
    """
    if terminations.received:
        return _terminated(terminations.received)
    error = uncaught_error()
    return LEFT_OPEN if error is None or error is known_error else ending_of(error)


def uncaught_error() -> BaseException | None:
    """The exception that ended the program, as far as Python keeps it.

    None in a notebook or an interactive interpreter, where an exception ends nothing.
    """
    if hasattr(sys, "ps1") or hasattr(builtins, "__IPYTHON__"):
        return None
    return getattr(sys, "last_exc", None) or getattr(sys, "last_value", None)


def _terminated(signal: str) -> Ending:
    return Ending(RunStatus.STOPPED, signal, f"stopped by {signal}")


def _storable(text: str) -> str:
    # A lone surrogate, from an undecodable file name perhaps, is no text for a database.
    return text.encode(errors="backslashreplace").decode()
