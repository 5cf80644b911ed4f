"""The tables of a bundle in a database of their own, brought up to this version's schema.

A bundle of an older schema is read by the same migrations as a lab of that schema.
"""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from tracker.database.connection import connect
from tracker.database.faults import clear_errors, driver
from tracker.database.upgrade import SCHEMA, build, known_schemas, upgrade
from tracker.errors import BundleError
from tracker.transfer.cells import Check, checks, parse_line
from tracker.transfer.format import TABLES, Entry, refused
from tracker.transfer.reading import Bundle
from tracker.transfer.rules import POINTS, RULES

# No row of ours is longer: a patch of a working tree is the longest text there is.
LONGEST_LINE = 64 * 2**20


@contextmanager
def unpacked_tables(bundle: Bundle, folder: Path) -> Iterator[Any]:
    """A connection to a database with the bundle's rows; the points are not in it.

    Every entry was compared with its hash before its first line is read. What is not as this
    or an earlier version writes it is a BundleError.
    """
    schema = bundle.manifest.schema
    _refuse_unknown(bundle, schema)
    bundle.verify(TABLES)
    path = folder / "tables.db"
    build(path, schema)
    _fill(bundle, path)
    if schema != SCHEMA:
        upgrade(path)
    connection = connect(path)
    try:
        _refuse_dangling(bundle, connection)
        yield connection
    finally:
        connection.close()


def _refuse_unknown(bundle: Bundle, schema: str) -> None:
    known = known_schemas()
    if schema in known:
        return
    if schema.isdigit() and len(schema) == len(known[-1]) and schema > known[-1]:
        raise refused(
            bundle.path,
            f"a newer version of Labkeeper wrote it (schema {schema}; this one knows up to "
            f"{known[-1]}); upgrade Labkeeper to read it",
        )
    raise refused(bundle.path, f"its schema is {schema[:40]!r}, which there never was")


def _fill(bundle: Bundle, path: Path) -> None:
    connection = connect(path)
    # Nothing here outlives the import, and what refers to what is looked at when all is there.
    connection.execute("PRAGMA synchronous = OFF")
    connection.execute("PRAGMA foreign_keys = OFF")
    try:
        with clear_errors(path):
            connection.execute("BEGIN IMMEDIATE")
            for name in _expected_tables(bundle, connection):
                _fill_table(bundle, connection, name)
            connection.execute("COMMIT")
    finally:
        connection.close()


def _expected_tables(bundle: Bundle, connection: Any) -> list[str]:
    """The tables that travelled with that schema; refused if the bundle has others."""
    found = connection.execute("SELECT name FROM sqlite_master WHERE type = 'table' ORDER BY name")
    behind = {name for name, rule in RULES.items() if rule.left_out is not None}
    behind |= {"alembic_version", POINTS}
    wanted = [name for (name,) in found if name not in behind and not name.startswith("sqlite_")]
    given = {_table_of(entry) for entry in bundle.manifest.named(TABLES)}
    if different := given ^ set(wanted):
        name = min(different)
        what = "is no table of its schema" if name in given else "is missing"
        raise refused(bundle.path, f"the table {name!r} in it {what}")
    return wanted


def _table_of(entry: Entry) -> str:
    return entry.name.removeprefix(TABLES).removesuffix(".jsonl")


def _fill_table(bundle: Bundle, connection: Any, table: str) -> None:
    types = {name: kind for _, name, kind, *_ in connection.execute(f"PRAGMA table_info({table})")}
    lines = _lines(bundle, bundle.manifest.entries[f"{TABLES}{table}.jsonl"])
    names = list(map(str, _parsed(bundle, table, 1, next(lines, b"[]"))))
    if sorted(names) != sorted(types):
        raise refused(bundle.path, f"the columns of {table!r} in it are not those of its schema")
    marks = ", ".join("?" * len(names))
    try:
        connection.executemany(
            f"INSERT INTO {table} ({', '.join(names)}) VALUES ({marks})",  # noqa: S608 - columns of our own
            _rows(bundle, table, lines, checks([types[name] for name in names])),
        )
    except driver().IntegrityError as error:
        raise refused(bundle.path, f"the rows of {table!r} in it cannot be ({error})") from error


def _rows(
    bundle: Bundle, table: str, lines: Iterator[bytes], checked: Sequence[Check]
) -> Iterator[list[Any]]:
    for number, line in enumerate(lines, start=2):
        cells = _parsed(bundle, table, number, line)
        try:
            yield [check(cell) for check, cell in zip(checked, cells, strict=True)]
        except ValueError as error:
            raise _bad_line(bundle, table, number, error) from error


def _parsed(bundle: Bundle, table: str, number: int, line: bytes) -> list[Any]:
    try:
        return parse_line(line)
    except ValueError as error:
        raise _bad_line(bundle, table, number, error) from error


def _bad_line(bundle: Bundle, table: str, number: int, error: ValueError) -> BundleError:
    return refused(bundle.path, f"line {number} of the table {table!r} in it is wrong: {error}")


def _lines(bundle: Bundle, entry: Entry) -> Iterator[bytes]:
    """The lines of an entry, each of a length that can be borne."""
    rest = b""
    for piece in bundle.pieces(entry):
        *whole, rest = (rest + piece).split(b"\n")
        yield from whole
        if len(rest) > LONGEST_LINE:
            raise refused(
                bundle.path, f"a line of {entry.name!r} is longer than any that is written"
            )
    if rest:
        raise refused(bundle.path, f"the last line of {entry.name!r} is not finished")


def _refuse_dangling(bundle: Bundle, connection: Any) -> None:
    for table, _row, parent, _key in connection.execute("PRAGMA foreign_key_check"):
        raise refused(
            bundle.path, f"a row of {table!r} in it refers to one of {parent!r} that is not there"
        )
