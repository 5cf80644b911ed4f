"""How a program that records ends when it is told to."""

import os
import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType

# Closing the terminal is told by SIGHUP, which not every system has.
TERMINATIONS = tuple(
    getattr(signal, name) for name in ("SIGTERM", "SIGHUP") if hasattr(signal, name)
)


class Terminated(SystemExit):
    """Told by a signal to end; ends the program with the shell's code for it, 128 + number."""

    def __init__(self, number: int) -> None:
        self.signal = signal.Signals(number).name
        super().__init__(128 + number)

    def __str__(self) -> str:
        return self.signal


class _Watch:
    """Raises Terminated in the main thread on SIGTERM, so that what is open can be closed.

    Only where the signal would have killed the program at once: a handler of the user's
    own, or `nohup`, stays. Held by any number of runs; the last to leave puts the default
    back.
    """

    def __init__(self) -> None:
        self._holders = 0
        self._lock = threading.Lock()
        self._process = 0
        # The signal that told this process to end, if one has.
        self.received: str | None = None

    def hold(self) -> None:
        with self._lock:
            self._holders += 1
            if not _in_main_thread():
                return
            self._process = os.getpid()
            for number in TERMINATIONS:
                if signal.getsignal(number) is signal.SIG_DFL:
                    signal.signal(number, self.terminate)

    def release(self) -> None:
        with self._lock:
            self._holders -= 1
            # Only the main thread may set a handler; elsewhere ours stays, and still ends
            # the program.
            if self._holders or not _in_main_thread():
                return
            for number in TERMINATIONS:
                if signal.getsignal(number) == self.terminate:
                    signal.signal(number, signal.SIG_DFL)

    def terminate(self, number: int, _frame: FrameType | None) -> None:
        if os.getpid() != self._process:
            # A forked child, a data loader's worker perhaps: dies as it would without us.
            signal.signal(number, signal.SIG_DFL)
            os.kill(os.getpid(), number)
            return
        error = Terminated(number)
        self.received = error.signal
        raise error


terminations = _Watch()


@contextmanager
def asking_first(request_stop: Callable[[int], object]) -> Iterator[None]:
    """Inside, the first Ctrl-C or SIGTERM calls `request_stop`, and the second interrupts.

    It is given the signal's number; where it returns False, the next one is the first again.
    A handler of the user's own stays. Does nothing outside of the main thread, which is the
    only one that signals reach; a forked child dies of them as it would without us.
    """
    if not _in_main_thread():
        yield
        return
    asked, process = False, os.getpid()

    def handle(number: int, _frame: FrameType | None) -> None:
        nonlocal asked
        if os.getpid() != process:
            signal.signal(number, signal.SIG_DFL)
            os.kill(os.getpid(), number)
            return
        if asked and number == signal.SIGINT:
            raise KeyboardInterrupt
        if asked:
            raise Terminated(number)
        asked = request_stop(number) is not False

    ours = {signal.SIGINT: (signal.default_int_handler,)}
    ours |= dict.fromkeys(TERMINATIONS, (signal.SIG_DFL, terminations.terminate))
    before = {
        number: signal.getsignal(number)
        for number, replaceable in ours.items()
        if signal.getsignal(number) in replaceable
    }
    for number in before:
        signal.signal(number, handle)
    try:
        yield
    finally:
        for number, handler in before.items():
            if signal.getsignal(number) is handle:
                signal.signal(number, handler)


def _in_main_thread() -> bool:
    return threading.current_thread() is threading.main_thread()
