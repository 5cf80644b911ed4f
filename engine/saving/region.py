"""A part of an open file, read straight into where its bytes are wanted."""

from __future__ import annotations

from threading import Lock
from typing import TYPE_CHECKING, BinaryIO, NamedTuple

import numpy as np

from engine.hashing import PIECE
from engine.saving.errors import UnreadableError

if TYPE_CHECKING:
    from engine.hashing import Hasher

_CHUNK = 2**18
# An open file has one place where it is read from.
_one_at_a_time = Lock()


class Region(NamedTuple):
    """`size` bytes of a file from `begin` on."""

    file: BinaryIO
    begin: int
    size: int

    def part(self, begin: int, end: int) -> Region:
        return Region(self.file, self.begin + begin, end - begin)

    def read(self) -> bytes:
        """All its bytes; several threads may do so."""
        with _one_at_a_time:
            self.file.seek(self.begin)
            data = self.file.read(self.size)
        _check_complete(len(data), self.size)
        return data

    def read_into(self, target: memoryview) -> None:
        self.file.seek(self.begin)
        # Buffered files fill the whole target unless the file ends.
        _check_complete(self.file.readinto(target), self.size)  # type: ignore[attr-defined]  # BinaryIO's stub lacks it

    def equals(self, expected: memoryview) -> bool:
        """Whether these bytes are in it, compared through one small buffer."""
        wanted = expected.cast("B")
        if wanted.nbytes != self.size:
            return False
        buffer = memoryview(bytearray(_CHUNK))
        self.file.seek(self.begin)
        for begin in range(0, self.size, _CHUNK):
            part = wanted[begin : begin + _CHUNK]
            count = self.file.readinto(buffer[: part.nbytes])  # type: ignore[attr-defined]  # as above
            # By numpy: memoryviews compare one byte after the other.
            if not np.array_equal(np.frombuffer(buffer[:count], "u1"), np.frombuffer(part, "u1")):
                return False
        return True

    def hash_into(self, hasher: Hasher) -> None:
        """Piece by piece, so that a large file needs little memory to be verified."""
        rest = self.size - self.size % PIECE
        for begin in range(0, rest, PIECE):
            hasher.take(self.part(begin, begin + PIECE).read)
        hasher.update(self.part(rest, self.size).read())


def _check_complete(count: int, size: int) -> None:
    if count != size:
        raise UnreadableError("it became shorter while it was read")
