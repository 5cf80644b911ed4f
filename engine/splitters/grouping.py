"""Which samples belong together: one whole number per sample, equal within a group."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from engine.errors import DataError

if TYPE_CHECKING:
    from engine.splitters.base import Rows


Codes = NDArray[np.int64]


def codes(rows: "Rows", selectors: Sequence[str]) -> Codes:
    """Groups of equal values in these columns, numbered by first appearance.

    Missing values, NaN among them, are equal to each other and form a group of their own.
    """
    combined = np.zeros(rows.n_samples, dtype=np.int64)
    for selector in selectors:
        one, _ = pd.factorize(_values(rows, selector), use_na_sentinel=False)
        # Numbered anew after each column, so that the product cannot overflow.
        combined, _ = pd.factorize(combined * (int(one.max(initial=0)) + 1) + one)
    return combined.astype(np.int64, copy=False)


def as_selectors(selectors: str | Sequence[str] | None) -> list[str]:
    """One selector, several, or none, as a list."""
    if selectors is None:
        return []
    return [selectors] if isinstance(selectors, str) else list(selectors)


def _values(rows: "Rows", selector: str) -> NDArray[Any]:
    values = rows.column(selector)
    if values.ndim > 1:
        raise DataError(
            f"Column {selector!r} holds arrays of shape {values.shape[1:]}; grouping needs one "
            "value per sample."
        )
    return values
