"""What is inside a bundle, before anything of it is taken in."""

from pathlib import Path
from typing import NamedTuple

from tracker.transfer.format import FILES, METRICS, SOURCES, TABLES, Contents, Entry
from tracker.transfer.reading import open_bundle


class Inside(NamedTuple):
    """A bundle's contents, each entry of it as it should be."""

    path: Path
    schema: str
    contents: Contents
    entries: list[Entry]
    # The text of components' source, by where it would be unpacked.
    sources: dict[str, str]


def look_inside(path: Path) -> Inside:
    """Reads a bundle whole and compares every entry with its hash; BundleError says which is bad.

    Nothing is unpacked, and no source is imported.
    """
    with open_bundle(path) as bundle:
        bundle.verify(TABLES, METRICS, FILES)
        sources = {
            entry.name.removeprefix(SOURCES): bundle.read(entry).decode(errors="replace")
            for entry in bundle.manifest.named(SOURCES)
        }
        manifest = bundle.manifest
        return Inside(
            path, manifest.schema, manifest.contents, [*manifest.entries.values()], sources
        )
