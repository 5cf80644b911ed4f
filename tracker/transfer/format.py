"""What a bundle is: a zip file of stored entries, and a manifest that says what each must be.

    tables/<table>.jsonl            a line with the columns' names, then a line for each row
    metrics/<number>.safetensors    the points, so many to an entry
    files/<uuid>/...                the files of a run, as they are
    sources/<module>.py             the source of components, where it was asked for
    manifest.json                   last: format, schema, and size and SHA-256 of each entry

Ids are numbered anew, rows are in an order that depends on what they say, and no moment of
writing is noted, so that equal contents give equal bytes.
"""

import json
import stat
import zipfile
from collections.abc import Iterable
from pathlib import Path
from typing import Any, NamedTuple

from tracker.errors import BundleError

FORMAT = 1
KIND = "labkeeper bundle"
MANIFEST = "manifest.json"

TABLES, METRICS, FILES, SOURCES = "tables/", "metrics/", "files/", "sources/"

# Beyond this, a manifest is no honest one: it has about 200 bytes for each file.
MAX_MANIFEST = 256 * 2**20
# Zip files need a larger form of entry above it.
LARGE = 2**31 - 1
PIECE = 2**22

_NO_TIME = (1980, 1, 1, 0, 0, 0)
_UNIX = 3
_PLAIN_FILE = (stat.S_IFREG | 0o600) << 16


class Entry(NamedTuple):
    """One entry as the manifest has it."""

    name: str
    bytes: int
    sha256: str


class Contents(NamedTuple):
    """What is in a bundle, for people."""

    pipelines: list[str]
    runs: int
    sweeps: list[str]
    checkpoints: bool
    sources: bool


class Manifest(NamedTuple):
    """What a bundle says about itself."""

    schema: str
    contents: Contents
    entries: dict[str, Entry]

    def dump(self) -> bytes:
        document = {
            "kind": KIND,
            "format": FORMAT,
            "schema": self.schema,
            "contents": self.contents._asdict(),
            "entries": [list(entry) for entry in self.entries.values()],
        }
        return json.dumps(document, indent=1).encode()

    def named(self, prefix: str) -> list[Entry]:
        return [entry for name, entry in self.entries.items() if name.startswith(prefix)]


def new_info(name: str, size: int) -> zipfile.ZipInfo:
    """The only way in which entries of a bundle are described."""
    info = zipfile.ZipInfo(name, _NO_TIME)
    info.create_system = _UNIX
    info.external_attr = _PLAIN_FILE
    info.file_size = info.compress_size = size
    return info


def parse_manifest(path: Path, text: bytes) -> Manifest:
    """The manifest, every value of it checked; BundleError says what is wrong."""
    try:
        document = json.loads(text)
    except (ValueError, RecursionError):
        raise refused(path, "its manifest is not JSON") from None
    if not isinstance(document, dict) or document.get("kind") != KIND:
        raise refused(path, "it is not a bundle of Labkeeper's")
    _check_format(path, document.get("format"))
    schema = document.get("schema")
    if not isinstance(schema, str):
        raise refused(path, "its manifest names no schema")
    return Manifest(
        schema, _contents(path, document.get("contents")), _entries(path, document.get("entries"))
    )


def refused(path: Path, reason: str) -> BundleError:
    """The error that says why a bundle is not read."""
    return BundleError(f"{path} is refused: {reason}. Nothing was changed.")


def _check_format(path: Path, found: Any) -> None:
    if type(found) is not int or found < 1:
        raise refused(path, f"its format is {found!r}, which is none")
    if found > FORMAT:
        raise refused(
            path,
            f"a newer version of Labkeeper wrote it (format {found}; this one reads up to "
            f"{FORMAT}); upgrade Labkeeper to read it",
        )


def _contents(path: Path, found: Any) -> Contents:
    if not isinstance(found, dict) or found.keys() != set(Contents._fields):
        raise refused(path, "its manifest does not say what it holds")
    contents = Contents(**found)
    sound = (
        _are_texts(contents.pipelines)
        and _are_texts(contents.sweeps)
        and type(contents.runs) is int
        and type(contents.checkpoints) is type(contents.sources) is bool
    )
    if not sound:
        raise refused(path, "its manifest does not say what it holds")
    return contents


def _are_texts(values: Any) -> bool:
    return isinstance(values, list) and all(
        isinstance(value, str) and value.isprintable() for value in values
    )


def _entries(path: Path, found: Any) -> dict[str, Entry]:
    if not isinstance(found, list) or not all(map(_is_entry, found)):
        raise refused(path, "its manifest does not list its entries")
    entries = {name: Entry(name, size, digest) for name, size, digest in found}
    if len(entries) != len(found):
        raise refused(path, f"its manifest lists {_first_double(found)!r} twice")
    return entries


def _is_entry(value: Any) -> bool:
    if not isinstance(value, list) or len(value) != len(Entry._fields):
        return False
    name, size, digest = value
    return isinstance(name, str) and type(size) is int and size >= 0 and is_sha256(digest)


def is_sha256(value: Any) -> bool:
    """Whether it is a SHA-256 in hexadecimal digits."""
    return isinstance(value, str) and len(value) == 64 and set(value) <= set("0123456789abcdef")


def _first_double(entries: Iterable[list[Any]]) -> str:
    seen: set[str] = set()
    for name, *_ in entries:
        if name in seen:
            return str(name)
        seen.add(name)
    return ""
