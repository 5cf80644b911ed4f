"""Splits by what the columns say."""

from collections.abc import Callable, Collection, Mapping
from collections.abc import Set as AbstractSet
from typing import TYPE_CHECKING, Any, Self

import numpy as np
from numpy.typing import NDArray

from engine.errors import DataError
from engine.saving import locate, location_of
from engine.splitters.base import BaseSplitter

if TYPE_CHECKING:
    from engine.splitters.base import Rows

Condition = Any
"""A value to equal, a list or set to be in, or a predicate of one value or of the column."""


class ConditionSplitter(BaseSplitter):
    """One split per keyword, with the samples that meet all of its conditions.

    A condition on a column is a value to equal, a list or set to be in, or a predicate of one
    value or of the whole column. A sample may be in several splits, or in none.
    """

    def __init__(self, **conditions: Mapping[str, Condition]) -> None:
        if not conditions:
            raise DataError("ConditionSplitter needs at least one split with its conditions.")
        self.conditions = {label: dict(columns) for label, columns in conditions.items()}

    def split_rows(self, rows: "Rows") -> dict[str, NDArray[np.int64]]:
        return {
            label: np.flatnonzero(matching(rows, columns))
            for label, columns in self.conditions.items()
        }

    def get_config(self) -> dict[str, Any]:
        """Plain values; a predicate by the place where it can be imported from.

        Raises PackagedCodeError for a predicate without one, such as a lambda.
        """
        return {
            label: {column: _described(condition) for column, condition in columns.items()}
            for label, columns in self.conditions.items()
        }

    @classmethod
    def from_config(cls, config: Mapping[str, Mapping[str, Any]]) -> Self:
        """An equal splitter; imports the predicates that are named."""
        return cls(
            **{
                label: {column: _rebuilt(condition) for column, condition in columns.items()}
                for label, columns in config.items()
            }
        )


def _described(condition: Condition) -> Any:
    if callable(condition):
        return {"predicate": location_of(condition)}
    if isinstance(condition, Collection) and not isinstance(condition, str | bytes):
        values = [_plain(value) for value in condition]
        return sorted(values, key=repr) if isinstance(condition, AbstractSet) else values
    return _plain(condition)


def _plain(value: Any) -> Any:
    return value.item() if isinstance(value, np.generic) else value


def _rebuilt(described: Any) -> Condition:
    if isinstance(described, Mapping) and described.keys() == {"predicate"}:
        return locate(described["predicate"])
    return described


def matching(rows: "Rows", conditions: Mapping[str, Condition]) -> NDArray[np.bool_]:
    """Which rows meet all conditions. Nothing equals a missing value, nor NaN."""
    matches = np.ones(rows.n_samples, dtype=bool)
    for selector, condition in conditions.items():
        matches &= _meets(selector, rows.column(selector), condition)
    return matches


def _meets(selector: str, values: NDArray[Any], condition: Condition) -> NDArray[np.bool_]:
    if callable(condition):
        return _by_predicate(selector, values, condition)
    if values.ndim > 1:
        raise DataError(
            f"Column {selector!r} holds arrays of shape {values.shape[1:]}; "
            "only a callable can judge them."
        )
    if isinstance(condition, Collection) and not isinstance(condition, str | bytes):
        return _equal_to_any(values, list(condition))
    return _equal_to_any(values, [condition])


def _equal_to_any(values: NDArray[Any], wanted: list[Any]) -> NDArray[np.bool_]:
    matches = np.zeros(len(values), dtype=bool)
    for value in wanted:
        if value is not None:
            matches |= np.asarray(values == value, dtype=bool)
    return matches


def _by_predicate(
    selector: str, values: NDArray[Any], predicate: Callable[[Any], Any]
) -> NDArray[np.bool_]:
    try:
        whole = np.asarray(predicate(values))
    except Exception:  # noqa: BLE001 - made for single values; if it is simply wrong, it fails below
        whole = np.asarray(None)
    if whole.shape == (len(values),) and whole.dtype == bool:
        return whole
    try:
        return np.fromiter((bool(predicate(value)) for value in values), bool, len(values))
    except Exception as error:
        raise DataError(f"The condition on column {selector!r} failed: {error}") from error
