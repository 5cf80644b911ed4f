"""The processes that folds run in, from the side of the one that started them.

Each is forked for one fold and leads a process group: a Ctrl-C at the terminal reaches only the
process that waits for them, and what a fold leaves behind can be ended with it. They are forked
because a fold works on what is there already: data, graph and callbacks of any kind.
"""

import multiprocessing
import os
import signal
import warnings
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from multiprocessing.connection import Connection, wait
from multiprocessing.process import BaseProcess
from typing import Any

import torch

from engine.cross_validation.sending import Name, Receiver
from engine.cross_validation.worker import STOP, Assignment, Ended, be_worker
from engine.errors import FoldError


@dataclass
class Member:
    """One fold's process."""

    number: int
    process: BaseProcess
    messages: Receiver
    orders: Connection

    def kill(self) -> None:
        """Ends the process and all that it has started."""
        with suppress(ProcessLookupError, PermissionError):
            os.killpg(self.process.pid or 0, signal.SIGKILL)
        with suppress(ProcessLookupError):
            os.kill(self.process.pid or 0, signal.SIGKILL)

    def bury(self) -> None:
        """Ends it for certain, with what it left behind."""
        self.kill()
        self.process.join()
        self.messages.connection.close()
        self.orders.close()


class Crew:
    """Starts processes, hears what they say, and leaves none behind."""

    def __init__(self) -> None:
        self._context = _forking()
        self.members: list[Member] = []

    def start(self, number: int, assignment: Assignment, find: Callable[[Name], Any]) -> None:
        """Have a process run this fold; `find` knows what its messages name."""
        receiving, sending = self._context.Pipe(duplex=False)
        hearing, ordering = self._context.Pipe(duplex=False)
        # What only this process is to hold: an end of a pipe that another held would never close.
        others = [receiving, ordering]
        others += [end for one in self.members for end in (one.messages.connection, one.orders)]
        process = self._context.Process(
            target=be_worker,
            args=(assignment, sending, hearing, others),
            name=f"engine-{assignment.fold.label}",
        )
        with warnings.catch_warnings():
            # Newer Pythons warn of threads; the child makes its own and waits for none of these.
            warnings.simplefilter("ignore", DeprecationWarning)
            process.start()
        with suppress(ProcessLookupError, PermissionError):
            os.setpgid(process.pid or 0, process.pid or 0)  # the child does so too
        sending.close()
        hearing.close()
        self.members.append(Member(number, process, Receiver(receiving, find), ordering))

    def receive(self, seconds: float) -> Iterator[tuple[int, Any]]:
        """Each message that has come, with its fold's number; waits so long for the first.

        The last of each fold is an `Ended`, or a FoldError if its process has gone without one.
        """
        ready = set(wait([one.messages.connection for one in self.members], seconds))
        for member in list(self.members):
            if member.messages.connection in ready:
                message = self._next(member)
                if isinstance(message, Ended | FoldError):
                    self.members.remove(member)
                    member.bury()
                yield member.number, message

    def _next(self, member: Member) -> Any:
        try:
            return member.messages.receive()
        except (EOFError, OSError):
            member.process.join()
            return FoldError(
                f"The process of {member.process.name.removeprefix('engine-')} ended with "
                f"{_ending(member.process.exitcode)} before the fold did. The folds that have "
                "finished are kept, and `resume` runs this one again."
            )

    def ask_to_stop(self) -> None:
        """Have every fold stop after its current batch."""
        for member in self.members:
            with suppress(OSError):
                member.orders.send_bytes(STOP)

    def kill(self) -> None:
        """End all that are left."""
        for member in self.members:
            member.kill()
        for member in self.members:
            member.bury()
        self.members = []


def _forking() -> Any:
    if "fork" not in multiprocessing.get_all_start_methods():
        raise FoldError(
            "Folds run in several processes only where the system can fork. Run them with "
            "workers=1."
        )
    if torch.cuda.is_initialized():  # type: ignore[no-untyped-call]  # torch leaves it untyped
        raise FoldError(
            "This process has used a GPU, and processes that are forked from it cannot. Run the "
            "folds with workers=1."
        )
    return multiprocessing.get_context("fork")


def _ending(code: int | None) -> str:
    if code is not None and code < 0:
        return signal.Signals(-code).name
    return f"exit code {code}"
