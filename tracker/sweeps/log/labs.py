"""From a lab's sweep, and into one."""

from typing import TYPE_CHECKING, Self

from tracker.registry.sweeps import find_sweep
from tracker.sweeps.log.base import LogBase
from tracker.sweeps.log.from_lab import table_of_sweep

if TYPE_CHECKING:
    from tracker.lab import Lab


class Labs(LogBase):
    """Sweeps of a lab as logs."""

    @classmethod
    def from_sweep(cls, lab: "Lab", name: str, *, curves: bool = True) -> Self:
        """The log of a lab's sweep as it stands: a row for each trial, in the grid's order.

        Metrics are what a trial returned and logged: a list, one value a step, where any trial
        has more than one; without `curves`, last values alone. `datetime` is when a trial ended,
        `duration` how long all its attempts took, `status` as runs have it. NotFoundError
        suggests the nearest name.
        """
        with lab.database.read() as session:
            sweep = find_sweep(session, name)
            return cls._of(table_of_sweep(session, sweep.id, sweep.grid, whole_curves=curves))
