"""How a training of a pipeline ended."""

import traceback
from dataclasses import dataclass

from engine.errors import EngineError
from tracker.database.kinds import RunStatus
from tracker.errors import TrackerError


@dataclass(frozen=True)
class Outcome:
    """How a training ended, with what the user should be told beside it."""

    pipeline: str
    run: str | None  # None: it failed before there was one
    status: RunStatus
    reason: str | None = None
    notices: tuple[str, ...] = ()
    # Why there was nothing to do; no session began then.
    idle: str | None = None
    # Ctrl-C or SIGTERM: what was to be trained next is not.
    interrupted: bool = False
    error: Exception | None = None

    @property
    def sentence(self) -> str:
        """How it ended, in one line."""
        if self.error is not None:
            return self._failure(self.error)
        if self.idle is not None:
            return self.idle
        reason = f" ({self.reason})" if self.reason else ""
        if self.status is RunStatus.STOPPED:
            return (
                f"{self.pipeline} is stopped{reason}: `labkeeper resume {self.pipeline}` goes on."
            )
        return f"{self.pipeline} is {self.status.value}{reason}."

    def _failure(self, error: Exception) -> str:
        if isinstance(error, TrackerError):
            return " ".join(str(error).split())
        words = " ".join(_words(error).split()).removesuffix(".")
        return f"{self.pipeline} failed: {words}. `labkeeper show {self.pipeline}` says where."


def _words(error: Exception) -> str:
    """Our own errors speak for themselves; others need the name of their class."""
    if isinstance(error, EngineError):
        return str(error)
    told = traceback.TracebackException(type(error), error, None)
    # Of one from another process, the traceback that it had there.
    told.__notes__ = []
    return "".join(told.format_exception_only())
