"""What differs between runs and pipelines, as text and as one table: what `diff` prints."""

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

import click

from tracker.cli.cells import MISSING, counted, cut, for_people, printable
from tracker.cli.describing import SHOWN_OF_A_HASH
from tracker.cli.output import Table, plain_lines, terminal_width
from tracker.registry.differences import Differences, Sides

_TITLES = {
    "run": "Run",
    "parameters": "Parameters",
    "code": "Code",
    "environment": "Environment",
    "data": "Data",
}
_PATCH_COLOURS = {"+": "green", "-": "red", "@": "cyan"}
# Names in the heads of columns are cut down to this where the terminal is too narrow.
_SHORTEST_NAME = 12


def differences_text(found: Differences) -> Iterator[str]:
    """Section by section, a column for each name; the patches last."""
    width = terminal_width()
    names = _names_within(found, width)
    sections = [
        *((title, _rows(section, found, names)) for section, title in _TITLES.items()),
        ("Metrics", _metric_rows(found, names)),
    ]
    gap = False
    for title, table in sections:
        if table.rows:
            titled = table._replace(columns=[title, *table.columns[1:]])
            header, *lines = plain_lines(titled, width=width)
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


def _names_within(found: Differences, width: int | None) -> dict[str, str]:
    """What each is called in the heads of columns, and where it is said who is better."""
    names = {name: printable(name) for name in found.names}
    if width is None:
        return names
    # What differs has the first column, and who is better the last.
    share = max(_SHORTEST_NAME, width // (len(names) + 2) - 2)
    cut_names = {name: cut(text, share) for name, text in names.items()}
    return cut_names if len(set(cut_names.values())) == len(names) else names


def _rows(section: str, found: Differences, names: Mapping[str, str]) -> Table:
    facts: dict[str, Sides] = getattr(found, section)
    if section == "code" and "commit" in facts:
        facts = facts | {"commit": _shortened(facts["commit"])}
    return Table(
        ["", *names.values()],
        [[printable(what), *_cells(sides, found.names)] for what, sides in facts.items()],
    )


def _shortened(hashes: Sides) -> Sides:
    return {name: value[:SHOWN_OF_A_HASH] for name, value in hashes.items()}


def _metric_rows(found: Differences, names: Mapping[str, str]) -> Table:
    """Between two, by how much the second lies above the first, too."""
    two = len(found.names) == 2
    rows: list[list[Any]] = []
    for what, metric in found.metrics.items():
        values = [metric.values.get(name) for name in found.names]
        change = [_change(*values)] if two else []
        better = [names[name] for name in metric.better]
        rows.append([printable(what), *values, *change, better])
    return Table(["", *names.values(), *(["change"] if two else []), "better"], rows)


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
            return f"{size}, {fingerprint[:SHOWN_OF_A_HASH]}"
    return for_people(value)


def _patch_line(line: str) -> str:
    if line.startswith(("diff ", "+++", "---")):
        return click.style(printable(line), bold=True)
    return click.style(printable(line), fg=_PATCH_COLOURS.get(line[:1]))
