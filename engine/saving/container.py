"""The zip file around everything: stored, not compressed, and sealed with its own hash.

Any zip program opens it. The archive's comment ends the file: the format's version and a hash of
every byte before the hash, so that damage anywhere is noticed, also in the parts of a zip that no
checksum covers.

In version 1 that is the SHA-256, from which the file's own SHA-256 follows at no cost. In version
2, for large files that nobody knows by a hash, it is that of their pieces, which takes all cores.
"""

import io
import re
import zipfile
from collections.abc import Iterable, Iterator, Mapping
from contextlib import closing, contextmanager
from pathlib import Path
from typing import BinaryIO, NamedTuple, Self

from engine.hashing import Hasher, Hashing, PieceHashing
from engine.saving.errors import UnreadableError
from engine.saving.region import Region
from engine.syncing import Syncing, sync

CONTENT = "content.json"
TENSORS = "tensors.safetensors"
VERSION = 2
BY_PIECES = 2

_SEAL = re.compile(rb"labkeeper format (\d{4}) sha256 ([0-9a-f]{64})")
_DIGITS = 64
_SEAL_SIZE = len("labkeeper format 0001 sha256 ") + _DIGITS
_ENTRY = re.compile(
    r"content\.json|tensors\.safetensors|estimators/\d{1,6}\.skops|tables/\d{1,6}\.arrow"
)
_LOCAL_HEADER = 30
_LOCAL_MAGIC = b"PK\x03\x04"
_LARGE = 2**31 - 1
# Equal contents give equal bytes: no time is written down.
_NO_TIME = (1980, 1, 1, 0, 0, 0)


class Sealed(NamedTuple):
    """How large a file is, and the hash of all its bytes, made as that in its seal."""

    bytes: int
    hash: str


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

    def __init__(self, file: BinaryIO, hasher: Hasher, syncing: Syncing) -> None:
        self._file = file
        self._path = Path(file.name)
        self._last: bytes | memoryview = b""
        self._hash = hasher
        self._syncing = syncing
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
        """End the file with its hash; all of it is on the disk when this returns."""
        ending = bytes(self._last)
        self._emit(ending[:-_DIGITS])
        self._emit(self._hash.hexdigest().encode())
        self._file.flush()
        self._syncing.wait()
        sync(self._path)
        return Sealed(self._size, self._hash.hexdigest())

    def _emit(self, data: bytes | memoryview) -> None:
        size = memoryview(data).nbytes
        self._hash.update(data)
        self._file.write(data)
        self._syncing.wrote(self._path, size)
        self._size += size


def write_container(file: BinaryIO, entries: Mapping[str, Pieces], version: int = 1) -> Sealed:
    """Write the entries in order, each from its pieces, without copying them together.

    What was written is on the disk when this returns.
    """
    with closing(Syncing()) as syncing:
        writer = SealingWriter(file, _hasher(version), syncing)
        with zipfile.ZipFile(writer, "w", zipfile.ZIP_STORED) as archive:
            for name, entry in entries.items():
                _write_entry(archive, name, entry)
            archive.comment = f"labkeeper format {version:04} sha256 {'-' * _DIGITS}".encode()
        return writer.seal()


def _write_entry(archive: zipfile.ZipFile, name: str, entry: Pieces) -> None:
    info, large = zipfile.ZipInfo(name, _NO_TIME), entry.size > _LARGE
    with archive.open(info, "w", force_zip64=large) as target:
        for piece in entry.pieces:
            target.write(piece)


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
    version = int(seal[1])
    hashed = _hasher(version)
    whole.part(0, whole.size - _DIGITS).hash_into(hashed)
    if hashed.hexdigest() != seal[2].decode():
        raise UnreadableError("it is damaged, its contents do not match its checksum")
    if sha256 is not None:
        if version >= BY_PIECES:
            hashed = Hashing()
            whole.hash_into(hashed)
        else:
            hashed.update(seal[2])
        _compare(hashed.hexdigest(), sha256)
    if version > VERSION:
        raise UnreadableError(
            f"it was written by a newer version of Labkeeper (format {version}, "
            f"this version reads up to {VERSION}); update Labkeeper to read it"
        )


def _hasher(version: int) -> Hasher:
    """What seals a file of this version; later ones are to keep the way of version 2."""
    return PieceHashing() if version >= BY_PIECES else Hashing()


def _compare(found: str, expected: str) -> None:
    if found != expected:
        raise UnreadableError(
            f"it is another file than expected, its SHA-256 is {found[:12]}..., "
            f"not {expected[:12]}..."
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
