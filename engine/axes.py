"""Values keyed by named axes, such as (epoch, batch, label)."""

from collections.abc import Callable, Hashable, Iterable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any, ClassVar, Generic, Self, TypeVar

import numpy as np
import torch

from engine.errors import EngineError, UnknownLabelError

if TYPE_CHECKING:
    import pandas as pd

T = TypeVar("T")
Key = tuple[Hashable, ...]
Reducer = str | Callable[[list[Any]], Any]


class AxisSeries(Generic[T]):
    """An ordered mapping from coordinates to values; what is taken from it is of the same class.

    With one axis a key is the bare coordinate, else a tuple with one coordinate per axis.
    """

    reducers: ClassVar[tuple[str, ...]] = ("first", "last", "mean", "sum", "concat")

    def __init__(self, axes: Sequence[str], _data: Mapping[Any, T]) -> None:
        self._axes = tuple(axes)
        self._data: dict[Key, T] = {self._full_key(key): value for key, value in _data.items()}
        # Why something may be missing, for errors.
        self._note = ""

    def noting(self, note: str) -> Self:
        """This series, which says so where something is missing; what is taken from it does too."""
        self._note = note
        return self

    def _like(self, axes: Sequence[str], data: Mapping[Any, Any]) -> Self:
        """A series of the same class; a subclass with more to carry overrides this."""
        series = type(self).__new__(type(self))
        AxisSeries.__init__(series, axes, data)
        return series.noting(self._note)

    # Looking

    @property
    def axes(self) -> tuple[str, ...]:
        return self._axes

    @property
    def data(self) -> dict[Any, T]:
        return dict(self.items())

    @property
    def shape(self) -> tuple[int, ...]:
        """How many different coordinates each axis has."""
        return tuple(len(self.axis_values(axis)) for axis in self._axes)

    def keys(self) -> list[Any]:
        return [key[0] if len(self._axes) == 1 else key for key in self._data]

    def values(self) -> list[T]:
        return list(self._data.values())

    def items(self) -> list[tuple[Any, T]]:
        return list(zip(self.keys(), self._data.values(), strict=True))

    def axis_values(self, axis: str) -> list[Any]:
        """The axis's coordinates, each once, in order of appearance."""
        place = self._place(axis)
        return list(dict.fromkeys(key[place] for key in self._data))

    def axes_values(self) -> dict[str, list[Any]]:
        return {axis: self.axis_values(axis) for axis in self._axes}

    def __len__(self) -> int:
        return len(self._data)

    def __iter__(self) -> Iterator[Any]:
        return iter(self.keys())

    def __contains__(self, key: object) -> bool:
        return (key if isinstance(key, tuple) else (key,)) in self._data

    def __getitem__(self, key: Any) -> T:
        full = self._full_key(key)
        if full not in self._data:
            raise KeyError(f"Nothing at {key!r}; the axes are {self._axes}.{self._because}")
        return self._data[full]

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, AxisSeries):
            return NotImplemented
        return self._axes == other._axes and self._data == other._data

    __hash__ = None  # type: ignore[assignment]  # a container, like dict

    def __repr__(self) -> str:
        sizes = ", ".join(f"{axis}: {n}" for axis, n in zip(self._axes, self.shape, strict=True))
        return f"{type(self).__name__}({sizes})"

    def to_pandas(self) -> "pd.DataFrame":
        """A row for each value, in order: its coordinates in columns named as the axes, `value`.

        A coordinate that is missing, as the batch of a whole epoch's metric, is NA.
        """
        import pandas as pd  # noqa: PLC0415 - the other answers need none of it

        columns: dict[str, Any] = {
            axis: _column([key[place] for key in self._data])
            for place, axis in enumerate(self._axes)
        }
        return pd.DataFrame(columns | self._cells())

    def _cells(self) -> dict[str, list[Any]]:
        """The values as columns; subclasses override this for values of several parts."""
        return {"value": self.values()}

    # Taking

    def where(self, **coords: Any) -> Self:
        """What lies at these coordinates: a value, several of them, a slice, or a predicate.

        A slice takes what is from its start up to, but not including, its stop.
        """
        tests = [(self._place(axis), _test(wanted)) for axis, wanted in coords.items()]
        chosen = {
            key: value
            for key, value in self._data.items()
            if all(test(key[place]) for place, test in tests)
        }
        return self._like(self._axes, chosen)

    def select(self, **coords: Any) -> list[T]:
        return self.where(**coords).values()

    def at(self, **coords: Any) -> T:
        """The one value at a full set of coordinates."""
        for axis in coords:
            self._place(axis)
        missing = [axis for axis in self._axes if axis not in coords]
        if missing:
            raise ValueError(f"`at` needs every axis; missing: {', '.join(missing)}.")
        return self[tuple(coords[axis] for axis in self._axes)]

    def one(self) -> T:
        if len(self._data) != 1:
            raise ValueError(f"There are {len(self._data)} values here, not one.{self._because}")
        return next(iter(self._data.values()))

    def first(self, *, sort_by: str | None = None) -> T:
        return self._sorted(sort_by)[0]

    def last(self, *, sort_by: str | None = None) -> T:
        return self._sorted(sort_by)[-1]

    def squeeze(self) -> Self:
        """Without the axes that have a single coordinate."""
        keep = [place for place, size in enumerate(self.shape) if size > 1]
        data = {tuple(key[place] for place in keep): value for key, value in self._data.items()}
        return self._like([self._axes[place] for place in keep], data)

    def collapse(self, axis: str, reducer: Reducer) -> Self:
        """Without this axis: the values along it, in order, reduced to one."""
        place = self._place(axis)
        groups: dict[Key, list[T]] = {}
        for key, value in self._data.items():
            groups.setdefault(key[:place] + key[place + 1 :], []).append(value)
        reduce = self._reducer(reducer)
        axes = self._axes[:place] + self._axes[place + 1 :]
        return self._like(axes, {key: reduce(values) for key, values in groups.items()})

    def _reducer(self, reducer: Reducer) -> Callable[[list[Any]], Any]:
        if callable(reducer):
            return reducer
        if reducer not in self.reducers:
            raise UnknownLabelError("reducer", reducer, self.reducers)
        return lambda values: self._reduce(reducer, values)

    def _reduce(self, reducer: str, values: list[Any]) -> Any:
        """Reduce by a named reducer; subclasses override this for values of their own."""
        match reducer:
            case "first":
                return values[0]
            case "last":
                return values[-1]
            case "sum":
                return sum(values[1:], start=values[0])
            case "mean":
                return sum(values[1:], start=values[0]) / len(values)
            case _:
                return concatenate(values)

    @property
    def _because(self) -> str:
        return self._note and f" {self._note}"

    def _sorted(self, axis: str | None) -> list[T]:
        if not self._data:
            raise ValueError(f"There is nothing in this series.{self._because}")
        if axis is None:
            return self.values()
        place = self._place(axis)
        pairs = sorted(self._data.items(), key=lambda pair: pair[0][place])  # type: ignore[arg-type,return-value]  # coordinates of one axis compare
        return [value for _, value in pairs]

    def _place(self, axis: str) -> int:
        if axis not in self._axes:
            raise UnknownLabelError("axis", axis, self._axes)
        return self._axes.index(axis)

    def _full_key(self, key: Any) -> Key:
        full = key if isinstance(key, tuple) else (key,)
        if len(full) != len(self._axes):
            raise KeyError(f"{key!r} has {len(full)} coordinates for the axes {self._axes}.")
        return full


def _column(coordinates: list[Any]) -> Any:
    """Whole numbers stay whole numbers where some of them are missing."""
    import pandas as pd  # noqa: PLC0415 - as in to_pandas

    kinds = {type(one) for one in coordinates}
    if None in coordinates and kinds <= {int, type(None)}:
        return pd.array(coordinates, dtype="Int64")
    return coordinates


def concatenate(values: list[Any]) -> Any:
    """Join values along their first dimension: tensors, arrays, lists, or what has `concat`."""
    first = values[0]
    if isinstance(first, torch.Tensor):
        return torch.cat(values)
    if isinstance(first, np.ndarray):
        return np.concatenate(values)
    if isinstance(first, list | tuple):
        return [item for value in values for item in value]
    if hasattr(type(first), "concat"):
        return type(first).concat(*values)
    raise EngineError(f"Values of type {type(first).__name__} cannot be concatenated.")


def _test(wanted: Any) -> Callable[[Any], bool]:
    if isinstance(wanted, slice):
        return lambda value: _in_slice(value, wanted)
    if callable(wanted):
        return wanted  # type: ignore[no-any-return]  # the caller's own predicate
    if isinstance(wanted, Iterable) and not isinstance(wanted, str | bytes):
        # A tuple may be a coordinate itself, too.
        members = [*wanted, wanted] if isinstance(wanted, tuple) else list(wanted)
        return lambda value: value in members
    return lambda value: bool(value == wanted)


def _in_slice(value: Any, wanted: slice) -> bool:
    if value is None:
        return False
    after = wanted.start is None or value >= wanted.start
    before = wanted.stop is None or value < wanted.stop
    on_step = wanted.step is None or (value - (wanted.start or 0)) % wanted.step == 0
    return bool(after and before and on_step)
