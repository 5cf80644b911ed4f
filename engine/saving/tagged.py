"""A value that stands in a file for something that only `forms` may make of it."""

from dataclasses import dataclass
from typing import Any

# What a file calls classes and functions, torch modules, their weights, a user's own estimators,
# random generators, what was there before, and torch's small values.
TAGS: tuple[str, ...] = ("#code", "#module", "#parameter", "#object", "#generator", "#again")
TAGS += ("#dtype", "#device", "#size")


@dataclass(frozen=True, slots=True)
class Tagged:
    """Inert: reading a file makes these, and runs nothing."""

    tag: str
    value: Any
