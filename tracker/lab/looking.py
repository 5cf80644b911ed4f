"""Looking back at what was recorded."""

import os
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from tracker.errors import InvalidError, NotFoundError
from tracker.lab.base import LabBase

if TYPE_CHECKING:
    import pandas as pd

    from tracker.pipelines.pipeline import Pipeline
    from tracker.registry.differences import Differences


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

    def find_pipeline(
        self,
        name: str | None = None,
        *,
        config: str | os.PathLike[str] | Mapping[str, Any] | None = None,
        overrides: Iterable[str] | Mapping[str, Any] = (),
    ) -> "Pipeline | None":
        """The pipeline of this name, the oldest with this configuration, or both; else None.

        Archived ones count. The configuration is a file or a mapping, with overrides as for
        `create`, and is refused where `create` would refuse it; who has the same has the same
        code, too.
        """
        if name is None and config is None:
            raise InvalidError("Say which is meant: find_pipeline(name=...) or (config=...).")
        if config is None:
            names = [name]
        else:
            from tracker.pipelines.creating import find_configured

            found = find_configured(self._place, config, overrides=overrides)
            names = [each for each in found if name in (None, each)]
        from tracker.pipelines.pipeline import Pipeline

        with suppress(NotFoundError):
            return Pipeline(self._place, str(names[0])) if names else None
        return None

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
        metric that none of the runs has, once they have ended. While one of them runs it may
        still come: it has no rows then, and a name that no run of the lab knows is warned of.
        """
        from tracker.registry.frames import histories_frame
        from tracker.registry.listing import find_runs

        with self.database.read() as session:
            ids = find_runs(session, filter=filter, archived=False).ids
            return histories_frame(session, ids, metrics)

    def show(self, name: str) -> dict[str, Any]:
        """Everything about a pipeline or a run: `pipeline` and `run`, or None, by name.

        Of a pipeline its configuration, runs, tags and note; of a run, which may be a pipeline's
        current one, parameters, sessions, phases as a tree, metrics with best and last value,
        checkpoints, artifacts, data and environment.
        """
        from tracker.registry.details import describe

        with self.database.read() as session:
            return describe(session, name)

    def diff(self, *names: str) -> "Differences":
        """What differs between the runs and pipelines of these names; false if nothing does.

        Parameters, code with uncommitted changes as patches, environment, data, and metrics
        with who is better. A pipeline stands for its configuration and its current run.
        """
        from tracker.registry.differences import differences

        with self.database.read() as session:
            return differences(session, names)

    def artifact(self, name: str, artifact: str) -> Path:
        """Where an artifact of a run, or of a pipeline's current run, lies: a file to be read.

        NotFoundError suggests the nearest; DamagedFileError if it is not what was kept.
        """
        from tracker.files import StoredFile
        from tracker.registry.artifacts import find_artifact
        from tracker.registry.details import runs_named

        with self.database.read() as session:
            (run,) = runs_named(session, [name])
            row = find_artifact(session, run.id, artifact)
            file = StoredFile(row.path, row.bytes, row.sha256)
        return self.files.verify(file)

    def matching(
        self,
        name: str,
        *,
        on: Sequence[str] = (),
        filter: str | None = None,  # noqa: A002 - the word everywhere else
        by: Literal["name", "value"] = "name",
    ) -> "pd.DataFrame":
        """What shares which values with a run or a pipeline, those that share the most first.

        Columns `name`, `experiment`, `status`, `shared` (how many values), `of` (how many there
        are) and `values`, a mapping by dotted key. With `by="value"` a row for each value:
        `key`, `value`, `others` (how many have it), `names`. `on` are keys that must be shared.
        """
        import pandas as pd

        from tracker.registry.matching import Match, Matches, SharedValue

        with self.database.read() as session:
            found = Matches(session, name, on=on, filter=filter)
            rows = found.by_name() if by == "name" else found.by_value()
        columns = Match._fields if by == "name" else SharedValue._fields
        return pd.DataFrame.from_records(list(rows), columns=list(columns))

    def group(
        self,
        keys: str | Sequence[str] = (),
        metrics: str | Sequence[str] = (),
        *,
        filter: str | None = None,  # noqa: A002 - the word everywhere else
        pipelines: bool = False,
        sort: str | None = None,
        descending: bool = False,
    ) -> "pd.DataFrame":
        """The runs, or pipelines, in groups that share values: a row for each group and metric.

        Columns: the keys, `metric`, `runs`, `count` (how many have a number), `nan` (how many
        have NaN), and `mean`, `std` (of a sample, n - 1), `min` and `max` of the numbers. Keys
        and metrics are expressions, as `"model.depth"` and `"best(val_loss)"`.
        """
        import pandas as pd

        from tracker.registry.grouping import group

        with self.database.read() as session:
            found = group(
                session,
                [keys] if isinstance(keys, str) else keys,
                [metrics] if isinstance(metrics, str) else metrics,
                of="pipelines" if pipelines else "runs",
                filter=filter,
                sort=sort,
                descending=descending,
            )
        return pd.DataFrame.from_records(found.rows, columns=found.columns)
