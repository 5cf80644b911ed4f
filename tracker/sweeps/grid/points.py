"""The points of a grid, worked out where they are looked at.

A grid of 100,000 points is a handful of lists; a point is made when somebody asks for it.
"""

from bisect import bisect_right
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from itertools import accumulate, product
from math import prod
from typing import Any, NamedTuple, Self, overload

from tracker.errors import InvalidError
from tracker.pipelines.identity import canonical
from tracker.sweeps.config import Config, frozen
from tracker.sweeps.grid.entries import Entry

MOST_POINTS = 10_000_000


class _Block(NamedTuple):
    """One plain entry: the product of its fields' values, the first field slowest."""

    fields: tuple[str, ...]
    values: tuple[list[Any], ...]
    size: int

    def points(self) -> Iterator[dict[str, Any]]:
        for point in product(*self.values):
            yield dict(zip(self.fields, point, strict=True))

    def point(self, number: int) -> dict[str, Any]:
        found = []
        for values in reversed(self.values):
            number, place = divmod(number, len(values))
            found.append(values[place])
        return dict(zip(self.fields, reversed(found), strict=True))


class _Grid:
    """The blocks one after the other; a number says which point of all."""

    def __init__(self, blocks: Sequence[_Block]) -> None:
        self.blocks = blocks
        self.starts = [0, *accumulate(block.size for block in blocks)]

    def __len__(self) -> int:
        return self.starts[-1]

    def __iter__(self) -> Iterator[dict[str, Any]]:
        return (point for block in self.blocks for point in block.points())

    def __getitem__(self, number: int) -> dict[str, Any]:
        block = bisect_right(self.starts, number) - 1
        return self.blocks[block].point(number - self.starts[block])


class Points(Sequence[Config]):
    """What the grid says of each configuration, in the grid's order; each one once.

    A slice is such a sequence as well.
    """

    def __init__(self, grid: _Grid, chosen: Sequence[int], static: Mapping[str, Any]) -> None:
        self._grid = grid
        self._chosen = chosen
        self._static = static

    @classmethod
    def of(cls, entries: Iterable[Entry], order: Sequence[str]) -> Self:
        """The points of these plain entries; `order` has every field, the slowest first.

        Of points that mean the same, the first stays. InvalidError beyond 10,000,000.
        """
        blocks = []
        for entry in entries:
            fields = tuple(field for field in order if field in entry)
            values = tuple(distinct(entry[field]) for field in fields)
            blocks.append(_Block(fields, values, prod(map(len, values))))
        count = sum(block.size for block in blocks)
        if count > MOST_POINTS:
            raise InvalidError(f"the grid has {count:,} points; at most {MOST_POINTS:,} may be.")
        return cls(_Grid(blocks), _once(blocks, count), {})

    def with_static(self, static: Mapping[str, Any]) -> Self:
        """The same points, each with these values before its own."""
        return type(self)(self._grid, self._chosen, static)

    def where(self, keep: Callable[[int, dict[str, Any]], object]) -> Self:
        """Those for which `keep(place, point)` is true; places count from 0."""
        kept = [
            number
            for place, (number, point) in enumerate(zip(self._chosen, self._raw(), strict=True))
            if keep(place, dict(point))
        ]
        return type(self)(self._grid, kept, self._static)

    def __len__(self) -> int:
        return len(self._chosen)

    @overload
    def __getitem__(self, place: int) -> Config: ...
    @overload
    def __getitem__(self, place: slice) -> Self: ...
    def __getitem__(self, place: int | slice) -> "Config | Self":
        if isinstance(place, slice):
            return type(self)(self._grid, self._chosen[place], self._static)
        return Config.joined(self._static, self._grid[self._chosen[place]])

    def __iter__(self) -> Iterator[Config]:
        static = self._static
        return (Config.joined(static, point) for point in self._raw())

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Sequence) or isinstance(other, str):
            return NotImplemented
        return len(self) == len(other) and all(map(Config.__eq__, self, other))

    __hash__ = None  # type: ignore[assignment]  # as a list

    def __repr__(self) -> str:
        shown = ", ".join(repr(point.to_dict()) for point in self[:3])
        return f"<{len(self):,} points: {shown}{', ...' if len(self) > 3 else ''}>"

    def _raw(self) -> Iterator[dict[str, Any]]:
        if self._chosen == range(len(self._grid)):
            return iter(self._grid)  # faster than one by one
        return map(self._grid.__getitem__, self._chosen)


def distinct(values: Iterable[Any]) -> list[Any]:
    """The values that differ, where each first stands; 1 is 1.0 but not True."""
    found: dict[str, Any] = {}
    for value in values:
        found.setdefault(canonical(value), frozen(value))
    return list(found.values())


def _once(blocks: Sequence[_Block], count: int) -> Sequence[int]:
    """The number of each point that no earlier one equals."""
    if len(blocks) == 1:
        return range(count)
    # A point as what its fields are and which of all values each has: quick to compare.
    numbers: dict[str, int] = {}
    seen: set[tuple[tuple[str, ...], tuple[int, ...]]] = set()
    chosen = []
    for number, point in enumerate(_numbered(blocks, numbers)):
        if point not in seen:
            seen.add(point)
            chosen.append(number)
    return range(count) if len(chosen) == count else chosen


def _numbered(
    blocks: Sequence[_Block], numbers: dict[str, int]
) -> Iterator[tuple[tuple[str, ...], tuple[int, ...]]]:
    for block in blocks:
        # `numbers` grows: the same value, wherever it stands, has the same number.
        coded = [
            [numbers.setdefault(canonical(value), len(numbers)) for value in values]
            for values in block.values
        ]
        for codes in product(*coded):
            yield block.fields, codes
