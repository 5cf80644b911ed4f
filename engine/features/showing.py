"""What a feature set or a view shows of itself: one line, a box of text, a table in a notebook."""

from abc import abstractmethod
from collections.abc import Sequence
from html import escape
from typing import Any

import numpy as np
import pyarrow as pa

from engine.features.columns import row_shape, type_name
from engine.features.schema import DOMAINS, Column, ColumnIndex
from engine.summary import boxed

# As many columns as one can take in; a set may have thousands.
_MOST_COLUMNS = 30
_LONGEST_VALUE = 40


class Showing:
    """The mixin that shows a set's samples and columns."""

    @property
    @abstractmethod
    def index(self) -> ColumnIndex: ...

    @property
    @abstractmethod
    def n_samples(self) -> int: ...

    @property
    @abstractmethod
    def _name(self) -> str: ...

    @abstractmethod
    def column_type(self, column: Column) -> pa.DataType:
        """The Arrow type of a column."""

    @abstractmethod
    def first_value(self, column: Column) -> Any:
        """What a column says of the first sample."""

    def _more_to_say(self) -> dict[str, str]:
        return {}

    def __repr__(self) -> str:
        counts = [counted(self.n_samples, "samples")]
        counts += [counted(len(self.index.keys(domain)), domain) for domain in DOMAINS]
        return f"{self._name}: {', '.join(counts)}"

    def summary(self, max_width: int = 88) -> str:
        """Samples and columns in a box of plain text."""
        rows = {"samples": str(self.n_samples)} | {
            domain: listed([self._described(column) for column in self.index.grouped(domain)])
            for domain in DOMAINS
        }
        rows |= self._more_to_say()
        return boxed(self._name, {name: text for name, text in rows.items() if text}, max_width)

    def _repr_html_(self) -> str:
        columns = [column for domain in DOMAINS for column in self.index.grouped(domain)]
        rows = [self._html_row(column) for column in columns[:_MOST_COLUMNS]]
        if len(columns) > _MOST_COLUMNS:
            more = f"… and {len(columns) - _MOST_COLUMNS} more columns"
            rows.append(f'<tr><td colspan="5">{more}</td></tr>')
        head = "".join(f"<th>{title}</th>" for title in ("", "column", "shape", "type", "first"))
        notes = "".join(
            f"<br>{escape(title)}: {escape(text)}"
            for title, text in self._more_to_say().items()
            if text
        )
        return (
            f"<p><b>{escape(repr(self))}</b>{notes}</p>"
            f"<table><thead><tr>{head}</tr></thead><tbody>{''.join(rows)}</tbody></table>"
        )

    def _html_row(self, column: Column) -> str:
        kind = self.column_type(column)
        shape = " x ".join(map(str, row_shape(kind)))
        first = _shortened(self.first_value(column)) if self.n_samples else ""
        name = f"{column.key}.{column.rep}"
        cells = (column.domain, name, shape, type_name(kind), first)
        return f"<tr>{''.join(f'<td>{escape(cell)}</td>' for cell in cells)}</tr>"

    def _described(self, column: Column) -> str:
        return f"{named_with_shape(self, column)} {type_name(self.column_type(column))}"


def named_with_shape(data: Showing, column: Column) -> str:
    """`voltage.raw (100,)`."""
    shape = row_shape(data.column_type(column)) or ""
    return f"{column.key}.{column.rep} {shape}".rstrip()


def listed(names: Sequence[str]) -> str:
    """The names in a row; of very many, the first ones and how many more there are."""
    if len(names) <= _MOST_COLUMNS:
        return ", ".join(names)
    return f"{', '.join(names[:_MOST_COLUMNS])}, and {len(names) - _MOST_COLUMNS} more"


def counted(number: int, plural: str) -> str:
    """`1 sample`, `2 samples`."""
    return f"{number} {plural.removesuffix('s') if number == 1 else plural}"


def _shortened(value: Any) -> str:
    if isinstance(value, np.ndarray):
        numbers = ", ".join(f"{number:g}" for number in value.flat[:3])
        return f"[{numbers}, …]" if value.size > 3 else f"[{numbers}]"
    text = f"{value:g}" if isinstance(value, float | np.floating) else str(value)
    return text if len(text) <= _LONGEST_VALUE else f"{text[:_LONGEST_VALUE]}…"
