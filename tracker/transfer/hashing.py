"""Hashing what is read or written, at the same time."""

import hashlib
from threading import Thread

_WORTH_A_THREAD = 2**18


class Hashing:
    """The SHA-256 of pieces: of a large one in a thread, while the caller does more with it."""

    def __init__(self) -> None:
        self._hash = hashlib.sha256()
        self._working: Thread | None = None

    def update(self, piece: bytes) -> None:
        """Adds a piece; returns before it is hashed."""
        self._wait()
        if len(piece) < _WORTH_A_THREAD:
            self._hash.update(piece)
        else:
            # Hashing takes longer than writing, and neither needs Python meanwhile.
            self._working = Thread(target=self._hash.update, args=(piece,))
            self._working.start()

    def hexdigest(self) -> str:
        """The hash of all pieces up to now."""
        self._wait()
        return self._hash.hexdigest()

    def _wait(self) -> None:
        if self._working is not None:
            self._working.join()
            self._working = None
