"""Histories as tables: one row per point, or one per step with a column per metric."""

import math
from collections import Counter
from collections.abc import Collection, Sequence
from datetime import UTC, datetime
from itertools import islice
from pathlib import Path
from typing import NamedTuple

from sqlalchemy.orm import Session

from tracker.cli.output import Form, Table, table_lines
from tracker.errors import InvalidError, NotFoundError, unusable
from tracker.files.durable import write_whole
from tracker.registry.details import experiment_name, metric_names, runs_named
from tracker.registry.listing import find_runs
from tracker.registry.metrics import history
from tracker.registry.runs import get_run

EPOCH = "epoch"
PARQUET = ".parquet"
SUFFIXES = (*(f".{form}" for form in Form), PARQUET)


class Point(NamedTuple):
    """One value of one metric of one run."""

    run: str
    metric: str
    step: int
    epoch: int | None
    value: float
    time: datetime


def read_points(
    session: Session, names: Sequence[str], filter_: str | None, metrics: Collection[str]
) -> list[Point]:
    """The points of the named runs and of those that the filter describes.

    In the order of the runs, then by metric and step. NotFoundError for a metric that none
    of them logged.
    """
    labels = _labels(session, names, filter_)
    known = metric_names(session, labels)
    for metric in metrics:
        if metric not in known:
            raise NotFoundError("metric", metric, known)
    found = history(session, labels, metrics or None)
    values = iter(found.points)
    points = [
        Point(
            labels[series.run_id],
            series.name,
            step,
            epoch,
            math.nan if value is None else value,
            datetime.fromtimestamp(time / 1000, UTC),
        )
        for series in found.series
        for step, epoch, value, time in islice(values, series.length)
    ]
    places = {label: place for place, label in enumerate(labels.values())}
    return sorted(points, key=lambda point: places[point.run])


def long_table(points: Sequence[Point]) -> Table:
    """A row per point."""
    return Table(Point._fields, points)


def wide_table(points: Sequence[Point]) -> Table:
    """A row per run and step, with a column for each metric; None where it has no point."""
    metrics = list(dict.fromkeys(point.metric for point in points))
    places = {run: place for place, run in enumerate(dict.fromkeys(point.run for point in points))}
    runs = list(places)
    epochs: dict[tuple[int, int], int | None] = {}
    values: dict[tuple[int, int], dict[str, float]] = {}
    for point in points:
        row = places[point.run], point.step
        values.setdefault(row, {})[point.metric] = point.value
        epochs[row] = epochs.get(row) if point.epoch is None else point.epoch
    return Table(
        ["run", EPOCH, "step", *metrics],
        [
            (runs[row[0]], epochs[row], row[1], *map(values[row].get, metrics))
            for row in sorted(values)
        ],
    )


def check_output(path: Path) -> None:
    """Refuses a kind of file that points are not written to, and a place that is not there."""
    if path.suffix.lower() not in SUFFIXES:
        raise InvalidError(
            f"Cannot write points to {str(path)!r}: the name must end in {', '.join(SUFFIXES)}."
        )
    if not path.absolute().parent.is_dir():
        raise InvalidError(
            f"Cannot write points to {str(path)!r}: there is no directory {str(path.parent)!r}."
        )


def save_table(table: Table, path: Path) -> None:
    """Writes the table in the form that the name's ending says; whole, or not at all."""
    check_output(path)
    kind = path.suffix.lower()
    try:
        if kind == PARQUET:
            write_whole(path, lambda aside: _write_parquet(table, aside))
        else:
            text = "".join(f"{line}\n" for line in table_lines(table, Form(kind[1:])))
            write_whole(path, lambda aside: aside.write_text(text, encoding="utf-8"))
    except OSError as error:
        raise unusable(path, error) from error


def _labels(session: Session, names: Sequence[str], filter_: str | None) -> dict[int, str]:
    """What each run is called: its name, with the experiment before it if that does not tell."""
    runs = {run.id: run for run in runs_named(session, names)}
    if filter_ is not None:
        described = find_runs(session, filter=filter_).ids
        runs |= {run_id: get_run(session, run_id) for run_id in described}
    often = Counter(run.name for run in runs.values())
    return {
        run.id: run.name if often[run.name] == 1 else f"{experiment_name(session, run)}/{run.name}"
        for run in runs.values()
    }


def _write_parquet(table: Table, path: Path) -> None:
    import pyarrow as pa
    from pyarrow import parquet

    types = {"run": pa.string(), "metric": pa.string(), "step": pa.int64(), EPOCH: pa.int64()}
    types["time"] = pa.timestamp("ms", tz="UTC")
    columns = list(zip(*table.rows, strict=True)) or [()] * len(table.columns)
    arrays = [
        # NaN stays NaN: only what is missing is null.
        pa.array(values, types.get(name, pa.float64()), from_pandas=False)
        for name, values in zip(table.columns, columns, strict=True)
    ]
    parquet.write_table(pa.table(arrays, names=list(table.columns)), path)
