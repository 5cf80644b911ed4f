"""Writing a bundle: rows of one moment, and the files they register, each checked by its hash."""

from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any, NamedTuple
from uuid import uuid4

from sqlalchemy import select
from sqlalchemy.orm import Session

from tracker.database.connection import driver_connection
from tracker.database.tables import Pipeline
from tracker.database.upgrade import SCHEMA
from tracker.errors import DamagedFileError, InvalidError, TakenError, unusable
from tracker.files import LabFiles, StoredFile
from tracker.files.durable import ASIDE, sync
from tracker.recording.place import Place
from tracker.transfer.cells import write_line
from tracker.transfer.choosing import Chosen, Wanted, choose, refuse_running
from tracker.transfer.format import FILES, METRICS, SOURCES, TABLES, Contents, Manifest
from tracker.transfer.gathering import Gathering
from tracker.transfer.locks import lock_of_nobody, locked
from tracker.transfer.points import packed
from tracker.transfer.rules import travelling
from tracker.transfer.writing import BundleWriter, pieces_of

# Of configurations in the lab's directory: place in the bundle -> file.
FindSources = Callable[[Iterable[dict[str, Any]], Path], Mapping[str, Path]]

# Begins the name of a bundle that is not finished; who writes it holds its lock.
_ASIDE = f"{ASIDE}export-"


class Exported(NamedTuple):
    """What a bundle that was written holds."""

    path: Path
    bytes: int
    files: int
    contents: Contents


def export_bundle(
    place: Place,
    target: Path,
    wanted: Wanted,
    *,
    checkpoints: bool = True,
    find_sources: FindSources | None = None,
) -> tuple[Exported, Chosen]:
    """Writes what is wanted into a new file, whole or not at all; returns what was chosen too.

    `find_sources` finds the source files of pipelines' components. TakenError if there is
    something at `target`, DamagedFileError if a registered file is not what was written.
    """
    _check_target(target)
    chosen = choose(place.database, wanted)
    sources = {} if find_sources is None else find_sources(_configs(place, chosen), place.root)
    try:
        _clear_away_dead(target.absolute().parent)
        aside = target.with_name(f"{_ASIDE}{uuid4().hex}")
        with locked(aside):
            with BundleWriter(aside) as writer:
                manifest = _write(writer, place, chosen, sources, checkpoints=checkpoints)
            sync(aside)
            _check_target(target)
            size = aside.stat().st_size
            aside.replace(target)
            sync(target.absolute().parent)
    except OSError as error:
        raise unusable(target, error) from error
    return Exported(target, size, len(manifest.named(FILES)), manifest.contents), chosen


def _check_target(target: Path) -> None:
    if target.exists() or target.is_symlink():
        raise TakenError(f"There is something at {target} already; choose another name.")
    if not target.absolute().parent.is_dir():
        raise InvalidError(
            f"There is no directory {target.absolute().parent} to write {target} in."
        )


def _clear_away_dead(folder: Path) -> None:
    """Takes away what exports to this folder have left that were killed."""
    for path in folder.glob(f"{_ASIDE}*"):
        with lock_of_nobody(path) as mine, suppress(PermissionError):
            if mine:
                path.unlink(missing_ok=True)


def _configs(place: Place, chosen: Chosen) -> list[dict[str, Any]]:
    with place.database.read() as session:
        found = session.scalars(select(Pipeline.config).where(Pipeline.id.in_(chosen.pipelines)))
        return list(found)


def _write(
    writer: BundleWriter,
    place: Place,
    chosen: Chosen,
    sources: Mapping[str, Path],
    *,
    checkpoints: bool,
) -> Manifest:
    with place.database.read() as session:
        refuse_running(session, chosen)
        gathering = Gathering(driver_connection(session), chosen, checkpoints=checkpoints)
        for table in travelling():
            lines = map(write_line, gathering.rows(table))
            writer.add(f"{TABLES}{table.name}.jsonl", lines)
        for number, data in enumerate(packed(gathering.points())):
            writer.add(f"{METRICS}{number:06}.safetensors", [data])
        contents = _contents(session, chosen, checkpoints=checkpoints, sources=bool(sources))
    for inner, (path, content) in sorted(gathering.files.items()):
        _add_file(writer, place.files, f"{FILES}{inner}", path, content)
    for name, source in sorted(sources.items()):
        writer.add(f"{SOURCES}{name}", pieces_of(source))
    return writer.finish(SCHEMA, contents)


def _add_file(
    writer: BundleWriter, files: LabFiles, name: str, path: str, content: StoredFile | None
) -> None:
    where = files.path(path)
    try:
        entry = writer.add_file(name, where)
    except FileNotFoundError:
        raise DamagedFileError(
            f"{where} is missing; `labkeeper doctor` says what else is. Nothing was exported."
        ) from None
    if content is not None and (entry.bytes, entry.sha256) != (content.bytes, content.sha256):
        raise DamagedFileError(
            f"{where} is damaged: its content is not what was written. Nothing was exported."
        )


def _contents(session: Session, chosen: Chosen, *, checkpoints: bool, sources: bool) -> Contents:
    return Contents(
        pipelines=list(_names(session, "pipelines", chosen.pipelines)),
        runs=len(chosen.runs),
        sweeps=list(_names(session, "sweeps", chosen.sweeps)),
        checkpoints=checkpoints,
        sources=sources,
    )


def _names(session: Session, table: str, ids: frozenset[int]) -> Iterator[str]:
    named = driver_connection(session).execute(f"SELECT name, id FROM {table} ORDER BY name")  # noqa: S608 - names of our own
    return (name for name, number in named if number in ids)
