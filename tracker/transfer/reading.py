"""Reading a bundle from anybody: nothing in it is believed before it was looked at.

Only what `format.new_info` describes is accepted: plain files, stored, one behind the other
from the first byte on. So no entry can be larger than it is in the file, lie over another,
be a link or a device, or hide something between two entries.
"""

import io
import re
import stat
import struct
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

from engine.hashing import Hashing
from tracker.errors import unusable
from tracker.transfer.format import (
    FILES,
    LARGE,
    MANIFEST,
    MAX_MANIFEST,
    METRICS,
    PIECE,
    SOURCES,
    TABLES,
    Entry,
    Manifest,
    new_info,
    parse_manifest,
    refused,
)
from tracker.transfer.naming import folded, is_inner_path, is_source_path

# The end of a zip file: signature, numbers of disks and entries, the directory's size and place.
_END = struct.Struct("<4s4H2LH")
_END_MAGIC = b"PK\x05\x06"
# Of a line of the directory: how long name, extra field and comment are, and all before these.
_LINE, _LINE_HEAD = struct.Struct("<28x3H"), 46
_MAX_DIRECTORY = 512 * 2**20
# So many entries or more: the number is in the larger form of the end.
_MANY = 2**16 - 1
_IN_UTF8 = 0x800  # the flag that says so of a name
_SAME = (
    *("date_time", "create_system", "external_attr", "internal_attr"),
    *("comment", "volume", "reserved"),
)
# Of the zip format: for entries as they are, and for large ones.
_VERSIONS = {zipfile.DEFAULT_VERSION, zipfile.ZIP64_VERSION}

_NAMES = re.compile(rf"{TABLES}[a-z_]+\.jsonl|{METRICS}\d{{6}}\.safetensors|{re.escape(MANIFEST)}")
_KINDS = {
    stat.S_IFLNK: "a symbolic link",
    stat.S_IFCHR: "a device",
    stat.S_IFBLK: "a device",
    stat.S_IFIFO: "a pipe",
    stat.S_IFSOCK: "a socket",
    stat.S_IFDIR: "a directory",
}


class Bundle:
    """A bundle that is open, and whose directory and manifest agree."""

    def __init__(
        self, path: Path, file: BinaryIO, ends: dict[str, int], manifest: Manifest
    ) -> None:
        self.path = path
        self.manifest = manifest
        self._file = file
        # Where the content of each entry ends.
        self._ends = ends

    def pieces(self, entry: Entry) -> Iterator[bytes]:
        """The entry's content, counted and hashed; refused at the end if it is another."""
        digest = Hashing()
        place, end = self._ends[entry.name] - entry.bytes, self._ends[entry.name]
        while place < end:
            # Anew each time: several entries may be read in turn.
            self._file.seek(place)
            piece = self._file.read(min(PIECE, end - place))
            if not piece:
                raise refused(self.path, f"{entry.name!r} is cut off")
            place += len(piece)
            digest.update(piece)
            yield piece
        if digest.hexdigest() != entry.sha256:
            raise refused(self.path, f"{entry.name!r} is damaged, it is not what was written")

    def read(self, entry: Entry) -> bytes:
        """The whole content of an entry."""
        return b"".join(self.pieces(entry))

    def verify(self, *prefixes: str) -> None:
        """Reads every entry whose name begins so, and refuses the bundle if one is damaged."""
        for entry in self.manifest.entries.values():
            if entry.name.startswith(prefixes):
                for _ in self.pieces(entry):
                    pass


@contextmanager
def open_bundle(path: Path) -> Iterator[Bundle]:
    """Opens a bundle whose structure is sound; BundleError says what is wrong with another."""
    try:
        with path.open("rb") as file:
            archive = _open_archive(path, file)
            ends = _checked_places(path, file, archive)
            manifest = _read_manifest(path, archive)
            _compare(path, archive.infolist(), manifest)
            yield Bundle(path, file, ends, manifest)
    except OSError as error:
        if error.filename is not None and Path(error.filename) != path:
            raise
        raise unusable(path, error) from error


def _open_archive(path: Path, file: BinaryIO) -> zipfile.ZipFile:
    total = _check_end(path, file)
    try:
        archive = zipfile.ZipFile(file)
    except (zipfile.BadZipFile, ValueError, NotImplementedError, struct.error) as error:
        raise refused(path, f"it is not a sound zip file ({error})") from error
    if total not in (len(archive.infolist()), _MANY):
        raise refused(path, "its end is damaged")
    return archive


def _check_end(path: Path, file: BinaryIO) -> int:
    """The file ends where a bundle ends, and its directory can be read without harm.

    Returns how many entries it says that it has.
    """
    size = file.seek(0, io.SEEK_END)
    if size == 0:
        raise refused(path, "it is empty")
    file.seek(max(size - _END.size, 0))
    ending = file.read()
    file.seek(0)
    if len(ending) < _END.size or not ending.startswith(_END_MAGIC):
        head = file.read(4)
        why = "its end is cut off or overwritten" if head == b"PK\x03\x04" else "it is no bundle"
        raise refused(path, why)
    _, disk, first, here, total, directory, offset, comment = _END.unpack(ending)
    if disk or first or here != total or comment or min(directory, size) > _MAX_DIRECTORY:
        raise refused(path, "its end is damaged")
    small = max(directory, offset) < 2**32 - 1 and total < _MANY
    if small and offset + directory + _END.size != size:
        raise refused(path, "it has more or fewer bytes than it says")
    return int(total)


def _checked_places(path: Path, file: BinaryIO, archive: zipfile.ZipFile) -> dict[str, int]:
    """Where the content of each entry ends, once all are known to be what a bundle has."""
    ends: dict[str, int] = {}
    known: dict[str, str] = {}
    end = 0
    for info in archive.infolist():
        _check_name(path, info)
        if info.filename in ends:
            raise refused(path, f"it holds {info.filename!r} twice")
        twin = known.setdefault(folded(info.filename), info.filename)
        if twin != info.filename:
            both = f"{twin!r} and {info.filename!r}"
            raise refused(path, f"it holds {both}, which are one file on some file systems")
        _check_kind(path, info)
        end = ends[info.filename] = _check_place(path, file, info, end)
    if end != archive.start_dir:
        raise refused(path, "there is something between its entries")
    _check_directory(path, file, archive)
    if MANIFEST not in ends:
        raise refused(path, f"it holds no {MANIFEST}")
    return ends


def _check_name(path: Path, info: zipfile.ZipInfo) -> None:
    name = info.orig_filename
    if name.startswith(FILES):
        known = is_inner_path(name.removeprefix(FILES))
    elif name.startswith(SOURCES):
        known = is_source_path(name.removeprefix(SOURCES))
    else:
        known = _NAMES.fullmatch(name) is not None
    if not known or name != info.filename:
        raise refused(path, f"it holds an entry named {name[:80]!r}, which no bundle has")


def _check_kind(path: Path, info: zipfile.ZipInfo) -> None:
    kind = _KINDS.get(stat.S_IFMT(info.external_attr >> 16))
    if kind is not None:
        raise refused(path, f"{info.filename!r} in it is {kind}")
    if info.compress_type != zipfile.ZIP_STORED or info.compress_size != info.file_size:
        raise refused(path, f"{info.filename!r} in it is compressed")
    wanted = new_info(info.filename, info.file_size)
    differs = any(getattr(info, name) != getattr(wanted, name) for name in _SAME)
    versions = {info.create_version, info.extract_version}
    if differs or _has_extra(info) or info.flag_bits & ~_IN_UTF8 or not versions <= _VERSIONS:
        raise refused(path, f"{info.filename!r} in it is described as no bundle describes it")


def _has_extra(info: zipfile.ZipInfo) -> bool:
    """Whether there is anything but the sizes of what is large."""
    large = max(info.file_size, info.header_offset) > LARGE
    return bool(info.extra) and not (large and info.extra[:2] == b"\x01\x00")


def _check_place(path: Path, file: BinaryIO, info: zipfile.ZipInfo, end: int) -> int:
    """The entry begins where the one before it ended, with the header it must have."""
    if info.header_offset != end:
        raise refused(path, "its entries overlap, or there is something between them")
    wanted = new_info(info.filename, info.file_size)
    wanted.CRC = info.CRC
    for zip64 in (info.file_size > LARGE, True):
        header = wanted.FileHeader(zip64=zip64)
        file.seek(end)
        if file.read(len(header)) == header:
            return end + len(header) + info.file_size
    raise refused(path, f"the header of {info.filename!r} is damaged")


def _check_directory(path: Path, file: BinaryIO, archive: zipfile.ZipFile) -> None:
    """The directory is as long as its lines are; zipfile reads on where it ends too early."""
    file.seek(archive.start_dir)
    for info in archive.infolist():
        head = file.read(_LINE.size)
        lengths = (len(info.filename.encode()), len(info.extra), 0)
        if len(head) < _LINE.size or _LINE.unpack(head) != lengths:
            raise refused(path, "its directory is damaged")
        file.seek(_LINE_HEAD - _LINE.size + sum(lengths), io.SEEK_CUR)


def _read_manifest(path: Path, archive: zipfile.ZipFile) -> Manifest:
    if archive.getinfo(MANIFEST).file_size > MAX_MANIFEST:
        raise refused(path, "its manifest is larger than any that is written")
    try:
        text = archive.read(MANIFEST)
    except (zipfile.BadZipFile, EOFError) as error:
        raise refused(path, f"its manifest is damaged ({error})") from error
    return parse_manifest(path, text)


def _compare(path: Path, infos: list[zipfile.ZipInfo], manifest: Manifest) -> None:
    """Every entry is in the manifest with its size, and everything in the manifest is there."""
    sizes = {info.filename: info.file_size for info in infos}
    del sizes[MANIFEST]
    if unknown := sizes.keys() - manifest.entries.keys():
        raise refused(path, f"its manifest does not know the entry {min(unknown)!r}")
    if missing := manifest.entries.keys() - sizes.keys():
        raise refused(path, f"it lacks the entry {min(missing)!r}")
    for name, size in sizes.items():
        if size != manifest.entries[name].bytes:
            raise refused(
                path,
                f"{name!r} has {size} bytes, and {manifest.entries[name].bytes} were written",
            )
