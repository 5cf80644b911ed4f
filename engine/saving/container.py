"""The zip file around everything: stored, not compressed, and sealed with its own hash.

Any zip program opens it. The archive's comment ends the file: the format's version and the
SHA-256 of every byte before the hash, so that damage anywhere is noticed, also in the parts of a
zip that no checksum covers.
"""

import hashlib
import io
import re
import zipfile
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from threading import Thread
from typing import BinaryIO, NamedTuple, Self

from engine.saving.errors import UnreadableError
from engine.saving.region import Region

CONTENT = "content.json"
TENSORS = "tensors.safetensors"
VERSION = 1

_SEAL = re.compile(rb"labkeeper format (\d{4}) sha256 ([0-9a-f]{64})")
_DIGITS = 64
_SEAL_SIZE = len("labkeeper format 0001 sha256 ") + _DIGITS
_ENTRY = re.compile(
    r"content\.json|tensors\.safetensors|estimators/\d{1,6}\.skops|tables/\d{1,6}\.arrow"
)
_LOCAL_HEADER = 30
_LOCAL_MAGIC = b"PK\x03\x04"
_LARGE = 2**31 - 1
_WORTH_A_THREAD = 2**22
# Equal contents give equal bytes: no time is written down.
_NO_TIME = (1980, 1, 1, 0, 0, 0)


class Sealed(NamedTuple):
    bytes: int
    sha256: str


class Pieces(NamedTuple):
    """What an entry is written from, piece by piece; how much it is, is known before."""

    size: int
    pieces: Iterable[bytes | memoryview]

    @classmethod
    def of(cls, pieces: Iterable[bytes | memoryview]) -> Self:
        held = [memoryview(piece) for piece in pieces]
        return cls(sum(piece.nbytes for piece in held), held)


class SealingWriter:
    """Hashes what passes through, and puts the hash into the comment that zipfile writes last.

    It stays one piece behind, because the last one must be known to be the last.
    """

    def __init__(self, file: BinaryIO) -> None:
        self._file = file
        self._last: bytes | memoryview = b""
        self._hash = hashlib.sha256()
        self._hashing: Thread | None = None
        self._size = 0

    def write(self, data: bytes | memoryview) -> int:
        self._emit(self._last)
        self._last = data
        return memoryview(data).nbytes

    def flush(self) -> None:
        """Nothing: what is held back must wait."""

    def close(self) -> None:
        """Nothing: the file is its owner's to close."""

    def seal(self) -> Sealed:
        ending = bytes(self._last)
        self._emit(ending[:-_DIGITS])
        self._finish_hashing()
        self._emit(self._hash.hexdigest().encode())
        return Sealed(self._size, self._hash.hexdigest())

    def _emit(self, data: bytes | memoryview) -> None:
        size = memoryview(data).nbytes
        self._finish_hashing()
        if size < _WORTH_A_THREAD:
            self._hash.update(data)
        else:
            # Hashing takes longer than writing, and neither needs Python meanwhile.
            self._hashing = Thread(target=self._hash.update, args=(data,))
            self._hashing.start()
        self._size += size
        self._file.write(data)

    def _finish_hashing(self) -> None:
        if self._hashing is not None:
            self._hashing.join()
            self._hashing = None


def write_container(file: BinaryIO, entries: Mapping[str, Pieces]) -> Sealed:
    """Write the entries in order, each from its pieces, without copying them together."""
    writer = SealingWriter(file)
    with zipfile.ZipFile(writer, "w", zipfile.ZIP_STORED) as archive:
        for name, (size, pieces) in entries.items():
            large = size > _LARGE
            with archive.open(zipfile.ZipInfo(name, _NO_TIME), "w", force_zip64=large) as entry:
                for piece in pieces:
                    entry.write(piece)
        archive.comment = f"labkeeper format {VERSION:04} sha256 {'-' * _DIGITS}".encode()
    return writer.seal()


@contextmanager
def read_container(path: Path, sha256: str | None) -> Iterator[dict[str, Region]]:
    """The entries by name, once every byte is known to be as it was written."""
    with path.open("rb") as file:
        size = file.seek(0, io.SEEK_END)
        _check_seal(Region(file, 0, size), sha256)
        yield _entries(file, size)


@contextmanager
def look_into_container(path: Path) -> Iterator[dict[str, Region]]:
    """The entries by name, of a file whose bytes nobody has verified."""
    with path.open("rb") as file:
        yield _entries(file, file.seek(0, io.SEEK_END))


def _check_seal(whole: Region, sha256: str | None) -> None:
    seal = _SEAL.fullmatch(whole.part(max(whole.size - _SEAL_SIZE, 0), whole.size).read())
    if seal is None:
        raise UnreadableError(_why_unsealed(whole))
    hashed = hashlib.sha256()
    whole.part(0, whole.size - _DIGITS).hash_into(hashed)
    if hashed.hexdigest() != seal[2].decode():
        raise UnreadableError("it is damaged, its contents do not match its checksum")
    hashed.update(seal[2])
    if sha256 is not None and hashed.hexdigest() != sha256:
        raise UnreadableError(
            f"it is another file than expected, its SHA-256 is {hashed.hexdigest()[:12]}..., "
            f"not {sha256[:12]}..."
        )
    if int(seal[1]) > VERSION:
        raise UnreadableError(
            f"it was written by a newer version of Labkeeper (format {int(seal[1])}, "
            f"this version reads up to {VERSION}); update Labkeeper to read it"
        )


def _why_unsealed(whole: Region) -> str:
    head = whole.part(0, min(whole.size, _LOCAL_HEADER + len(CONTENT))).read()
    if not head:
        return "it is empty"
    if head[:4] == _LOCAL_MAGIC and head[_LOCAL_HEADER:] == CONTENT.encode():
        return "it is damaged, its end is cut off or overwritten"
    return "it is not a file that Labkeeper wrote"


def _entries(file: BinaryIO, size: int) -> dict[str, Region]:
    try:
        with zipfile.ZipFile(file) as archive:
            infos = archive.infolist()
    except (zipfile.BadZipFile, ValueError, NotImplementedError) as error:
        raise UnreadableError(f"it is not a sound zip file ({error})") from error
    entries: dict[str, Region] = {}
    end = 0
    for info in infos:
        begin = _check_entry(info, Region(file, 0, size), end)
        if info.filename in entries:
            raise UnreadableError(f"it holds {info.filename!r} twice")
        end = begin + info.file_size
        entries[info.filename] = Region(file, begin, info.file_size)
    if CONTENT not in entries:
        raise UnreadableError(f"it holds no {CONTENT}")
    return entries


def _check_entry(info: zipfile.ZipInfo, whole: Region, previous_end: int) -> int:
    """Where the entry's bytes begin: behind the entries before it, and inside the file."""
    if not _ENTRY.fullmatch(info.filename):
        raise UnreadableError(f"it holds an entry named {info.filename[:80]!r}")
    if info.compress_type != zipfile.ZIP_STORED or info.compress_size != info.file_size:
        raise UnreadableError(f"{info.filename} is compressed")
    if not previous_end <= info.header_offset <= whole.size - _LOCAL_HEADER:
        raise UnreadableError(f"{info.filename} lies where nothing can be")
    head = whole.part(info.header_offset, info.header_offset + _LOCAL_HEADER).read()
    skipped = int.from_bytes(head[26:28], "little") + int.from_bytes(head[28:30], "little")
    begin = info.header_offset + _LOCAL_HEADER + skipped
    if head[:4] != _LOCAL_MAGIC or begin + info.file_size > whole.size:
        raise UnreadableError(f"{info.filename} lies where nothing can be")
    return begin
