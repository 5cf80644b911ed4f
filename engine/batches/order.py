"""The order in which one epoch visits its samples: positions, cut into batches."""

from collections.abc import Iterator, Mapping

import numpy as np
import torch
from numpy.typing import NDArray

DEFAULT_ROLE = "default"

Positions = NDArray[np.int64]
Index = torch.Tensor | slice | Positions


class BatchOrder:
    """Batch after batch of positions within a view, for each role; reaching any batch is free.

    `order[i]` gives the positions of batch i in the first role, `order.roles(i)` in all of them.
    """

    __slots__ = ("_bounds", "_roles", "_weights", "is_padded", "sequential")

    def __init__(
        self,
        roles: Mapping[str, Positions],
        bounds: Positions,
        *,
        weights: Mapping[str, NDArray[np.float32]] | None = None,
        sequential: bool = False,
    ) -> None:
        """Batch i is `bounds[i]:bounds[i + 1]` of each role's positions.

        -1 is a padded row: it weighs nothing. `sequential` promises that the positions are
        0, 1, 2, ..., so that a batch is a slice.
        """
        self._roles = dict(roles)
        self._bounds = bounds
        self._weights = dict(weights) if weights else None
        self.sequential = sequential
        self.is_padded = not sequential and any(bool((at < 0).any()) for at in roles.values())
        if self.is_padded:
            self._weights = {
                role: (at >= 0) * (self._weights or {}).get(role, np.float32(1))
                for role, at in roles.items()
            }

    @classmethod
    def of_size(
        cls, positions: Positions, batch_size: int, *, drop_last: bool, sequential: bool = False
    ) -> "BatchOrder":
        """Positions cut into equal batches; the last one is shorter, or dropped."""
        n = len(positions)
        ends = np.arange(0, n + 1, batch_size)
        if n % batch_size and not drop_last:
            ends = np.append(ends, n)
        return cls({DEFAULT_ROLE: positions}, ends, sequential=sequential)

    def __len__(self) -> int:
        return len(self._bounds) - 1

    def __getitem__(self, batch: int) -> Positions:
        return next(iter(self.roles(batch).values()))

    def __iter__(self) -> Iterator[Positions]:
        return (self[batch] for batch in range(len(self)))

    @property
    def role_names(self) -> tuple[str, ...]:
        return tuple(self._roles)

    @property
    def is_weighted(self) -> bool:
        return self._weights is not None

    @property
    def sizes(self) -> Positions:
        """How many samples each batch has."""
        return np.diff(self._bounds)

    def roles(self, batch: int) -> dict[str, Positions]:
        start, end = self._span(batch)
        return {role: positions[start:end] for role, positions in self._roles.items()}

    def weights(self, batch: int) -> dict[str, NDArray[np.float32]] | None:
        start, end = self._span(batch)
        if self._weights is None:
            return None
        return {role: weights[start:end] for role, weights in self._weights.items()}

    @property
    def bounds(self) -> list[int]:
        """Batch i is `bounds[i]:bounds[i + 1]` of the positions."""
        bounds: list[int] = self._bounds.tolist()
        return bounds

    def positions(self, role: str) -> torch.Tensor | None:
        """All positions of a role in order; None if they are 0, 1, 2, ..."""
        return None if self.sequential else torch.from_numpy(np.array(self._roles[role]))

    def _span(self, batch: int) -> tuple[int, int]:
        if not -len(self) <= batch < len(self):
            raise IndexError(f"There is no batch {batch}: the epoch has {len(self)}.")
        place = batch % len(self)
        return int(self._bounds[place]), int(self._bounds[place + 1])


def index_length(index: Index) -> int:
    """How many rows an index means."""
    return index.stop - index.start if isinstance(index, slice) else len(index)


def as_positions(index: Index) -> Positions:
    """The index as an array of positions."""
    if isinstance(index, slice):
        return np.arange(index.start, index.stop)
    return index.cpu().numpy() if isinstance(index, torch.Tensor) else np.asarray(index)
