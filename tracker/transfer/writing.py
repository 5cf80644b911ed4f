"""Writing a bundle, entry by entry."""

import zipfile
from collections.abc import Iterable, Iterator
from pathlib import Path
from types import TracebackType
from typing import Self

from engine.hashing import Hashing
from engine.syncing import Syncing
from tracker.transfer.format import (
    LARGE,
    MANIFEST,
    PIECE,
    Contents,
    Entry,
    Manifest,
    new_info,
)


class BundleWriter:
    """Writes entries to a new file and notes what each was; the manifest comes last."""

    def __init__(self, path: Path) -> None:
        self.entries: dict[str, Entry] = {}
        self._path = path
        self._syncing = Syncing()
        self._archive = zipfile.ZipFile(path, "w", zipfile.ZIP_STORED)

    def add(self, name: str, pieces: Iterable[bytes], *, size: int = 0) -> Entry:
        """Writes one entry; `size` is how large it will be, as far as that is known."""
        digest = Hashing()
        written = 0
        large = size > LARGE
        with self._archive.open(new_info(name, 0), "w", force_zip64=large) as entry:
            for piece in pieces:
                digest.update(piece)
                entry.write(piece)
                written += len(piece)
                self._syncing.wrote(self._path, len(piece))
        self.entries[name] = Entry(name, written, digest.hexdigest())
        return self.entries[name]

    def add_file(self, name: str, path: Path) -> Entry:
        """Writes an entry with the content of a file."""
        return self.add(name, pieces_of(path), size=path.stat().st_size)

    def finish(self, schema: str, contents: Contents) -> Manifest:
        """Writes the manifest; nothing can be added afterwards."""
        manifest = Manifest(schema, contents, dict(self.entries))
        self.add(MANIFEST, [manifest.dump()])
        self._archive.close()
        self._syncing.wait()
        return manifest

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._syncing.close()
        if kind is None:
            self._archive.close()
        elif self._archive.fp is not None:
            # Closing would write a directory, for which a full disk has no room either.
            self._archive.fp.close()
            self._archive.fp = None


def pieces_of(path: Path) -> Iterator[bytes]:
    """The content of a file, in pieces."""
    with path.open("rb", buffering=0) as file:
        while piece := file.read(PIECE):
            yield piece
