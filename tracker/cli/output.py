"""Tables on their way out: for a terminal, as plain text, CSV, JSON or one JSON a line."""

import sys
from collections.abc import Iterable, Sequence
from enum import StrEnum
from typing import Any, NamedTuple

import click

from tracker.cli.app import say
from tracker.cli.cells import csv_line, for_csv, for_json, for_people, text_width

GAP = "  "


class Form(StrEnum):
    """How results are written; a table unless the user asks for another."""

    TABLE = "table"
    CSV = "csv"
    JSON = "json"
    NDJSON = "ndjson"


class Table(NamedTuple):
    """Named columns and rows of values, as a registry's listing has them."""

    columns: Sequence[str]
    rows: Sequence[Sequence[Any]]


def write_table(table: Table, form: Form = Form.TABLE, *, empty: str | None = None) -> None:
    """Writes to stdout; `empty` is said on stderr instead of a table without rows."""
    if form is Form.CSV:
        _write_lines(_csv_lines(table))
    elif form is Form.JSON:
        _write_json(table)
    elif form is Form.NDJSON:
        _write_lines(for_json(record) for record in _records(table))
    elif not table.rows and empty is not None:
        say(empty)
    elif sys.stdout.isatty():
        from tracker.cli.terminal import print_table

        print_table(table)
    else:
        _write_lines(plain_lines(table))


def write_record(record: dict[str, Any]) -> None:
    """One thing as JSON, for people to read as well."""
    click.echo(for_json(record, indent=2))


def plain_lines(table: Table) -> Iterable[str]:
    """The table in full width; numbers stand to the right, and `-` is what is missing."""
    cells = [[for_people(value) for value in row] for row in table.rows]
    aligned_right = numeric_columns(table)
    widths = [max(map(text_width, column)) for column in zip(table.columns, *cells, strict=True)]
    for row in [list(table.columns), *cells]:
        padded = [
            _padded(cell, width, right=right)
            for cell, width, right in zip(row, widths, aligned_right, strict=True)
        ]
        yield GAP.join(padded).rstrip()


def numeric_columns(table: Table) -> list[bool]:
    """Whether a column holds numbers and nothing else but gaps."""
    return [
        any(value is not None for value in values) and all(map(_is_number_or_missing, values))
        for values in _by_column(table)
    ]


def _by_column(table: Table) -> list[list[Any]]:
    return [[row[place] for row in table.rows] for place in range(len(table.columns))]


def _is_number_or_missing(value: Any) -> bool:
    return value is None or (isinstance(value, int | float) and not isinstance(value, bool))


def _padded(cell: str, width: int, *, right: bool) -> str:
    blank = " " * (width - text_width(cell))
    return blank + cell if right else cell + blank


def _records(table: Table) -> Iterable[dict[str, Any]]:
    return (dict(zip(table.columns, row, strict=True)) for row in table.rows)


def _write_lines(lines: Iterable[str]) -> None:
    # Not click.echo, which flushes every line: a history has a hundred thousand.
    sys.stdout.writelines(f"{line}\n" for line in lines)


def _csv_lines(table: Table) -> Iterable[str]:
    yield csv_line(list(table.columns))
    for row in table.rows:
        yield csv_line([for_csv(value) for value in row])


def _write_json(table: Table) -> None:
    """A list of objects, one a line, so that it reads and compares well."""
    lines = [for_json(record) for record in _records(table)]
    click.echo("[" + ",\n ".join(lines) + "]")
