"""Everything about one run or one pipeline, as plain values to show or to write as JSON."""

import math
from collections.abc import Iterable
from contextlib import suppress
from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import Session

from tracker.database.kinds import Goal, RunStatus
from tracker.database.tables import (
    Artifact,
    Base,
    Dataset,
    Environment,
    Experiment,
    PhaseResult,
    Pipeline,
    Run,
    RunDataset,
    RunSession,
    Series,
)
from tracker.errors import NotFoundError, StateError, did_you_mean
from tracker.filters.goals import known_goal, said_goals
from tracker.registry.checkpoints import checkpoints_of
from tracker.registry.params import read_params
from tracker.registry.phases import phases_of
from tracker.registry.pipelines import all_names, current_run, find_pipeline, runs_of_pipeline
from tracker.registry.runs import find_run, newest_names
from tracker.registry.sessions import sessions_of
from tracker.registry.tags import tags_of_pipelines, tags_of_runs
from tracker.registry.vanished import dead_sessions

Details = dict[str, Any]

CHECKPOINT_COLUMNS = (
    *("name", "kind", "epoch", "batch", "step", "bytes", "metric", "value"),
    *("pinned", "abandoned", "created", "path", "sha256"),
)


def find_named(session: Session, name: str) -> Pipeline | Run:
    """The pipeline of this name, else the run; NotFoundError suggests the nearest of both."""
    with suppress(NotFoundError):
        return find_pipeline(session, name)
    try:
        return find_run(session, name)
    except NotFoundError:
        known = {*all_names(session), *newest_names(session)}
        raise NotFoundError("pipeline or run", name, known) from None


def tag_owner(of: Pipeline | Run) -> dict[str, int]:
    """Whose tags they are, as `add_tags` and `remove_tags` take it."""
    return {"run_id": of.id} if isinstance(of, Run) else {"pipeline_id": of.id}


def describe(session: Session, name: str) -> Details:
    """What `name` means: `pipeline` and `run` are what is known of them, or None.

    A pipeline comes with its current run.
    """
    found = find_named(session, name)
    if isinstance(found, Run):
        return {"pipeline": None, "run": run_details(session, found)}
    run = current_run(session, found)
    return {
        "pipeline": pipeline_details(session, found),
        "run": None if run is None else run_details(session, run),
    }


def runs_named(session: Session, names: Iterable[str]) -> list[Run]:
    """The runs of these names, each once; a pipeline stands for its current one."""
    found: dict[int, Run] = {}
    for name in names:
        named = find_named(session, name)
        run = named if isinstance(named, Run) else current_run(session, named)
        if run is None:
            raise StateError(f"Pipeline {name!r} was never trained: `labkeeper train {name}`.")
        found[run.id] = run
    return list(found.values())


def run_details(session: Session, run: Run) -> Details:
    """What is known of the run: itself, parameters, sessions, phases, metrics, files, data.

    A run whose process has vanished is `lost`, although nobody has recorded that yet.
    """
    return {
        **_values(run, "name", "uuid"),
        "experiment": experiment_name(session, run),
        "pipeline": _pipeline_name(session, run),
        **_values(run, "seed", "created", "started", "ended"),
        **_values(run, "phase", "epoch", "batch", "note"),
        "tags": tags_of_runs(session, [run.id])[run.id],
        "parameters": read_params(session, [run.id])[run.id],
        "metrics": metric_summaries(session, run.id),
        "phases": _tree(phases_of(session, run.id)),
        "checkpoints": checkpoint_details(session, run.id),
        "artifacts": _artifacts(session, run.id),
        "data": data_seen(session, run.id),
        "sessions": _sessions(session, run.id),
        "environment": environment_of(session, run.id),
        "traceback": run.traceback,
        **standing_of(session, run),
    }


def pipeline_details(session: Session, pipeline: Pipeline) -> Details:
    """What is known of the pipeline: its configuration, and its runs by name and status."""
    current = current_run(session, pipeline)
    return {
        "name": pipeline.name,
        "experiment": experiment_name(session, pipeline),
        **_values(pipeline, "recipe", "created", "archived", "note"),
        "tags": tags_of_pipelines(session, [pipeline.id])[pipeline.id],
        "configuration": pipeline.config,
        "configuration_hash": pipeline.config_hash,
        "runs": [
            _values(run, "name", "uuid", "created")
            | standing_of(session, run)
            | {"current": run is current}
            for run in runs_of_pipeline(session, pipeline.id)
        ],
    }


def metric_summaries(session: Session, run_id: int) -> list[Details]:
    """Best and last of each metric, once per phase; NaN is NaN, and never the best.

    Where it is not known whether high or low is better, there is no best.
    """
    goals = said_goals(session)
    rows = session.execute(
        select(Series, PhaseResult.label)
        .outerjoin(PhaseResult, PhaseResult.id == Series.phase_result_id)
        .where(Series.run_id == run_id, Series.headline, Series.count > 0)
        .order_by(Series.name, Series.phase_result_id)
    )
    return [
        _summary(series, label, goals.get(series.name) or known_goal(series.name))
        for series, label in rows
    ]


def metric_names(session: Session, run_ids: Iterable[int]) -> set[str]:
    """The metrics that any of the runs has logged."""
    ids = list(run_ids)
    return {
        name
        for start in range(0, len(ids), 10_000)
        for name in session.scalars(
            select(Series.name).where(Series.run_id.in_(ids[start : start + 10_000])).distinct()
        )
    }


def unlogged(session: Session, metric: str) -> str | None:
    """What to say of a metric that no run of the lab has logged; None if one has."""
    known = set(session.scalars(select(Series.name).distinct()))
    if metric in known:
        return None
    return f"No run has logged a metric {metric!r} yet.{did_you_mean(metric, known)}"


def metric_goals(session: Session) -> list[Details]:
    """Each metric that was logged or spoken of: whether it is better low or high, and who says."""
    said = said_goals(session)
    logged = session.scalars(select(Series.name).distinct())
    return [
        {
            "metric": name,
            "goal": said.get(name) or known_goal(name),
            "known_by": "set" if name in said else "name" if known_goal(name) else None,
        }
        for name in sorted({*logged, *said})
    ]


def experiment_name(session: Session, of: Run | Pipeline) -> str:
    """The name of the experiment that a run or a pipeline belongs to."""
    return session.get_one(Experiment, of.experiment_id).name


def checkpoint_details(session: Session, run_id: int) -> list[Details]:
    """The checkpoints whose files are there, newest first."""
    return [
        _values(row, *CHECKPOINT_COLUMNS) | {"abandoned": row.abandoned is not None}
        for row in checkpoints_of(session, run_id)
    ]


_BEST = {
    Goal.MIN: ("minimum", "minimum_step", "minimum_epoch"),
    Goal.MAX: ("maximum", "maximum_step", "maximum_epoch"),
}


def standing_of(session: Session, run: Run) -> Details:
    """Status and reason; a run whose process has vanished is `lost`, recorded or not."""
    dead = dead_sessions(session, run.id) if run.status is RunStatus.RUNNING else ()
    if dead:
        return {"status": RunStatus.LOST, "reason": dead[-1].reason}
    return _values(run, "status", "reason")


def _summary(series: Series, phase: str | None, goal: Goal | None) -> Details:
    best, step, epoch = (getattr(series, name) for name in _BEST[goal]) if goal else [None] * 3
    return {
        "metric": series.name,
        "phase": phase,
        "goal": goal,
        "best": best,
        "best_epoch": epoch,
        "best_step": step,
        "last": math.nan if series.last is None else series.last,
        "last_step": series.last_step,
        "points": series.count,
    }


def _tree(phases: Iterable[PhaseResult]) -> list[Details]:
    """The phases inside their groups, each level in the order of the plan."""
    nodes: dict[int, Details] = {}
    roots: list[Details] = []
    for phase in phases:  # A group began before what is in it.
        node = _values(phase, "label", "kind", "status", "epochs", "batches")
        node |= _values(phase, "started", "ended", "summary") | {"phases": []}
        nodes[phase.id] = node
        parent = nodes.get(phase.parent_id or 0)
        (parent["phases"] if parent else roots).append(node)
    return roots


def _artifacts(session: Session, run_id: int) -> list[Details]:
    rows = session.scalars(
        select(Artifact).where(Artifact.run_id == run_id).order_by(Artifact.name)
    )
    return [_values(row, "name", "media_type", "bytes", "created", "path") for row in rows]


def data_seen(session: Session, run_id: int) -> list[Details]:
    """Names, sizes and fingerprints of the data that the run saw, by name."""
    rows = session.scalars(
        select(Dataset)
        .join(RunDataset, RunDataset.dataset_id == Dataset.id)
        .where(RunDataset.run_id == run_id)
        .order_by(Dataset.name)
    )
    return [_values(row, "name", "rows", "columns", "fingerprint") for row in rows]


def _sessions(session: Session, run_id: int) -> list[Details]:
    wanted = ("host", "pid", "command", "started", "heartbeat", "ended", "exit", "log")
    return [_values(row, *wanted) for row in sessions_of(session, run_id)]


def environment_of(session: Session, run_id: int) -> Details | None:
    """Where the newest session that knows ran."""
    found = session.scalars(
        select(Environment)
        .join(RunSession, RunSession.environment_id == Environment.id)
        .where(RunSession.run_id == run_id)
        .order_by(RunSession.id.desc())
        .limit(1)
    ).first()
    wanted = ("git_commit", "git_branch", "patch", "python", "host", "platform", "cpu", "gpu")
    return None if found is None else _values(found, *wanted, "packages")


def _pipeline_name(session: Session, run: Run) -> str | None:
    return None if run.pipeline_id is None else session.get_one(Pipeline, run.pipeline_id).name


def _values(row: Base, *names: str) -> Details:
    return {name: getattr(row, name) for name in names}
