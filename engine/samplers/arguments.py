"""What is given to a sampler, checked at the door."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from engine.errors import DataError
from engine.features.selecting import Selecting
from engine.seeding import checked_seed

if TYPE_CHECKING:
    from engine.features import FeatureSet, FeatureSetView


class State(NamedTuple):
    """Where a sampler stands."""

    seed: int
    epoch: int
    batch: int


def as_count(value: Any, *, named: str) -> int:
    """A whole number from 1 on, of Python or NumPy."""
    if not _is_whole(value) or value < 1:
        raise DataError(f"{named} must be a whole number from 1 on, not {value!r}.")
    return int(value)


def as_views(
    sources: "FeatureSet | FeatureSetView | Sequence[FeatureSet | FeatureSetView]", sampler: str
) -> "list[FeatureSetView]":
    """All of the sources as views; one alone need not be in a list."""
    given = [sources] if isinstance(sources, Selecting) else list(sources)
    if not given:
        raise DataError(f"{sampler} needs at least one source.")
    for source in given:
        if not isinstance(source, Selecting):
            raise DataError(f"{sampler} draws from feature sets and views, not from {source!r}.")
    return [source.to_view() for source in given]


def as_state(state: Mapping[str, Any]) -> State:
    """What `get_state` gave: a seed, an epoch and a batch, the numbers from 0 on."""
    missing = [name for name in State._fields if name not in state]
    if missing:
        raise DataError(
            f"A sampler's state has a seed, an epoch and a batch; no {missing[0]} here."
        )
    for name in ("epoch", "batch"):
        if not _is_whole(state[name]) or state[name] < 0:
            raise DataError(
                f"A sampler's {name} is a whole number from 0 on, and in this state it is "
                f"{state[name]!r}."
            )
    return State(checked_seed(state["seed"]), int(state["epoch"]), int(state["batch"]))


def _is_whole(value: Any) -> bool:
    return isinstance(value, int | np.integer) and not isinstance(value, bool)
