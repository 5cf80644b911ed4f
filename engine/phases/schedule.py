"""In which order the batches of several samplers take their turns."""

from collections.abc import Sequence
from enum import Enum
from typing import Self

from engine.errors import PhaseError, did_you_mean


class BatchSchedulingPolicy(Enum):
    """How the batches of several samplers make up an epoch's steps.

    For the batches b1 b2 b3 of one sampler and c1 c2 of another:

        zip_strict        (b1, c1) (b2, c2)
        zip_cycle         (b1, c1) (b2, c2) (b3, c1)
        alternate_strict  b1 c1 b2 c2
        alternate_cycle   b1 c1 b2 c2 b3 c1
    """

    ZIP_STRICT = "zip_strict"
    ZIP_CYCLE = "zip_cycle"
    ALTERNATE_STRICT = "alternate_strict"
    ALTERNATE_CYCLE = "alternate_cycle"

    @classmethod
    def from_value(cls, value: "str | BatchSchedulingPolicy") -> Self:
        """The member itself, or the one with this value or name in any case."""
        if isinstance(value, cls):
            return value
        try:
            return cls(str(value).lower())
        except ValueError:
            hint = did_you_mean(str(value), [member.value for member in cls])
            raise PhaseError(f"There is no batch schedule {value!r}.{hint}") from None

    @property
    def alternates(self) -> bool:
        return self in (self.ALTERNATE_STRICT, self.ALTERNATE_CYCLE)

    @property
    def cycles(self) -> bool:
        return self in (self.ZIP_CYCLE, self.ALTERNATE_CYCLE)

    def n_steps(self, counts: Sequence[int]) -> int:
        """How many steps samplers with so many batches make up."""
        if not counts or min(counts) == 0:
            return 0
        rounds = max(counts) if self.cycles else min(counts)
        return rounds * len(counts) if self.alternates else rounds

    def batches_at(self, step: int, counts: Sequence[int]) -> tuple[int | None, ...]:
        """The number of each sampler's batch in a step; None for one whose turn it is not."""
        if not self.alternates:
            return tuple(step % count for count in counts)
        turn, active = divmod(step, len(counts))
        return tuple(
            turn % count if sampler == active else None for sampler, count in enumerate(counts)
        )
