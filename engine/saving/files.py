"""Writing and reading one saved file."""

import json
import os
import secrets
import zipfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from engine.errors import FileFormatError, UnsavableError, UntrustedTypesError
from engine.saving import tensors
from engine.saving.container import (
    BY_PIECES,
    CONTENT,
    TENSORS,
    Pieces,
    Sealed,
    read_container,
    write_container,
)
from engine.saving.errors import UnreadableError, UntrustedError
from engine.saving.estimators import dump_estimator, load_estimator
from engine.saving.region import Region
from engine.saving.structure import Decoder, Encoder
from engine.saving.tables import pack_table, unpack_table
from engine.syncing import sync

# JSON of this size takes seconds and gigabytes to parse; numbers in such amounts are arrays.
MAX_CONTENT = 64 * 2**20


@dataclass(frozen=True, slots=True)
class SavedFile:
    """A file that was written whole: where, how large, and the SHA-256 of all its bytes."""

    path: Path
    bytes: int
    sha256: str


def write_file(
    path: str | Path, kind: str, payload: Any, *, meta: Mapping[str, Any] | None = None
) -> SavedFile:
    """Save nested plain values, arrays, tensors, tables and scikit-learn estimators as one file.

    The file appears under `path` whole or not at all, replacing what was there; its folder must
    exist. `{sha256}` in the file's name becomes the first 16 digits of its hash. `kind` says what
    it is (`"checkpoint"`), so that it is not taken for something else. Tensors are stored detached
    and come back on the CPU; what shares memory exactly is stored once and shared again.

    Raises UnsavableError, naming the place inside `payload`, for what has no safe form.
    """
    path, sealed = _write(Path(path), _encode(kind, payload, dict(meta or {})))
    return SavedFile(path, sealed.bytes, sealed.hash)


def write_large_file(
    path: str | Path, kind: str, payload: Any, *, meta: Mapping[str, Any] | None = None
) -> Path:
    """As `write_file`, and read, on all cores; but nobody learns the file's hash."""
    return _write(Path(path), _encode(kind, payload, dict(meta or {})), version=BY_PIECES)[0]


def _write(path: Path, entries: Mapping[str, Pieces], version: int = 1) -> tuple[Path, Sealed]:
    aside = path.with_name(f".{path.name}.{os.getpid()}-{secrets.token_hex(4)}.part")
    try:
        # "x": never through a link that somebody laid there.
        with aside.open("xb") as file:
            sealed = write_container(file, entries, version)
        path = path.with_name(path.name.replace("{sha256}", sealed.hash[:16]))
        aside.replace(path)
    except BaseException as error:
        aside.unlink(missing_ok=True)
        if isinstance(error, OSError) and error.errno is not None:
            # A full disk is reported without saying where, and nobody asked for the other name.
            raise OSError(error.errno, error.strerror, str(path)) from error
        raise
    sync(path.parent)
    return path, sealed


def read_file(
    path: str | Path,
    kind: str | tuple[str, ...] | None = None,
    *,
    sha256: str | None = None,
    trusted: bool = False,
    trusted_by: str = "trusted",
) -> tuple[Any, dict[str, Any]]:
    """The payload and the meta data of a saved file, once its bytes have been verified.

    Nothing in the file is executed. Estimators of types that skops does not know to be safe are
    refused unless `trusted`; `trusted_by` is the argument by which the caller's caller says so.
    Raises FileFormatError, naming the file and the reason, if it is damaged, foreign, newer, of
    another `kind` (or none of several), or not the file with this `sha256`.
    """
    path = Path(path)
    try:
        with read_container(path, sha256) as entries:
            return _decode(entries, kind, trusted=trusted)
    except UntrustedError as error:
        raise UntrustedTypesError(
            f"{path} cannot be read: {error}. Pass {trusted_by}=True if you know who wrote it."
        ) from error
    except UnreadableError as error:
        raise FileFormatError(f"{path} cannot be read: {error}.") from error
    except RecursionError as error:
        raise FileFormatError(f"{path} cannot be read: it is nested too deeply.") from error


def read_content(path: str | Path) -> tuple[Any, dict[str, Any]]:
    """The payload and the meta data as they stand in the file's JSON; nothing is built of them.

    Raises FileFormatError as `read_file` does.
    """
    path = Path(path)
    try:
        with read_container(path, None) as entries:
            content = _parse(entries[CONTENT])
            return content["payload"], _plain_meta(content["meta"])
    except UnreadableError as error:
        raise FileFormatError(f"{path} cannot be read: {error}.") from error


def _plain_meta(meta: Any) -> dict[str, Any]:
    if type(meta) is not dict or any(key.startswith("#") for key in meta):
        raise UnreadableError("its meta data are not named by texts")
    return meta


def mentions(path: Path, text: str) -> bool:
    """Whether the plain values of a saved file contain this text.

    A look without verifying anything: where it cannot be told, the answer is yes.
    """
    try:
        with zipfile.ZipFile(path) as archive:
            content = archive.read(CONTENT)
    except (OSError, zipfile.BadZipFile, KeyError, ValueError, NotImplementedError):
        return path.exists()
    return json.dumps(text)[1:-1].encode() in content


def _encode(kind: str, payload: Any, meta: dict[str, Any]) -> dict[str, Pieces]:
    encoder = Encoder()
    content = {
        "kind": kind,
        "meta": encoder.encode(meta),
        "payload": encoder.encode(payload),
    }
    text = json.dumps(content, separators=(",", ":"), allow_nan=False).encode()
    if len(text) > MAX_CONTENT:
        raise UnsavableError(
            f"Cannot save {len(text) / 2**20:.0f} MB of plain values (at most "
            f"{MAX_CONTENT // 2**20}). Put long lists of numbers into arrays."
        )
    entries = {CONTENT: Pieces.of([text])}
    if encoder.arrays:
        entries[TENSORS] = Pieces.of(tensors.pack(encoder.arrays))
    for number, (place, estimator) in enumerate(encoder.estimators):
        entries[f"estimators/{number}.skops"] = Pieces.of([dump_estimator(estimator, place)])
    for number, (place, table) in enumerate(encoder.tables):
        entries[f"tables/{number}.arrow"] = pack_table(table, place)
    return entries


def _decode(
    entries: Mapping[str, Region], kind: str | tuple[str, ...] | None, *, trusted: bool
) -> tuple[Any, dict[str, Any]]:
    content = _parse(entries[CONTENT])
    kinds = (kind,) if isinstance(kind, str) else kind
    if kinds is not None and content["kind"] not in kinds:
        raise UnreadableError(f"it holds {_a(content['kind'])}, not {_a(kinds[0])}")
    arrays = tensors.unpack(entries[TENSORS]) if TENSORS in entries else {}

    def find(name: str) -> Region:
        if name not in entries:
            raise UnreadableError(f"it refers to {name} and does not hold it")
        return entries[name]

    def estimator(number: int) -> Any:
        return load_estimator(find(f"estimators/{number}.skops").read(), trusted=trusted)

    def table(number: int) -> Any:
        return unpack_table(find(f"tables/{number}.arrow"))

    decoder = Decoder(arrays, load_estimator=estimator, load_table=table)
    meta = decoder.decode(content["meta"])
    if type(meta) is not dict:
        raise UnreadableError("its meta data are not a mapping")
    return decoder.decode(content["payload"]), meta


def _a(kind: Any) -> str:
    return f"{'an' if str(kind).startswith(tuple('aeiou')) else 'a'} {kind}"


def _parse(region: Region) -> dict[str, Any]:
    if region.size > MAX_CONTENT:
        raise UnreadableError(f"its {CONTENT} is larger than any that is written")
    try:
        content = json.loads(region.read())
    except (ValueError, RecursionError) as error:
        raise UnreadableError(f"its {CONTENT} is not JSON") from error
    if type(content) is not dict or content.keys() != {"kind", "meta", "payload"}:
        raise UnreadableError(f"its {CONTENT} has other parts than kind and payload")
    return content
