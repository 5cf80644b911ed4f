"""Hashing what is read or written, at the same time."""

import hashlib
import os
from collections import deque
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from functools import partial
from typing import Any, Protocol

PIECE = 2**21
_WORTH_A_THREAD = 2**18
# What waits to be hashed stays in memory.
_HELD_AT_MOST = 16 * 2**20
_THREADS_AT_MOST = 8


class Hasher(Protocol):
    """Hashes bytes part by part. Each part must stay as it is until the hash is told."""

    def update(self, part: bytes | memoryview) -> None:
        """Add a part; returns before it is hashed, if that takes long."""

    def take(self, read: Callable[[], bytes]) -> None:
        """Add a whole piece of 2 MiB, which is read by the thread that hashes it."""

    def hexdigest(self) -> str:
        """The hash of all parts up to now. Raises what reading them raised."""


class Hashing:
    """The SHA-256; the caller goes on while large parts are hashed, one after the other."""

    def __init__(self) -> None:
        self._hash = hashlib.sha256()
        self._ahead = _Ahead(threads=1)

    def update(self, part: bytes | memoryview) -> None:
        size = memoryview(part).nbytes
        if size < _WORTH_A_THREAD and self._ahead.is_done():
            self._hash.update(part)
        else:
            self._ahead.start(size, partial(self._hash.update, part))

    def take(self, read: Callable[[], bytes]) -> None:
        self._ahead.start(PIECE, lambda: self._hash.update(read()))

    def hexdigest(self) -> str:
        self._ahead.finish()
        return self._hash.hexdigest()


class PieceHashing:
    """The SHA-256 of the SHA-256s of all pieces of 2 MiB, which are hashed on all cores.

    The last piece may be smaller; how the bytes come in parts makes no difference.
    """

    def __init__(self) -> None:
        self._hash = hashlib.sha256()
        threads = min(os.cpu_count() or 1, _THREADS_AT_MOST)
        self._ahead = _Ahead(threads, take=self._hash.update)
        self._piece: list[memoryview] = []
        self._room = PIECE

    def update(self, part: bytes | memoryview) -> None:
        left = memoryview(part).cast("B")
        while left:
            begin, left = left[: self._room], left[self._room :]
            self._piece.append(begin)
            self._room -= len(begin)
            if not self._room:
                self._ahead.start(PIECE, partial(_digest, self._piece))
                self._piece, self._room = [], PIECE

    def take(self, read: Callable[[], bytes]) -> None:
        self._ahead.start(PIECE, lambda: hashlib.sha256(read()).digest())

    def hexdigest(self) -> str:
        self._ahead.finish()
        whole = self._hash.copy()
        if self._piece:
            whole.update(_digest(self._piece))
        return whole.hexdigest()


def _digest(parts: list[memoryview]) -> bytes:
    hashed = hashlib.sha256()
    for part in parts:
        hashed.update(part)
    return hashed.digest()


class _Ahead:
    """Work that is done in threads; whoever starts it waits only if too much is waiting."""

    def __init__(self, threads: int, take: Callable[[Any], object] = lambda _: None) -> None:
        self._threads = threads
        self._pool: ThreadPoolExecutor | None = None
        self._take = take
        self._started: deque[tuple[int, Future[Any]]] = deque()
        self._held = 0

    def start(self, size: int, work: Callable[[], Any]) -> None:
        """Have the work done, which holds `size` bytes; its result is taken in its turn."""
        self._settle(until=_HELD_AT_MOST - size)
        self._pool = self._pool or ThreadPoolExecutor(self._threads)
        self._started.append((size, self._pool.submit(work)))
        self._held += size

    def is_done(self) -> bool:
        self._settle(until=_HELD_AT_MOST)
        return not self._started

    def finish(self) -> None:
        """Return when all is done."""
        self._settle(until=-1)

    def _settle(self, *, until: int) -> None:
        """Take what is done, in turn, and wait until no more bytes than these are held."""
        while self._started and (self._held > until or self._started[0][1].done()):
            size, done = self._started.popleft()
            self._held -= size
            self._take(done.result())
