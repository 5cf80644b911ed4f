"""From a lab's sweep, and into one."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Self

from tracker.registry.sweeps.catalog import find_sweep
from tracker.sweeps.log.base import LogBase
from tracker.sweeps.log.from_lab import table_of_sweep

if TYPE_CHECKING:
    from tracker.lab import Lab
    from tracker.sweeps.sweep import Sweep


class Labs(LogBase):
    """Sweeps of a lab as logs."""

    @classmethod
    def from_sweep(
        cls,
        lab: "Lab",
        name: str,
        *,
        numbers: Sequence[int] | None = None,
        curves: bool = True,
    ) -> Self:
        """The log of a lab's sweep as it stands: a row for each trial, in the grid's order.

        With `numbers`, of those trials only, in that order; one that there is not is left out.

        Metrics are what a trial returned and logged: a list, one value a step, where any trial
        has more than one; without `curves`, last values alone. `datetime` is when a trial ended,
        `duration` how long all its attempts took, `status` as runs have it. NotFoundError
        suggests the nearest name.
        """
        with lab.database.read() as session:
            sweep = find_sweep(session, name)
            table = table_of_sweep(
                session, sweep.id, sweep.grid, numbers=numbers, whole_curves=curves
            )
        return cls._of(table)

    def to_lab(
        self, lab: "Lab", name: str, *, experiment: str | None = None, target: str | None = None
    ) -> "Sweep":
        """Makes this log a sweep of a lab, with a trial and a run for each row, or nothing.

        Numbers become the runs' metrics, lists of numbers their curves; text is kept as a
        trial's result. Runs belong to `experiment`, by default of the sweep's name. With a
        `target`, as `module:function`, workers can try what is queued, stopped or lost. A row that
        was running is lost. TakenError if there is a sweep of this name.
        """
        from tracker.sweeps.log.into_lab import TARGET, store_table  # noqa: PLC0415 - not to look
        from tracker.sweeps.sweep import Sweep  # noqa: PLC0415 - as above

        with lab.database.write() as session:
            store_table(session, self._table, name, experiment or name, target or TARGET)
        return Sweep.open(name, lab=lab)
