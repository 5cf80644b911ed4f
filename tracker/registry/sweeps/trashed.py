"""What sweeps are called in the trash.

What is there gives its name free. So a sweep is called by its name, a tab, which no name can
hold, and the moment of its deletion: who looks for a name does not find it.
"""

from datetime import UTC, datetime

from sqlalchemy import ColumnElement, func
from sqlalchemy.orm import Session

from tracker.database.tables import Sweep
from tracker.database.types import stored
from tracker.errors import NotFoundError, StateError

TAB = "\t"

# For questions to the driver: a condition, and the two parts of what a sweep is called. NULL is the
# moment of one that is not there.
IN_TRASH = "instr(sweeps.name, char(9))"
NAME = "iif(instr(sweeps.name, char(9)),\
 substr(sweeps.name, 1, instr(sweeps.name, char(9)) - 1), sweeps.name)"
MOMENT = "iif(instr(sweeps.name, char(9)),\
 substr(sweeps.name, instr(sweeps.name, char(9)) + 1), NULL)"


def in_trash() -> ColumnElement[bool]:
    """The condition for a sweep that is there."""
    return func.instr(Sweep.name, TAB) > 0


def trashed(name: str, moment: datetime) -> str:
    """What a sweep is called there."""
    return f"{name}{TAB}{stored(moment)}"


def name_and_moment(called: str) -> tuple[str, datetime | None]:
    """The name that people know, and when it went there; None for one that did not."""
    name, _, moment = called.partition(TAB)
    return name, datetime.fromisoformat(moment).replace(tzinfo=UTC) if moment else None


def sweep_at(session: Session, sweep_id: int) -> Sweep:
    """The sweep with this id; StateError if it is in the trash, NotFoundError if it is gone."""
    sweep = session.get(Sweep, sweep_id)
    if sweep is None:
        raise NotFoundError("sweep", f"with the number {sweep_id}")
    name, moment = name_and_moment(sweep.name)
    if moment is not None:
        raise StateError(
            f"Sweep {name!r} is in the trash; `labkeeper sweep restore {name}` brings it back."
        )
    return sweep
