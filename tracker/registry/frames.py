"""What was recorded, as DataFrames."""

import json
import warnings
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from tracker.database.kinds import RunStatus
from tracker.database.tables import Experiment, Run
from tracker.errors import NotFoundError
from tracker.registry.curves import SeriesPoints, read_series
from tracker.registry.details import metric_names, unlogged
from tracker.registry.listing import list_pipelines, list_runs
from tracker.registry.run_table import run_table

if TYPE_CHECKING:
    import pandas as pd


def runs_frame(
    session: Session, *, columns: Sequence[str] | None = None, **choice: Any
) -> "pd.DataFrame":
    """The runs that `choice` describes, as `listing.list_runs` takes it: one row a run.

    Without columns, everything: what a run is, its parameters, its metrics' last and best
    values. What is missing is None or NaN.
    """
    import pandas as pd  # noqa: PLC0415 - listing on the command line must not pay for it

    if columns is None:
        return pd.DataFrame(run_table(session, **choice).columns)
    listing = list_runs(session, columns=columns, **choice)
    return pd.DataFrame.from_records(listing.rows, columns=listing.columns)


def pipelines_frame(
    session: Session, *, columns: Sequence[str] | None = None, **choice: Any
) -> "pd.DataFrame":
    """The pipelines that `choice` describes, as `listing.list_pipelines` takes it: a row each."""
    import pandas as pd  # noqa: PLC0415 - as above

    listing = list_pipelines(session, columns=columns, **choice)
    return pd.DataFrame.from_records(listing.rows, columns=listing.columns)


def histories_frame(
    session: Session, run_ids: Iterable[int], metrics: Iterable[str] | None = None
) -> "pd.DataFrame":
    """The points of these runs: `run`, `metric`, `step`, `epoch`, `value`, `time`, a row a point.

    A run is called by its name; by `experiment/name` where another one here has that name.
    Of a metric that has points per epoch and per step, those per epoch. NotFoundError for a
    metric that none of the runs has, once they have ended; before, it has no rows, and one
    that no run of the lab has logged is warned of.
    """
    wanted = list(run_ids)
    if metrics is not None:
        metrics = list(metrics)
        _look_for(session, metrics, wanted)
    points = read_series(session, wanted, metrics, epochs=True, times=True)
    return _points_frame(points, _labels(session, wanted))


def _look_for(session: Session, metrics: Iterable[str], run_ids: Sequence[int]) -> None:
    known = metric_names(session, run_ids)
    for metric in (name for name in metrics if name not in known):
        if not _may_still_come(session, run_ids):
            raise NotFoundError("metric", metric, known)
        words = unlogged(session, metric)
        if words is not None:
            warnings.warn(words, stacklevel=4)


def _may_still_come(session: Session, run_ids: Sequence[int]) -> bool:
    """Whether one of the runs is at work, or none has begun."""
    running = select(Run.id).where(Run.status == RunStatus.RUNNING, Run.id.in_(_listed(run_ids)))
    return not run_ids or session.scalar(running.limit(1)) is not None


def _listed(run_ids: Sequence[int]) -> Any:
    return select(func.json_each(json.dumps(run_ids)).table_valued("value").c.value)


def _points_frame(points: Sequence[SeriesPoints], labels: Mapping[int, str]) -> "pd.DataFrame":
    import numpy as np  # noqa: PLC0415 - as above
    import pandas as pd  # noqa: PLC0415 - as above

    def column(name: str, kind: Any) -> Any:
        arrays = [getattr(series, name) for series in points]
        return np.concatenate(arrays) if arrays else np.empty(0, kind)

    lengths = [len(series.values) for series in points]
    epochs = column("epochs", np.float64)  # NaN where there is none
    no_epoch = np.isnan(epochs)
    epochs[no_epoch] = 0
    return pd.DataFrame(
        {
            "run": _repeated([labels[series.run_id] for series in points], lengths),
            "metric": _repeated([series.name for series in points], lengths),
            "step": column("steps", np.int64),
            "epoch": pd.arrays.IntegerArray(epochs.astype(np.int64), no_epoch),
            "value": column("values", np.float64),
            "time": pd.DatetimeIndex(column("times", np.int64).view("datetime64[ms]"), tz="UTC"),
        },
        copy=False,
    )


def _repeated(values: list[str], lengths: list[int]) -> Any:
    """Each value as often as its series is long."""
    import numpy as np  # noqa: PLC0415 - as above
    import pandas as pd  # noqa: PLC0415 - as above

    whole: Any = pd.Series(values, dtype="str").array
    return whole.take(np.repeat(np.arange(len(values)), lengths))


def _labels(session: Session, run_ids: Sequence[int]) -> dict[int, str]:
    found = session.execute(
        select(Run.id, Run.name, Experiment.name)
        .join(Experiment, Experiment.id == Run.experiment_id)
        .where(Run.id.in_(_listed(run_ids)))
    ).all()
    names = Counter(name for _, name, _ in found)
    return {
        run_id: f"{experiment}/{name}" if names[name] > 1 else name
        for run_id, name, experiment in found
    }
