"""Which of the checkpoints that were made stay."""

import math
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal, Self, TypeVar

from engine.errors import PhaseError

Goal = Literal["min", "max"]
Key = TypeVar("Key")


@dataclass(frozen=True)
class Retention:
    """What one of the rules keeps, stays.

    The `last` ones (None: all); of each metric in `best` the `top` best, at its lowest or highest.
    What is pinned stays anyway.
    """

    last: int | None = None
    best: Mapping[str, Goal] = field(default_factory=dict)
    top: int = 1

    @classmethod
    def of(cls, last: int | None, best: str | Mapping[str, Goal] | None, top: int) -> Self:
        """The rules, checked. With a `best`, and nothing said of the last, only the newest stays.

        A metric that is named without a goal is best at its lowest.
        """
        goals: dict[str, Goal] = {best: "min"} if isinstance(best, str) else dict(best or {})
        for metric, goal in goals.items():
            if goal not in ("min", "max"):
                raise PhaseError(f"{metric!r} is best at its 'min' or 'max', not {goal!r}.")
        if top != 1 and not goals:
            raise PhaseError(f"top={top!r} says how many of the best stay; name a metric as best.")
        newest = None if last is None else positive("max_to_keep", last)
        if goals and newest is None:
            newest = 1
        return cls(newest, goals, positive("top", top))

    @property
    def keeps_all(self) -> bool:
        return self.last is None

    def stays(
        self, values: Mapping[Key, Mapping[str, float]], pinned: Collection[Key] = ()
    ) -> set[Key]:
        """The keys that stay, of checkpoints with the values that their metrics had, oldest first.

        NaN is never best, nor is one without a value; of equals the older one is better.
        """
        keys = list(values)
        kept = {key for key in keys if key in pinned}
        kept.update(keys if self.last is None else keys[-self.last :])
        for metric, goal in self.best.items():
            sign = 1 if goal == "min" else -1
            known = {key: sign * row[metric] for key, row in values.items() if metric in row}
            numbers = [key for key, value in known.items() if not math.isnan(value)]
            kept.update(sorted(numbers, key=known.__getitem__)[: self.top])
        return kept


def positive(name: str, value: Any) -> int:
    """The value, if it is a count."""
    if isinstance(value, bool) or not isinstance(value, int) or value < 1:
        raise PhaseError(f"{name} is a count of at least 1, not {value!r}.")
    return value
