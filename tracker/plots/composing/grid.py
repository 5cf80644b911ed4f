"""Small multiples: which panel stands where, and which axes they share."""

from typing import Any, NamedTuple

from tracker.plots.drawing.panel import Panel, Shared
from tracker.plots.drawing.style import PANEL_HEIGHT, PANEL_WIDTH, SMALL_HEIGHT, SMALL_WIDTH
from tracker.plots.fields.labels import shortened
from tracker.plots.fields.placing import METRIC, Placing
from tracker.plots.fields.values import Value, text_of
from tracker.plots.tables.drawn import Drawn

# Metrics without a place of their own stand side by side, so many in a row.
WRAPPED = 2


class Grid(NamedTuple):
    """The values that rows and columns of panels stand for."""

    placing: Placing
    row_values: list[Value]
    column_values: list[Value]
    share_x: Any
    share_y: Any

    @property
    def rows(self) -> int:
        return (
            -(-len(self.placing.metrics) // WRAPPED)
            if self.placing.wrapped
            else len(self.row_values)
        )

    @property
    def columns(self) -> int:
        if self.placing.wrapped:
            return min(len(self.placing.metrics), WRAPPED)
        return len(self.column_values)

    @property
    def inches(self) -> tuple[float, float]:
        """The size of the whole picture where none was asked for."""
        small = self.columns > WRAPPED or self.rows > WRAPPED
        width, height = (SMALL_WIDTH, SMALL_HEIGHT) if small else (PANEL_WIDTH, PANEL_HEIGHT)
        return width * self.columns, height * self.rows

    def panel(self, place: tuple[int, ...], shared: Shared) -> Panel | None:
        """What stands at (row, column); None beyond the last metric."""
        table, metrics = shared.drawn.table, self.placing.metrics
        row, column = place
        if self.placing.wrapped:
            number = row * WRAPPED + column
            if number >= len(metrics):
                return None
            return Panel(_where(table, METRIC, metrics[number]), "", metrics[number:][:1], shared)
        titles = []
        for field, values, at in (
            (self.placing.rows, self.row_values, row),
            (self.placing.columns, self.column_values, column),
        ):
            if field is None:
                continue
            table = _where(table, field, values[at])
            if field == METRIC:
                metrics = (str(values[at]),)
            else:
                titles.append(f"{field}={text_of(values[at])}")
        return Panel(table, shortened(", ".join(titles)), metrics, shared)

    def is_outer(self, place: tuple[int, ...]) -> tuple[bool, bool]:
        """Whether the panel names its x and its y axis: at the bottom, at the left."""
        row, column = place
        return (
            self.share_x is False or row == self.rows - 1,
            self.share_y in (False, "col") or column == 0,
        )


def grid_of(drawn: Drawn) -> Grid:
    """The grid of a table's panels. Axes are shared where they measure the same."""
    placing = drawn.placing
    rows = _values(drawn, placing.rows)
    columns = _values(drawn, placing.columns)
    if placing.wrapped:
        return Grid(placing, rows, columns, share_x=False, share_y=False)
    share_y: Any = {placing.rows: "row", placing.columns: "col"}.get(METRIC, True)
    return Grid(placing, rows, columns, share_x=True, share_y=share_y)


def _values(drawn: Drawn, field: str | None) -> list[Value]:
    if field is None:
        return [None]
    if field == drawn.placing.history:
        return sorted(set(drawn.table[field].tolist()))
    present = set(drawn.table[field].astype(object).where(drawn.table[field].notna(), None))
    return [value for value in drawn.orders[field] if value in present]


def _where(table: Any, field: str, value: Value) -> Any:
    return table[table[field].isna() if value is None else table[field] == value]
