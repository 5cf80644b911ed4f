"""Tables on a terminal, by rich: imported only when stdout is one."""

from typing import Any

from rich import box
from rich.console import Console, Group, RenderableType
from rich.table import Table as RichTable
from rich.text import Text

from tracker.cli.cells import counted, for_people, text_width
from tracker.cli.output import Table, numeric_columns, write_paged

STATUS_STYLES = {
    "running": "cyan",
    "finished": "green",
    "stopped": "yellow",
    "failed": "red",
    "lost": "magenta",
    "queued": "dim",
}

# A text column gives way down to this before a column is left out.
NARROWEST = 14
# Between columns: one for padding, one for the rule that is not drawn.
PADDING = 2


def print_table(table: Table) -> None:
    """Draws the table on stdout, as wide as the terminal is; page by page where it is higher."""
    console = Console()
    with console.capture() as captured:
        console.print(drawn(table, console.width))
    write_paged(captured.get())


def drawn(table: Table, width: int) -> RenderableType:
    """The table in at most `width` columns of the terminal.

    Long texts end in an ellipsis. Columns that still do not fit are left out from the right,
    and a line below says how many and how to see them.
    """
    rows = [[for_people(value) for value in row] for row in table.rows]
    aligned_right = numeric_columns(table)
    widths = fitted(_natural_widths(table, rows), aligned_right, width)
    grid = RichTable(
        box=box.SIMPLE_HEAD, padding=(0, PADDING - 1, 0, 0), pad_edge=False, show_edge=False
    )
    for name, size, right in zip(table.columns, widths, aligned_right, strict=False):
        grid.add_column(
            Text(name),
            width=size,
            justify="right" if right else "left",
            no_wrap=True,
            overflow="ellipsis",
        )
    for row in rows:
        grid.add_row(*(Text(cell, style=_style(cell)) for cell in row[: len(widths)]))
    missing = len(table.columns) - len(widths)
    remarks = [table.note] if table.note else []
    if missing:
        remarks.append(f"{counted(missing, 'column')} did not fit; --csv and --json have all.")
    notes = [Text(remark, style="dim", overflow="ellipsis", no_wrap=True) for remark in remarks]
    return Group(grid, *notes)


def fitted(natural: list[int], fixed: list[bool], width: int) -> list[int]:
    """The widths of as many leading columns as fit; texts shrink before a column is dropped.

    What is left is shared out evenly: no text gets more while a narrower one is cut.
    """
    least = [
        size if numeric else min(size, NARROWEST)
        for size, numeric in zip(natural, fixed, strict=True)
    ]
    count = len(least)
    while count > 1 and sum(least[:count]) + PADDING * (count - 1) > width:
        count -= 1
    widths = least[:count]
    spare = width - sum(widths) - PADDING * (count - 1)
    while spare > 0 and (
        cut := [place for place in range(count) if widths[place] < natural[place]]
    ):
        narrowest = min(cut, key=widths.__getitem__)
        widths[narrowest] += 1
        spare -= 1
    return widths


def _natural_widths(table: Table, rows: list[list[str]]) -> list[int]:
    return [max(map(text_width, column)) for column in zip(table.columns, *rows, strict=True)]


def _style(cell: Any) -> str:
    return STATUS_STYLES.get(cell, "")
