"""How much of a phase's execution its results keep."""

from enum import Enum
from typing import Self

from engine.errors import PhaseError, did_you_mean


class ResultRecording(Enum):
    """Which execution contexts training results keep; metrics are kept in any case.

    ALL keeps every batch of every epoch, LAST the final epoch's (with an EarlyStopping that
    restores the best, the best epoch's), NONE nothing. Results of evaluations during training
    follow the same rule.
    """

    ALL = "all"
    LAST = "last"
    NONE = "none"

    @classmethod
    def from_value(cls, value: "str | ResultRecording") -> Self:
        """The member itself, or the one with this value or name in any case."""
        if isinstance(value, cls):
            return value
        try:
            return cls(str(value).lower())
        except ValueError:
            hint = did_you_mean(str(value), [member.value for member in cls])
            raise PhaseError(f"{value!r} is no way to record results.{hint}") from None
