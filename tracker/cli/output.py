"""Tables on their way out: for a terminal, as plain text, CSV, JSON or one JSON a line."""

import os
import sys
from collections.abc import Iterable, Mapping, Sequence
from enum import StrEnum
from typing import Any, NamedTuple

import click

from tracker.cli.app import say
from tracker.cli.cells import csv_line, cut, for_csv, for_json, for_people, text_width

GAP = "  "
ROWS_ON_A_TERMINAL = 50


class Form(StrEnum):
    """How programs read results; people get a table."""

    CSV = "csv"
    JSON = "json"
    NDJSON = "ndjson"


class Table(NamedTuple):
    """Named columns and rows of values; the note is for people at a terminal."""

    columns: Sequence[str]
    rows: Sequence[Sequence[Any]]
    note: str | None = None


def records_table(records: Sequence[Mapping[str, Any]], columns: Sequence[str]) -> Table:
    """These columns of records that have them."""
    return Table(columns, [[record[name] for name in columns] for record in records])


def write_table(table: Table, form: Form | None = None, *, empty: str | None = None) -> None:
    """Writes to stdout; `empty` is said on stderr instead of a table without rows."""
    if form is not None:
        write_lines(table_lines(table, form))
    elif not table.rows and empty is not None:
        say(empty)
    elif sys.stdout.isatty():
        from tracker.cli.terminal import print_table

        print_table(table)
    else:
        write_lines(plain_lines(table))


def write_record(record: Mapping[str, Any]) -> None:
    """One thing as JSON, for people to read as well."""
    write_lines([for_json(record, indent=2)])


def write_pairs(facts: Mapping[str, Any]) -> None:
    """One fact a line, for people."""
    width = max(map(len, facts))
    write_lines(f"{name:<{width}}{GAP}{for_people(value)}" for name, value in facts.items())


def write_paged(text: str) -> None:
    """On stdout; on a terminal that is too low for it, through `$PAGER`, else `less`."""
    import shutil

    text = text.rstrip("\n")
    if not sys.stdout.isatty() or text.count("\n") + 1 < shutil.get_terminal_size().lines:
        click.echo(text)
        return
    # As git has it: colours, no screen of its own, no waiting where all fits.
    os.environ.setdefault("LESS", "FRX")
    click.echo_via_pager(f"{text}\n", color=True)


def write_lines(lines: Iterable[str]) -> None:
    """On stdout; at once, where click.echo would flush each of a history's lines."""
    sys.stdout.writelines(f"{line}\n" for line in lines)


def table_lines(table: Table, form: Form) -> Iterable[str]:
    """The table as CSV, JSON or one JSON object a line."""
    if form is Form.CSV:
        yield csv_line(list(table.columns))
        for row in table.rows:
            yield csv_line([for_csv(value) for value in row])
        return
    records = [for_json(dict(zip(table.columns, row, strict=True))) for row in table.rows]
    if form is Form.NDJSON:
        yield from records
    else:
        # A list of objects, one a line, so that it reads and compares well.
        yield "[" + ",\n ".join(records) + "]"


def terminal_width() -> int | None:
    """How many columns stdout's terminal has; None where it is none."""
    import shutil

    return shutil.get_terminal_size().columns if sys.stdout.isatty() else None


def plain_lines(table: Table, *, width: int | None = None) -> Iterable[str]:
    """The table in full width; numbers stand to the right, and `-` is what is missing.

    With a `width`, lines that are longer are cut off with an ellipsis.
    """
    cells = [[for_people(value) for value in row] for row in table.rows]
    aligned_right = numeric_columns(table)
    widths = [max(map(text_width, column)) for column in zip(table.columns, *cells, strict=True)]
    for row in [list(table.columns), *cells]:
        padded = [
            _padded(cell, width, right=right)
            for cell, width, right in zip(row, widths, aligned_right, strict=True)
        ]
        line = GAP.join(padded).rstrip()
        yield line if width is None else cut(line, width)


def rows_shown(form: Form | None) -> int | None:
    """As many rows as people look through, where they did not say; None: all."""
    return ROWS_ON_A_TERMINAL if form is None and sys.stdout.isatty() else None


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
