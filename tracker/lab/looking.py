"""Looking back at what was recorded."""

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

from tracker.lab.base import LabBase

if TYPE_CHECKING:
    import pandas as pd


class Looking(LabBase):
    """Pipelines, runs and histories as tables."""

    def pipelines(
        self,
        filter: str | None = None,  # noqa: A002 - the word everywhere else
        *,
        sort: str | Sequence[str] | None = None,
        limit: int | None = None,
        columns: Sequence[str] | None = None,
        archived: bool | None = False,
        deleted: bool = False,
    ) -> "pd.DataFrame":
        """The pipelines that a filter describes, one row each; `archived` None lists all.

        `deleted` lists the trash instead. What only runs have is that of the pipeline's
        current run.
        """
        from tracker.registry.frames import pipelines_frame

        with self.database.read() as session:
            return pipelines_frame(
                session,
                filter=filter,
                sort=sort,
                limit=limit,
                columns=columns,
                archived=archived,
                deleted=deleted,
            )

    def runs(
        self,
        filter: str | None = None,  # noqa: A002 - the word everywhere else
        *,
        sort: str | Sequence[str] | None = None,
        limit: int | None = None,
        columns: Sequence[str] | None = None,
        archived: bool | None = False,
        deleted: bool = False,
    ) -> "pd.DataFrame":
        """The runs that a filter describes, the newest first: one row a run.

        `archived` and `deleted` are as for pipelines.

        Without columns, everything there is: parameters as `params.lr`, metrics' last values
        as `metrics.val_loss` and best ones as `best(val_loss)`. Each column's name is an
        expression that filters, `sort` and `columns` understand.
        """
        from tracker.registry.frames import runs_frame

        with self.database.read() as session:
            return runs_frame(
                session,
                filter=filter,
                sort=sort,
                limit=limit,
                columns=columns,
                archived=archived,
                deleted=deleted,
            )

    def histories(
        self,
        filter: str | None = None,  # noqa: A002 - the word everywhere else
        *,
        metrics: Iterable[str] | None = None,
    ) -> "pd.DataFrame":
        """Metric histories: `run`, `metric`, `step`, `epoch`, `value`, `time`, one row a point.

        Of a metric logged per epoch and per step, the points per epoch. NotFoundError for a
        metric that none of the runs has.
        """
        from tracker.registry.frames import histories_frame
        from tracker.registry.listing import find_runs

        with self.database.read() as session:
            ids = find_runs(session, filter=filter, archived=False).ids
            return histories_frame(session, ids, metrics)
