"""Processes of our own that do a part of the work, from the side of the one that started them.

A child leads a process group: a Ctrl-C at the terminal reaches only the process that watches, and
what a child leaves behind can be ended with it. Children are forked where that is safe, so that
nothing need be found again, and they start in milliseconds.
"""

import multiprocessing
import os
import signal
import sys
import threading
import warnings
from collections.abc import Callable
from contextlib import suppress
from multiprocessing.connection import Connection
from multiprocessing.process import BaseProcess
from typing import Any


class Child:
    """One process, and the last thing that it told before it ended."""

    def __init__(self, process: BaseProcess, messages: Connection) -> None:
        self.process = process
        self.messages = messages
        self.told: Any = None

    @property
    def pid(self) -> int:
        return self.process.pid or 0

    def signal(self, number: int) -> None:
        with suppress(ProcessLookupError):
            os.kill(self.pid, number)

    def kill(self) -> None:
        """Ends the process and all that it has started."""
        with suppress(ProcessLookupError, PermissionError):
            os.killpg(self.pid, signal.SIGKILL)
        self.signal(signal.SIGKILL)

    def has_ended(self) -> bool:
        """Whether it has; then also what it left behind is gone."""
        # What is larger than a pipe holds must be taken before the child can end.
        self._listen()
        if not _is_over(self.process):
            return False
        with suppress(ProcessLookupError, PermissionError):
            os.killpg(self.pid, signal.SIGKILL)
        self.process.join()
        self._listen()
        self.messages.close()
        return True

    def _listen(self) -> None:
        with suppress(EOFError, OSError):
            if self.told is None and self.messages.poll():
                self.told = self.messages.recv()

    def bury(self) -> None:
        """Ends it, if it has not ended, and waits until it has."""
        self.kill()
        self.process.join()
        self.messages.close()

    @property
    def ending(self) -> str:
        """How it ended: "SIGKILL", "exit code 1"."""
        code = self.process.exitcode
        if code is not None and code < 0:
            return signal.Signals(-code).name
        return f"exit code {code}"


def start_child(
    context: Any, work: Callable[..., object], *args: object, name: str
) -> tuple[BaseProcess, Connection]:
    """Starts a process that does the work, and tells what it returns."""
    receiving, sending = context.Pipe(duplex=False)
    process = context.Process(target=_be_child, args=(work, sending, args), name=name)
    # From a thread that has computed nothing: OpenMP keeps for each thread the threads that share
    # its work, and a fork of this one would wait forever for those, which are not in it.
    failures: list[BaseException] = []
    starting = threading.Thread(target=_start, args=(process, failures))
    starting.start()
    starting.join()
    if failures:
        raise failures[0]
    with suppress(ProcessLookupError, PermissionError):
        os.setpgid(process.pid or 0, process.pid or 0)  # the child does so too
    sending.close()
    return process, receiving


def can_fork() -> bool:
    """Whether a child may be a copy of this process: nothing of the system's is in the way."""
    return sys.platform.startswith("linux") and has_fork() and not _uses_cuda()


def has_fork() -> bool:
    """Whether the system has forks at all."""
    return "fork" in multiprocessing.get_all_start_methods()


def _start(process: BaseProcess, failures: list[BaseException]) -> None:
    with warnings.catch_warnings():
        # Newer Pythons warn of threads; the child uses none of this process's.
        warnings.simplefilter("ignore", DeprecationWarning)
        try:
            process.start()
        except BaseException as error:  # noqa: BLE001 - raised where it was asked for
            failures.append(error)


def _be_child(work: Callable[..., object], messages: Connection, args: tuple[object, ...]) -> None:
    with suppress(PermissionError):
        os.setpgid(0, 0)
    signal.signal(signal.SIGINT, signal.default_int_handler)
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    if hasattr(signal, "SIGHUP"):
        signal.signal(signal.SIGHUP, signal.SIG_DFL)
    messages.send(work(*args))


def _uses_cuda() -> bool:
    """A device that was used before a fork cannot be used after it."""
    torch = sys.modules.get("torch")
    return torch is not None and bool(torch.cuda.is_initialized())


def _is_over(process: BaseProcess) -> bool:
    """Whether it has ended; not yet buried, so that nobody else has its number."""
    if not hasattr(os, "waitid"):
        return not process.is_alive()
    try:
        options = os.WEXITED | os.WNOHANG | os.WNOWAIT
        return os.waitid(os.P_PID, process.pid or 0, options) is not None
    except ChildProcessError:
        return True
