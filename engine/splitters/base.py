"""What every splitter is: the rows of a view in, row positions by split out."""

from abc import ABC, abstractmethod
from typing import TYPE_CHECKING, Any, Protocol, Self

from engine.saving import Savable

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from engine.features import FeatureSetView


class Rows(Protocol):
    """What a splitter looks at: a feature set or a view."""

    @property
    def n_samples(self) -> int: ...

    def column(self, selector: str) -> "NDArray[Any]":
        """The values of the one column that the selector means."""
        ...

    def time_zone(self, selector: str) -> str | None:
        """The zone of a column's times, which come out in UTC; None for all other columns."""
        ...


class BaseSplitter(Savable, ABC):
    """Divides samples; the same splitter divides the same samples in the same way every time."""

    saved_as = "splitter"

    @abstractmethod
    def split_rows(self, rows: Rows) -> "dict[str, NDArray[np.int64]]":
        """The positions, ascending, of each split's samples."""

    def split(
        self, view: "FeatureSetView", *, return_views: bool = True
    ) -> "dict[str, FeatureSetView] | dict[str, NDArray[np.int64]]":
        """Each split as a view, or as positions within `view`."""
        positions = self.split_rows(view)
        if not return_views:
            return positions
        return {label: view.take(rows, label) for label, rows in positions.items()}

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> Self:
        return cls(**config)
