"""From what stands under `grid` to plain entries: a list of values for each field.

    grid:                                     plain entries, in this order
      group: {lr: [0.1, 0.01], wd: [1, 2]}    lr: [0.1],  wd: [1], seed: [1, 2, 3]
      seed: [1, 2, 3]                         lr: [0.01], wd: [2], seed: [1, 2, 3]

`group` goes along its fields together; of a list of groups, each combination is one entry,
the first group slowest. Every other field is a list of values.
"""

import json
from collections.abc import Iterable, Iterator
from itertools import product
from typing import Any

from tracker.pipelines.documents import Document, KeyPath

GRID, GROUP = "grid", "group"

# Field -> its values.
Entry = dict[str, list[Any]]

MOST_ENTRIES = 1_000_000


def raw_entries(document: Document) -> list[dict[str, Any]]:
    """The mappings under `grid`, as they were written; none if there is no grid."""
    return [entry for _, entry in _located(document)]


def field_order(document: Document) -> list[str]:
    """Every field of every entry, where it first appears; those of a group where it stands."""
    fields = [field for path, entry in _located(document) for field in _fields(entry)]
    return list(dict.fromkeys(fields))


def plain_entries(document: Document) -> Iterator[Entry]:
    """Each entry, once for each combination of its groups. Everything is checked first.

    Raises ConfigurationError, with the line where known, for what is no grid.
    """
    located = _located(document)
    checked = [_checked(document, path, entry) for path, entry in located]
    if sum(count for count, _, _ in checked) > MOST_ENTRIES:
        raise document.error((GRID,), f"the groups have more than {MOST_ENTRIES:,} combinations.")
    return _ungrouped(checked)


def _located(document: Document) -> list[tuple[KeyPath, dict[str, Any]]]:
    if GRID not in document.data:
        return []
    grid = document.data[GRID]
    if isinstance(grid, dict):
        return [((GRID,), grid)]
    if not isinstance(grid, list) or not grid:
        raise document.error(
            (GRID,),
            f"a grid is a mapping of fields to lists of values, or a list of such mappings,"
            f" not {_kind(grid)}.",
        )
    for place, entry in enumerate(grid):
        if not isinstance(entry, dict):
            raise document.error(
                (GRID, place),
                f"an entry of the grid is a mapping of fields to lists, not {_kind(entry)}.",
            )
    return [((GRID, place), entry) for place, entry in enumerate(grid)]


def _fields(entry: dict[str, Any]) -> Iterator[str]:
    for key, value in entry.items():
        if key == GROUP:
            for group in value if isinstance(value, list) else [value]:
                yield from group
        else:
            yield key


# One entry: how many plain ones it makes, its groups, and its other fields.
_Checked = tuple[int, list[list[Entry]], Entry]


def _ungrouped(checked: Iterable[_Checked]) -> Iterator[Entry]:
    for _, groups, values in checked:
        for together in product(*groups):
            entry = dict(values)
            for fields in together:
                entry.update(fields)
            yield entry


def _checked(document: Document, path: KeyPath, entry: dict[str, Any]) -> _Checked:
    places: dict[str, KeyPath] = {}
    groups = []
    values = {}
    for key, value in entry.items():
        place = (*path, key)
        if key == GROUP:
            groups = _groups(document, place, value, places)
        else:
            _place_once(document, key, place, places)
            values[key] = _values(document, place, value)
    count = 1
    for group in groups:
        count *= len(group)
    return count, groups, values


def _groups(
    document: Document, path: KeyPath, value: Any, places: dict[str, KeyPath]
) -> list[list[Entry]]:
    listed = value if isinstance(value, list) else [value]
    if not listed:
        raise document.error(path, "the list of groups is empty.")
    found = []
    for position, group in enumerate(listed):
        place = (*path, position) if isinstance(value, list) else path
        if not isinstance(group, dict) or not group:
            raise document.error(
                place,
                f"a group is a mapping of fields to lists that go together, not {_kind(group)}.",
            )
        found.append(_zipped(document, place, group, places))
    return found


def _zipped(
    document: Document, path: KeyPath, group: dict[str, Any], places: dict[str, KeyPath]
) -> list[Entry]:
    """The k-th of each field together, for every k."""
    columns: dict[str, list[list[Any]]] = {}
    for field, value in group.items():
        place = (*path, field)
        if field == GROUP:
            raise document.error(place, "a group cannot stand in a group; give a list of groups.")
        _place_once(document, field, place, places)
        together = value if isinstance(value, list) else [value]
        if not together:
            raise document.error(place, f"the list of {field!r} is empty.")
        columns[field] = [
            _values(document, (*place, k), one) if isinstance(one, list) else [one]
            for k, one in enumerate(together)
        ]
        first = next(iter(columns))
        if len(together) != len(columns[first]):
            raise document.error(
                place,
                f"fields of a group go together, but {first!r} has {len(columns[first])} and"
                f" {field!r} has {len(together)}.",
            )
    rows = zip(*columns.values(), strict=True)
    return [dict(zip(columns, row, strict=True)) for row in rows]


def _values(document: Document, path: KeyPath, value: Any) -> list[Any]:
    if isinstance(value, str):
        return [value]
    if not isinstance(value, list):
        raise document.error(
            path,
            f"a field of the grid is a list of values, not {_kind(value)}:"
            f" write [{_short(value)}].",
        )
    if not value:
        raise document.error(path, "the list of values is empty; leave the field out, or fill it.")
    return value


def _place_once(document: Document, field: str, path: KeyPath, places: dict[str, KeyPath]) -> None:
    if field in places:
        other = document.place(places[field])
        also = f" (also {other})" if other and document.lines else ""
        raise document.error(
            path, f"the field {field!r} stands twice in this entry{also}; keep one of them."
        )
    if field in document.data:
        other = document.place((field,))
        also = f" ({other})" if other and document.lines else ""
        raise document.error(
            path,
            f"{field!r} is a field of the grid and a static value{also}; keep one of them.",
        )
    if not field:
        raise document.error(path, "a field needs a name.")
    places[field] = path


def _kind(value: Any) -> str:
    match value:
        case None:
            return "nothing"
        case {}:
            return "a mapping" if value else "an empty mapping"
        case []:
            return "an empty list"
        case list():
            return "a list"
    return _short(value)


def _short(value: Any) -> str:
    text = json.dumps(value, ensure_ascii=False)
    return text if len(text) <= 60 else f"{text[:57]}..."
