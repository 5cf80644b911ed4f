"""What differs between runs and pipelines, as text and as one table: what `diff` prints."""

from collections.abc import Iterable, Iterator
from typing import Any

import click

from tracker.cli.cells import MISSING, counted, for_people, printable
from tracker.cli.output import Table, plain_lines
from tracker.registry.differences import Differences, Sides

_TITLES = {
    "run": "Run",
    "parameters": "Parameters",
    "code": "Code",
    "environment": "Environment",
    "data": "Data",
}
_PATCH_COLOURS = {"+": "green", "-": "red", "@": "cyan"}
# Of a hash, enough to tell it from others.
_SHOWN_OF_A_HASH = 12


def differences_text(found: Differences) -> Iterator[str]:
    """Section by section, a column for each name; the patches last."""
    sections = [
        *((title, _rows(section, found)) for section, title in _TITLES.items()),
        ("Metrics", _metric_rows(found)),
    ]
    gap = False
    for title, table in sections:
        if table.rows:
            header, *lines = plain_lines(table._replace(columns=[title, *table.columns[1:]]))
            yield from (
                ("", click.style(header, bold=True)) if gap else (click.style(header, bold=True),)
            )
            yield from lines
            gap = True
    for name, patch in found.patches.items():
        heading = click.style(f"Uncommitted changes of {printable(name)}", bold=True)
        yield from ("", heading) if gap else (heading,)
        yield from map(_patch_line, patch.splitlines())
        gap = True


def differences_table(found: Differences) -> Table:
    """A row for each difference, for programs: section, what, a column for each name, better."""
    columns = ["section", "what", *found.names, "better"]
    rows: list[list[Any]] = []
    for section in _TITLES:
        for what, sides in getattr(found, section).items():
            rows.append([section, what, *map(sides.get, found.names), None])
    if found.patches:
        rows.append(["code", "patch", *map(found.patches.get, found.names), None])
    for what, metric in found.metrics.items():
        values = map(metric.values.get, found.names)
        rows.append(["metrics", what, *values, ", ".join(metric.better) or None])
    return Table(columns, rows)


def _rows(section: str, found: Differences) -> Table:
    facts: dict[str, Sides] = getattr(found, section)
    if section == "code" and "commit" in facts:
        facts = facts | {"commit": _shortened(facts["commit"])}
    return Table(
        ["", *map(printable, found.names)],
        [[printable(what), *_cells(sides, found.names)] for what, sides in facts.items()],
    )


def _shortened(hashes: Sides) -> Sides:
    return {name: value[:_SHOWN_OF_A_HASH] for name, value in hashes.items()}


def _metric_rows(found: Differences) -> Table:
    """Between two, by how much the second lies above the first, too."""
    two = len(found.names) == 2
    rows: list[list[Any]] = []
    for what, metric in found.metrics.items():
        values = [metric.values.get(name) for name in found.names]
        change = [_change(*values)] if two else []
        rows.append([printable(what), *values, *change, metric.better])
    return Table(["", *map(printable, found.names), *(["change"] if two else []), "better"], rows)


def _change(first: float | None, second: float | None) -> str | None:
    return None if first is None or second is None else f"{second - first:+.6g}"


def _cells(sides: Sides, names: Iterable[str]) -> Iterator[str]:
    for name in names:
        yield _cell(sides[name]) if name in sides else MISSING


def _cell(value: Any) -> str:
    match value:
        case None:
            return "None"  # Told from what is missing.
        case {"rows": rows, "columns": columns, "fingerprint": str(fingerprint)}:
            size = f"{counted(rows, 'row')} x {counted(len(columns), 'column')}"
            return f"{size}, {fingerprint[:_SHOWN_OF_A_HASH]}"
    return for_people(value)


def _patch_line(line: str) -> str:
    if line.startswith(("diff ", "+++", "---")):
        return click.style(printable(line), bold=True)
    return click.style(printable(line), fg=_PATCH_COLOURS.get(line[:1]))
