"""What must hold of a bundle's rows before a lab takes them in."""

import json
from collections.abc import Iterator
from typing import Any

import sqlalchemy as sa

from tracker.database.tables import Base
from tracker.errors import InvalidError
from tracker.registry.names import checked_name
from tracker.registry.params import EXACT
from tracker.transfer.cells import checks
from tracker.transfer.format import FILES, Contents, Entry, is_sha256, refused
from tracker.transfer.naming import is_inner_path, is_uuid
from tracker.transfer.reading import Bundle
from tracker.transfer.rules import RULES, references, travelling

_NAMES = (
    ("experiments", "name", "experiment"),
    ("pipelines", "name", "pipeline"),
    ("runs", "name", "run"),
    ("sweeps", "name", "sweep"),
    ("tags", "name", "tag"),
    ("series", "name", "metric"),
    ("goals", "metric", "metric"),
    ("datasets", "name", "dataset"),
    ("artifacts", "name", "artifact"),
)
# What only a lab that somebody works in can hold.
_ALIVE = (
    ("runs", "status = 'running'", "a run that is running"),
    ("sessions", "ended IS NULL", "a process that works on a run"),
    ("trials", "status = 'running'", "a trial that is running"),
    ("pipelines", "deleted IS NOT NULL", "what is in a trash"),
    ("runs", "deleted IS NOT NULL", "what is in a trash"),
)

# Where a parameter's number and text are not as `registry.params.columns` makes them.
_BAD_PARAMETERS = f"""
SELECT key, kind FROM params WHERE CASE kind
  WHEN 'bool' THEN number IS NULL OR number NOT IN (0, 1) OR text IS NOT NULL
  WHEN 'int' THEN number IS NULL
    OR text IS NULL AND (abs(number) > {EXACT} OR number <> CAST(number AS INTEGER))
  WHEN 'float' THEN text IS NOT NULL
  WHEN 'none' THEN number IS NOT NULL OR text IS NOT NULL
  ELSE number IS NOT NULL OR text IS NULL
END
"""  # noqa: S608 - a constant of our own
# What a value that is written as JSON must be.
_STRUCTURES: tuple[tuple[str, str, type, str], ...] = (
    ("pipelines", "config", dict, "mapping"),
    ("environments", "packages", dict, "mapping"),
    ("datasets", "columns", list, "list"),
    ("sweeps", "grid", dict, "mapping"),
)


def check_rows(bundle: Bundle, connection: Any) -> None:
    """BundleError for a value that this version would not have written.

    Wants the tables in this version's schema, references checked.
    """
    for fault in _faults(bundle, connection):
        raise refused(bundle.path, fault)
    _check_files(bundle, connection)


def _faults(bundle: Bundle, connection: Any) -> Iterator[str]:
    yield from _unknown_words(connection)
    yield from _bad_names(connection)
    yield from _alive(connection)
    yield from _strays(connection)
    yield from _bad_parameters(connection)
    yield from _bad_structures(connection)
    for (uuid,) in connection.execute("SELECT uuid FROM runs"):
        if not is_uuid(uuid):
            yield f"{uuid[:40]!r} is not the uuid of a run"
    if bundle.manifest.contents != _contents(bundle, connection):
        yield "its manifest says that it holds other pipelines, runs or sweeps than it does"


def _unknown_words(connection: Any) -> Iterator[str]:
    """Columns that hold one of few words, and one that holds another."""
    for table in travelling():
        for column in table.columns:
            if not isinstance(column.type, sa.Enum):
                continue
            known = set(column.type.enums)
            question = f"SELECT DISTINCT {column.name} FROM {table.name}"  # noqa: S608 - names of our own
            for (word,) in connection.execute(question):
                if word is not None and word not in known:
                    yield f"{word[:40]!r} is no {column.name} of {table.name}"


def _bad_names(connection: Any) -> Iterator[str]:
    for table, column, kind in _NAMES:
        for (name,) in connection.execute(f"SELECT DISTINCT {column} FROM {table}"):  # noqa: S608 - as above
            try:
                checked_name(kind, name)
            except InvalidError as error:
                yield str(error).rstrip(".")


def _alive(connection: Any) -> Iterator[str]:
    for table, condition, what in _ALIVE:
        if connection.execute(f"SELECT 1 FROM {table} WHERE {condition} LIMIT 1").fetchone():  # noqa: S608 - as above
            yield f"it holds {what}"


def _bad_parameters(connection: Any) -> Iterator[str]:
    for key, kind in connection.execute(_BAD_PARAMETERS):
        yield f"the parameter {key[:40]!r} does not hold what a parameter of kind {kind!r} holds"
    for kind, holds in (("json", checks(["JSON"])[0]), ("int", int)):
        asked = "SELECT key, text FROM params WHERE kind = ? AND text IS NOT NULL"
        for key, text in connection.execute(asked, (kind,)):
            try:
                holds(text)
            except ValueError as error:
                yield f"the parameter {key[:40]!r} is wrong: {error}"


def _bad_structures(connection: Any) -> Iterator[str]:
    for table, column, kind, word in _STRUCTURES:
        asked = f"SELECT {column} FROM {table} WHERE {column} IS NOT NULL"  # noqa: S608 - names of our own
        for (text,) in connection.execute(asked):
            # A column of JSON gives a number back as one.
            if not isinstance(json.loads(str(text)), kind):
                yield f"{column} of {table} is {str(text)[:40]!r}, and no {word}"
    for name, recipe, config in connection.execute("SELECT name, recipe, config FROM pipelines"):
        if json.loads(config).get("recipe", recipe) != recipe:
            yield f"the configuration of pipeline {name!r} is not one of recipe {recipe[:40]!r}"


def _strays(connection: Any) -> Iterator[str]:
    """Rows of one run that refer to rows of another."""
    for table in travelling():
        for column, of in references(table).items():
            other = Base.metadata.tables[of]
            own = _same_owner(table, other)
            if own is None:
                continue
            question = (
                f"SELECT 1 FROM {table.name} AS mine LEFT JOIN {of} AS other"  # noqa: S608 - as above
                f" ON other.id = mine.{column} AND other.{own[1]} = mine.{own[0]}"
                f" WHERE mine.{column} IS NOT NULL AND other.id IS NULL LIMIT 1"
            )
            if connection.execute(question).fetchone():
                yield f"a row of {table.name} refers by {column} to what is not its own"


def _same_owner(table: sa.Table, other: sa.Table) -> tuple[str, str] | None:
    """The two columns that must be equal where a row refers to another."""
    if "run_id" in table.columns and "run_id" in other.columns:
        return "run_id", "run_id"
    if (table.name, other.name) == ("pipelines", "runs"):
        return "id", "pipeline_id"
    return None


def _contents(bundle: Bundle, connection: Any) -> Contents:
    def names(table: str) -> list[str]:
        found = connection.execute(f"SELECT name FROM {table} ORDER BY name")  # noqa: S608 - as above
        return [name for (name,) in found]

    ((runs,),) = connection.execute("SELECT count(*) FROM runs")
    said = bundle.manifest.contents
    return said._replace(pipelines=names("pipelines"), runs=runs, sweeps=names("sweeps"))


def _check_files(bundle: Bundle, connection: Any) -> None:
    """Each file that a row names is there with its size and hash, and no other one is."""
    left = {entry.name for entry in bundle.manifest.named(FILES)}
    for path, size, digest in _registered(bundle, connection):
        entry = bundle.manifest.entries.get(f"{FILES}{path}")
        if entry is None:
            raise refused(bundle.path, f"a row names the file {path[:80]!r}, which is not in it")
        if size is not None and (size, digest) != (entry.bytes, entry.sha256):
            raise refused(bundle.path, f"{entry.name!r} is not the file that was registered")
        left.discard(entry.name)
    if left:
        raise refused(bundle.path, f"no row names the file {min(left)!r} in it")


def _registered(bundle: Bundle, connection: Any) -> Iterator[tuple[str, int | None, str | None]]:
    for table in travelling():
        column = RULES[table.name].file
        if column is None:
            continue
        hashed = "sha256" in table.columns
        removed = "removed" if "removed" in table.columns else "NULL"
        question = (
            f"SELECT runs.uuid, mine.{column}, {'bytes, sha256' if hashed else 'NULL, NULL'},"  # noqa: S608 - as above
            f" {removed} FROM {table.name} AS mine JOIN runs ON runs.id = mine.run_id"
            f" WHERE mine.{column} IS NOT NULL"
        )
        for uuid, path, size, digest, gone in connection.execute(question):
            if not is_inner_path(path) or not path.startswith(f"{uuid}/"):
                raise refused(bundle.path, f"{path[:80]!r} is no place for a file of a run")
            if hashed and not is_sha256(digest) and gone is None:
                raise refused(bundle.path, f"the hash of {path[:80]!r} is no SHA-256")
            if gone is None:
                yield path, size, digest


def entry_of(bundle: Bundle, path: str) -> Entry:
    """The entry with the content of a file that a row names."""
    return bundle.manifest.entries[f"{FILES}{path}"]
