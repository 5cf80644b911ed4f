"""A part of an open file, read straight into where its bytes are wanted."""

from __future__ import annotations

from typing import TYPE_CHECKING, BinaryIO, NamedTuple

import numpy as np

from engine.saving.errors import UnreadableError

if TYPE_CHECKING:
    from hashlib import _Hash

_CHUNK = 2**18


class Region(NamedTuple):
    """`size` bytes of a file from `begin` on."""

    file: BinaryIO
    begin: int
    size: int

    def part(self, begin: int, end: int) -> Region:
        return Region(self.file, self.begin + begin, end - begin)

    def read(self) -> bytes:
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

    def hash_into(self, hashed: _Hash) -> None:
        """Through one small buffer, so that a large file needs no memory to be verified."""
        buffer = memoryview(bytearray(_CHUNK))
        left = self.size
        self.file.seek(self.begin)
        while left:
            count = self.file.readinto(buffer[: min(left, _CHUNK)])  # type: ignore[attr-defined]  # as above
            if not count:
                _check_complete(self.size - left, self.size)
            hashed.update(buffer[:count])
            left -= count


def _check_complete(count: int, size: int) -> None:
    if count != size:
        raise UnreadableError("it became shorter while it was read")
