"""What a check is, and what it finds."""

from collections.abc import Callable, Iterator
from enum import StrEnum
from typing import NamedTuple

from sqlalchemy.orm import Session

from tracker.files import LabFiles


class Severity(StrEnum):
    NOTE = "note"  # good to know
    WARNING = "warning"  # could become a loss, or already misleads
    ERROR = "error"  # something is lost or wrong


class Finding(NamedTuple):
    """One thing that is not as it should be, or that is good to know."""

    check: str
    severity: Severity
    message: str
    # What a repair does about it; None: nothing that would be safe without being asked.
    cure: str | None = None


class Check(NamedTuple):
    """One kind of disagreement: how it is found, and how all of its kind are put right.

    `fix` looks again by itself, inside the transaction that writes: what was found may have
    changed since.
    """

    name: str
    find: Callable[[Session, LabFiles], Iterator[Finding]]
    fix: Callable[[Session, LabFiles], None] | None = None
