"""A log's file: what all rows share as YAML, then a table with tabs.

    [Static Configs] of Labkeeper
    epochs: 3
    ---------------------------------------------
            ␉        ␉    ␉status␉val_loss             the metrics' names
    id␉optimizer␉lr␉      ␉                            the grid's
    0␉sgd␉0.1␉finished␉[0.9, 0.5]

malet reads and writes the same; it does not look at the first line, by which we know our own
files. In those, an empty cell is a field that the row does not have. In malet's, an empty cell
of the grid is None, because there each row has every field.
"""

import os
import re
from collections.abc import Iterator, Sequence
from itertools import chain
from pathlib import Path
from typing import Any

import yaml

from tracker.errors import ConfigurationError, InvalidError, NotFoundError, unusable
from tracker.files.durable import write_whole
from tracker.pipelines.yaml_values import parse_scalar, parse_yaml
from tracker.sweeps.config import Config
from tracker.sweeps.log.cells import decode, encode, encode_index
from tracker.sweeps.log.table import Row, Table

FIRST_LINE = "[Static Configs]"
_OURS = f"{FIRST_LINE} of Labkeeper"
_DASHES = "-" * 45
_RULE = re.compile(rf"^{_DASHES}\r?\n", re.MULTILINE)
_ID = "id"
# Digits only are a hash too.
_TEXTS = frozenset({"commit_hash"})

_CELL = re.compile(r'(?:"([^"]*(?:""[^"]*)*)"|([^\t\r\n]*))(\t|\r?\n|\Z)')


def read_table(path: Path, *, parse: bool = True) -> Table:
    """The log in a file; without `parse`, each cell is the text that stands there.

    Raises InvalidError that names the line for what is no log, NotFoundError for no file.
    """
    return parse_table(_text(path), str(path), parse=parse)


def parse_table(text: str, source: str, *, parse: bool = True) -> Table:
    """The log that a file's text holds."""
    rule = _RULE.search(text)
    if rule is None or not text.startswith(FIRST_LINE):
        raise InvalidError(
            f"{source} is no log: it begins with {FIRST_LINE}, YAML and a line of 45 dashes."
        )
    first, _, head = text[: rule.start()].partition("\n")
    # An empty line for the first, so that an error tells the line in the file.
    static = _static(f"\n{head}", source)
    rows = _Cells(text[rule.end() :], text.count("\n", 0, rule.end()) + 1, source)
    metrics, grid = _header(rows, source)
    reader = _RowReader(grid, metrics, ours=first.startswith(_OURS), parse=parse)
    try:
        table = Table(static, grid, metrics)
    except InvalidError as error:
        raise InvalidError(f"{source}: {error}") from None
    return table.with_rows(map(reader.row, rows.of_width(1 + len(grid) + len(metrics))))


def tsv_files(folder: Path, *, besides: Path | None = None) -> list[Path]:
    """The `.tsv` files in a folder by name, without one; InvalidError if there are none."""
    out = besides and besides.resolve()
    found = sorted(path for path in folder.glob("*.tsv") if path.resolve() != out)
    if not found:
        raise InvalidError(f"There is no .tsv file in {folder}.")
    return found


def write_table(table: Table, path: Path) -> None:
    """Writes the log's file, whole or not at all; folders that are missing are made."""
    text = format_table(table)
    try:
        write_whole(path, lambda aside: aside.write_text(text, encoding="utf-8", newline=""))
    except OSError as error:
        raise unusable(path, error) from error


def format_table(table: Table) -> str:
    """The text of the log's file."""
    grid, metrics = [_ID, *table.grid_fields], table.metric_fields
    header = [
        [" " * len(name) for name in grid] + [*metrics],
        [*grid] + [" " * len(name) for name in metrics],
    ]
    lines = (_line(cells) for cells in chain(header, _body(table)))
    return f"{_OURS}\n{_yaml(table.static)}{_DASHES}\n{''.join(lines)}"


def _body(table: Table) -> Iterator[list[str]]:
    for number, (config, metrics) in enumerate(table.rows):
        yield [
            str(number),
            *(encode_index(config[name]) if name in config else "" for name in table.grid_fields),
            *(encode(metrics[name]) if name in metrics else "" for name in table.metric_fields),
        ]


def _line(cells: Sequence[str]) -> str:
    return "\t".join(map(_quoted, cells)) + "\n"


def _quoted(cell: str) -> str:
    if any(mark in cell for mark in '"\t\r\n'):
        return f'"{cell.replace(chr(34), chr(34) * 2)}"'
    return cell


class _Cells:
    """The lines of the table's text, each as its cells; quotes are as CSV has them."""

    def __init__(self, text: str, first_line: int, source: str) -> None:
        self._text = text
        self._first_line = first_line
        self._source = source
        self._place = 0  # where the next line begins
        self._start = 0  # where the line began that was read last

    def next_line(self) -> list[str] | None:
        """The cells of the next line that is not empty; None at the end."""
        while self._place < len(self._text):
            self._start = self._place
            end = self._text.find("\n", self._start) + 1 or len(self._text)
            line = self._text[self._start : end]
            if '"' in line:
                return self._quoted_line()
            self._place = end
            if line := line.rstrip("\r\n"):
                return line.split("\t")
        return None

    def of_width(self, width: int) -> Iterator[list[str]]:
        """The remaining lines; InvalidError for one that has more or fewer cells."""
        while (cells := self.next_line()) is not None:
            if len(cells) != width:
                raise self._error(f"there are {len(cells)} cells, and {width} are expected")
            yield cells

    def _quoted_line(self) -> list[str]:
        """The cells of a line with quotes, in which a line may end without ending the row."""
        cells, end = [], "\t"
        while end == "\t":
            found = _CELL.match(self._text, self._place)
            if found is None:
                raise self._error("this is not a row of cells with tabs between them")
            quoted, bare, end = found.groups()
            cells.append(bare if quoted is None else quoted.replace('""', '"'))
            self._place = found.end()
        return cells

    def _error(self, message: str) -> InvalidError:
        line = self._first_line + self._text.count("\n", 0, self._start)
        return InvalidError(f"{self._source}, line {line}: {message}.")


def _header(rows: _Cells, source: str) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """The names of the metrics and of the grid's fields, in this order, from two lines."""
    above, below = rows.next_line() or [], rows.next_line() or []
    metrics = tuple(name for name in above if name.strip())
    grid = tuple(name for name in below if name.strip())
    if not grid or grid[0] != _ID:
        raise InvalidError(
            f"{source} is no log: below the line of dashes stand the metrics' names, and below"
            f" them {_ID!r} with the names of the grid's fields."
        )
    return metrics, grid[1:]


class _RowReader:
    def __init__(
        self, grid: Sequence[str], metrics: Sequence[str], *, ours: bool, parse: bool
    ) -> None:
        self._grid, self._metrics = grid, metrics
        self._ours = ours
        self._parse = parse

    def row(self, cells: Sequence[str]) -> Row:
        split = 1 + len(self._grid)
        config = {
            name: self._value(name, cell) if cell else None
            for name, cell in zip(self._grid, cells[1:split], strict=True)
            if cell or not self._ours
        }
        metrics = {
            name: self._value(name, cell)
            for name, cell in zip(self._metrics, cells[split:], strict=True)
            if cell
        }
        return Row(Config(config), metrics)

    def _value(self, name: str, cell: str) -> Any:
        if not self._parse:
            return cell
        value = decode(cell)
        return cell if name in _TEXTS and not isinstance(value, str | None) else value


def _static(text: str, source: str) -> Config:
    static, _ = parse_yaml(text, source=source)
    if not isinstance(static, dict | None):
        raise ConfigurationError(f"{source}, line 2: keys with values are expected here.")
    return Config(static or {})


class _Dumper(yaml.SafeDumper):
    """Quotes text that our reader, or malet's, would take for something else."""


def _text_node(dumper: _Dumper, text: str) -> yaml.ScalarNode:
    style = None if _bare(text) == text else '"'
    return dumper.represent_scalar("tag:yaml.org,2002:str", text, style=style)


_Dumper.add_representer(str, _text_node)


def _bare(text: str) -> Any:
    """What our reader makes of text without quotes."""
    try:
        return parse_scalar(text, source="")
    except ConfigurationError:
        return None


def _yaml(static: Config) -> str:
    text: str = yaml.dump(
        static.to_dict(), Dumper=_Dumper, sort_keys=False, allow_unicode=True, width=10**9
    )
    return text


def _text(path: Path) -> str:
    try:
        return path.read_bytes().decode("utf-8-sig")
    except FileNotFoundError:
        near = sorted(map(os.fspath, path.parent.glob("*.tsv"))) if path.parent.is_dir() else []
        raise NotFoundError("log", str(path), near) from None
    except UnicodeDecodeError as error:
        raise InvalidError(f"{path} is no log: not text in UTF-8 (byte {error.start}).") from None
    except OSError as error:
        raise unusable(path, error) from error
