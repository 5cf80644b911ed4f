"""A lab's sweep as a log."""

from collections.abc import Iterable, Mapping, Sequence
from datetime import timedelta
from typing import Any

from sqlalchemy.orm import Session

from tracker.pipelines.identity import canonical
from tracker.registry.sweeps.logs import TrialRecord, curves, trial_records
from tracker.sweeps.config import Config
from tracker.sweeps.log.run_info import RunInfo
from tracker.sweeps.log.table import Row, Table

STATUS = "status"
INFOS = (*RunInfo.infos, STATUS)


def table_of_sweep(
    session: Session,
    sweep_id: int,
    grid: Mapping[str, Any],
    *,
    numbers: Sequence[int] | None,
    whole_curves: bool,
) -> Table:
    """The sweep's trials, or those with these numbers, one row each.

    `grid` is as the sweep's row has it. A metric is a list, one value a step, if any trial has
    more than one point of it; without `whole_curves`, its last value.
    """
    trials = trial_records(session, sweep_id, numbers)
    run_ids = [trial.run_id for trial in trials if trial.run_id is not None]
    logged = curves(session, run_ids)
    static = _shared(grid["static"], trials)
    fields = _fields(grid["fields"], trials, static)
    lists = {name for found in logged.values() for name, curve in found.items() if len(curve) > 1}
    taken = {*static, *fields, *INFOS}
    rows = []
    for trial in trials:
        metrics = _metrics(trial, logged.get(trial.run_id or 0, {}), lists if whole_curves else ())
        config = Config({field: trial.config[field] for field in fields if field in trial.config})
        # As everywhere: a metric that is called like another field is told apart.
        results = {f"metrics.{n}" if n in taken else n: value for n, value in metrics.items()}
        rows.append(Row(config, _infos(trial) | results))
    return Table(Config(static), tuple(fields), INFOS).with_rows(rows)


def _metrics(
    trial: TrialRecord, logged: Mapping[str, list[float]], lists: Iterable[str]
) -> dict[str, Any]:
    """What the trial brought: its curves, over what it returned, over the last logged values."""
    last = {name: curve[-1] for name, curve in logged.items()}
    whole = {name: curve for name, curve in logged.items() if name in lists}
    returned = {name: value for name, value in trial.result.items() if name not in RunInfo.infos}
    return last | returned | whole


def _infos(trial: TrialRecord) -> dict[str, Any]:
    seconds = None if trial.seconds is None else timedelta(seconds=trial.seconds)
    # What was taken in from a file knows its commit as a result only.
    commit = trial.commit or trial.result.get("commit_hash")
    infos = {"datetime": trial.moment, "duration": seconds, "commit_hash": commit}
    return {name: value for name, value in infos.items() if value is not None} | {
        STATUS: str(trial.status)
    }


def _shared(static: Mapping[str, Any], trials: Sequence[TrialRecord]) -> dict[str, Any]:
    """What the sweep says of all its trials, where that holds: its grid may have changed."""
    return {
        name: value
        for name, value in static.items()
        if all(name in trial.config and _same(trial.config[name], value) for trial in trials)
    }


def _same(one: Any, other: Any) -> bool:
    quick = isinstance(one, str) and isinstance(other, str)
    return one == other if quick else canonical(one) == canonical(other)


def _fields(
    fields: Sequence[str], trials: Sequence[TrialRecord], static: Mapping[str, Any]
) -> list[str]:
    others = (name for trial in trials for name in trial.config)
    return [name for name in dict.fromkeys([*fields, *others]) if name not in static]
