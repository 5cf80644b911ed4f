"""The tables of a lab. What is done with them lives in `tracker.registry`."""

from datetime import datetime
from enum import Enum
from typing import Annotated, Any

import sqlalchemy as sa
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column

from tracker.database.kinds import Axis, CheckpointKind, Goal, ParamKind, PhaseKind, RunStatus
from tracker.database.types import UtcDateTime, now

Id = Annotated[int, mapped_column(primary_key=True)]
Created = Annotated[datetime, mapped_column(UtcDateTime, default=now)]
Moment = Annotated[datetime, mapped_column(UtcDateTime)]
Json = Annotated[Any, mapped_column(sa.JSON(none_as_null=True))]


def _parent(table: str, *, ondelete: str = "CASCADE", index: bool = True) -> Any:
    return mapped_column(sa.ForeignKey(f"{table}.id", ondelete=ondelete), index=index)


RunId = Annotated[int, _parent("runs")]


class Base(DeclarativeBase):
    # Alembic can only alter a SQLite constraint that has a name.
    metadata = sa.MetaData(
        naming_convention={
            "pk": "pk_%(table_name)s",
            "uq": "uq_%(table_name)s_%(column_0_N_name)s",
            "fk": "fk_%(table_name)s_%(column_0_N_name)s",
            "ix": "ix_%(table_name)s_%(column_0_N_name)s",
            "ck": "ck_%(table_name)s_%(constraint_name)s",
        }
    )
    type_annotation_map = {  # noqa: RUF012 - SQLAlchemy's own declaration
        # Store "finished", the value, rather than FINISHED, the member's name.
        Enum: sa.Enum(
            Enum,
            native_enum=False,
            length=16,
            values_callable=lambda members: [member.value for member in members],
        )
    }


class Experiment(Base):
    """A named collection of comparable runs with one goal."""

    __tablename__ = "experiments"

    id: Mapped[Id]
    name: Mapped[str] = mapped_column(unique=True)
    description: Mapped[str | None]
    created: Mapped[Created]


class Pipeline(Base):
    """A named, immutable configuration that can be trained."""

    __tablename__ = "pipelines"

    id: Mapped[Id]
    name: Mapped[str] = mapped_column(unique=True)
    experiment_id: Mapped[int] = _parent("experiments", ondelete="RESTRICT")
    recipe: Mapped[str]
    config: Mapped[Json]
    # Not unique: `--force` allows a twin. Canonical configuration and components' source.
    config_hash: Mapped[str] = mapped_column(index=True)
    # NULL until the first `train`. No foreign key: runs refer to pipelines, and SQLite
    # cannot order two tables that refer to each other when it drops them.
    current_run_id: Mapped[int | None] = mapped_column(index=True)
    note: Mapped[str | None]
    created: Mapped[Created]
    archived: Mapped[Moment | None]


class Run(Base):
    """One training history, of a pipeline, a trial, an engine experiment or any code that logs."""

    __tablename__ = "runs"
    __table_args__ = (sa.UniqueConstraint("experiment_id", "name"),)

    id: Mapped[Id]
    uuid: Mapped[str] = mapped_column(unique=True)
    name: Mapped[str]
    # The unique constraint's index begins with it.
    experiment_id: Mapped[int] = _parent("experiments", ondelete="RESTRICT", index=False)
    # NULL for a run that belongs to no pipeline.
    pipeline_id: Mapped[int | None] = _parent("pipelines")
    status: Mapped[RunStatus] = mapped_column(index=True)
    # Why it stands so: "asked to stop", "early stopping at epoch 7", "ValueError: ...".
    reason: Mapped[str | None]
    traceback: Mapped[str | None]
    seed: Mapped[int | None]
    created: Mapped[Created] = mapped_column(index=True)
    started: Mapped[Moment | None]
    ended: Mapped[Moment | None]
    # Progress: the phase's label, and how far it is. NULL before anything was reported.
    phase: Mapped[str | None]
    epoch: Mapped[int | None]
    batch: Mapped[int | None]
    note: Mapped[str | None]


class RunSession(Base):
    """One process working on a run. Running exactly as long as `ended` is NULL."""

    __tablename__ = "sessions"
    __table_args__ = (
        # Who reads first settles the dead: this finds the few to look at.
        sa.Index("ix_sessions_open", "run_id", sqlite_where=sa.text("ended IS NULL")),
    )

    id: Mapped[Id]
    run_id: Mapped[RunId]
    host: Mapped[str]
    # NULL where the operating system does not tell.
    boot_id: Mapped[str | None]
    pid_namespace: Mapped[str | None]
    pid: Mapped[int]
    process_started: Mapped[float]
    command: Mapped[str | None]
    environment_id: Mapped[int | None] = _parent("environments", ondelete="RESTRICT")
    started: Mapped[Created]
    heartbeat: Mapped[Created]
    ended: Mapped[Moment | None]
    # "returned", "raised", "stopped", "lost", "exit 3", "SIGTERM".
    exit: Mapped[str | None]
    stop_asked: Mapped[Moment | None]
    log: Mapped[str | None]  # what a detached process prints, relative to the lab


class Param(Base):
    """One parameter of a run, by dotted key, with its type."""

    __tablename__ = "params"
    __table_args__ = (
        # Finds numbers by range, texts by equality (their `number` is NULL), and the known keys.
        sa.Index("ix_params_key_number_text_kind", "key", "number", "text", "kind"),
        {"sqlite_with_rowid": False},
    )

    run_id: Mapped[int] = mapped_column(
        sa.ForeignKey("runs.id", ondelete="CASCADE"), primary_key=True
    )
    key: Mapped[str] = mapped_column(primary_key=True)
    kind: Mapped[ParamKind]
    # int, float and bool; NULL for the others, and for a NaN.
    number: Mapped[float | None]
    # str and json; also an int that a float cannot hold exactly.
    text: Mapped[str | None]


class Tag(Base):
    """A word on a run or on a pipeline; exactly one of the two is set."""

    __tablename__ = "tags"
    __table_args__ = (
        sa.UniqueConstraint("run_id", "name"),
        sa.UniqueConstraint("pipeline_id", "name"),
        sa.CheckConstraint("(run_id IS NULL) <> (pipeline_id IS NULL)", name="one_owner"),
    )

    id: Mapped[Id]
    name: Mapped[str] = mapped_column(index=True)
    run_id: Mapped[int | None] = _parent("runs", index=False)
    pipeline_id: Mapped[int | None] = _parent("pipelines", index=False)


class PhaseResult(Base):
    """One phase, group or fold of a run's plan, as far as it came."""

    __tablename__ = "phase_results"

    id: Mapped[Id]
    run_id: Mapped[RunId]
    # NULL at the top of the plan.
    parent_id: Mapped[int | None] = _parent("phase_results")
    position: Mapped[int]
    label: Mapped[str]
    kind: Mapped[PhaseKind]
    status: Mapped[RunStatus]
    started: Mapped[Created]
    ended: Mapped[Moment | None]
    epochs: Mapped[int | None]
    batches: Mapped[int | None]
    summary: Mapped[Json | None]
    results_path: Mapped[str | None]


class Series(Base):
    """The points of one metric of one run in one phase, and their summary.

    The summary is true whenever a transaction ends, so that lists and filters read only
    this. NaN counts as a point and in nothing else: `minimum`, `maximum` and `total` are
    over the other points, and NULL (`total`: 0) where there are none.
    """

    __tablename__ = "series"
    __table_args__ = (
        # NULLs are distinct in SQLite, so a run without phases needs the expression.
        sa.Index(
            "ux_series_run_id_name_axis_phase",
            "run_id",
            "name",
            "axis",
            sa.text("coalesce(phase_result_id, 0)"),
            unique=True,
        ),
        # What lists, filters and sorts read, without touching the table.
        sa.Index(
            "ix_series_name_run_id",
            "name",
            "run_id",
            "headline",
            "last",
            "minimum",
            "maximum",
            "last_step",
        ),
    )

    id: Mapped[Id]
    run_id: Mapped[int] = mapped_column(sa.ForeignKey("runs.id", ondelete="CASCADE"))
    # NULL outside of any phase.
    phase_result_id: Mapped[int | None] = _parent("phase_results")
    name: Mapped[str]
    axis: Mapped[Axis]
    # Lists and filters look at headline series: a metric's epoch series where it has any.
    headline: Mapped[bool] = mapped_column(default=True)
    count: Mapped[int] = mapped_column(default=0)
    numbers: Mapped[int] = mapped_column(default=0)  # points that are not NaN
    total: Mapped[float | None] = mapped_column(default=0.0)  # NULL: inf and -inf met
    first: Mapped[float | None]  # NULL: NaN, or no point
    first_step: Mapped[int | None]
    last: Mapped[float | None]  # NULL: NaN, or no point
    last_step: Mapped[int | None]
    minimum: Mapped[float | None]
    minimum_step: Mapped[int | None]  # the first step that reached it
    minimum_epoch: Mapped[int | None]
    maximum: Mapped[float | None]
    maximum_step: Mapped[int | None]
    maximum_epoch: Mapped[int | None]


class Metric(Base):
    """One point. NULL as value means NaN and nothing else; a missing point has no row."""

    __tablename__ = "metrics"
    # The primary key is the table: reading one curve is a single range scan.
    __table_args__ = {"sqlite_with_rowid": False}  # noqa: RUF012 - SQLAlchemy's own declaration

    series_id: Mapped[int] = mapped_column(
        sa.ForeignKey("series.id", ondelete="CASCADE"), primary_key=True
    )
    # Counts on over the whole run.
    step: Mapped[int] = mapped_column(primary_key=True)
    epoch: Mapped[int | None]  # NULL: not said
    value: Mapped[float | None]
    time: Mapped[int]  # milliseconds since 1970, UTC


class MetricGoal(Base):
    """Whether a metric is better low or high, where somebody has said so."""

    __tablename__ = "goals"

    metric: Mapped[str] = mapped_column(primary_key=True)
    goal: Mapped[Goal]


class Checkpoint(Base):
    """One file that can be gone back to."""

    __tablename__ = "checkpoints"
    __table_args__ = (
        sa.Index(
            "ux_checkpoints_path", "path", unique=True, sqlite_where=sa.text("removed IS NULL")
        ),
    )

    id: Mapped[Id]
    run_id: Mapped[RunId]
    phase_result_id: Mapped[int | None] = _parent("phase_results", ondelete="SET NULL")
    name: Mapped[str]
    kind: Mapped[CheckpointKind]
    step: Mapped[int | None]
    epoch: Mapped[int | None]
    batch: Mapped[int | None]
    path: Mapped[str]  # relative to the lab
    bytes: Mapped[int]
    sha256: Mapped[str]
    metric: Mapped[str | None]  # what was monitored, and its value at saving
    value: Mapped[float | None]
    # The newest phase result there was: later ones are undone by going back to this file.
    newest_phase_id: Mapped[int | None]
    # The `best` file that this state goes on from; kept as long as this one is.
    best_id: Mapped[int | None] = _parent("checkpoints", ondelete="SET NULL")
    pinned: Mapped[bool] = mapped_column(default=False)
    created: Mapped[Created]
    # Set: the run went on from an earlier one, so nothing goes on from here unasked.
    abandoned: Mapped[Moment | None]
    removed: Mapped[Moment | None]  # set: the file is gone, on purpose


class Artifact(Base):
    """A file that a run keeps."""

    __tablename__ = "artifacts"
    __table_args__ = (sa.UniqueConstraint("run_id", "name"),)

    id: Mapped[Id]
    run_id: Mapped[int] = mapped_column(sa.ForeignKey("runs.id", ondelete="CASCADE"))
    name: Mapped[str]
    path: Mapped[str]  # relative to the lab
    bytes: Mapped[int]
    sha256: Mapped[str]
    media_type: Mapped[str]
    created: Mapped[Created]


class Environment(Base):
    """What code ran where; shared by all sessions that ran in the same one."""

    __tablename__ = "environments"

    id: Mapped[Id]
    hash: Mapped[str] = mapped_column(unique=True)
    git_commit: Mapped[str | None]  # NULL: not in a repository
    git_branch: Mapped[str | None]  # NULL: detached, or not in a repository
    patch: Mapped[str | None]  # NULL: the working tree was clean
    python: Mapped[str]
    packages: Mapped[Json]  # {name: version}
    host: Mapped[str]
    platform: Mapped[str]
    cpu: Mapped[str]
    gpu: Mapped[str | None]
    created: Mapped[Created]


class Dataset(Base):
    """Data that runs saw, by content."""

    __tablename__ = "datasets"
    __table_args__ = (sa.UniqueConstraint("name", "fingerprint"),)

    id: Mapped[Id]
    name: Mapped[str]
    fingerprint: Mapped[str]
    rows: Mapped[int]
    columns: Mapped[Json]  # names, in order
    created: Mapped[Created]


class RunDataset(Base):
    __tablename__ = "run_datasets"

    run_id: Mapped[int] = mapped_column(
        sa.ForeignKey("runs.id", ondelete="CASCADE"), primary_key=True
    )
    dataset_id: Mapped[int] = mapped_column(
        sa.ForeignKey("datasets.id", ondelete="RESTRICT"), primary_key=True, index=True
    )


class Sweep(Base):
    """A grid of configurations."""

    __tablename__ = "sweeps"

    id: Mapped[Id]
    name: Mapped[str] = mapped_column(unique=True)
    experiment_id: Mapped[int] = _parent("experiments", ondelete="RESTRICT")
    target: Mapped[str]
    grid: Mapped[Json]
    grid_hash: Mapped[str]
    created: Mapped[Created]


class Trial(Base):
    """One point of a sweep; its run exists once it was started."""

    __tablename__ = "trials"
    __table_args__ = (
        sa.UniqueConstraint("sweep_id", "config_hash"),
        sa.Index("ix_trials_sweep_id_status_position", "sweep_id", "status", "position"),
    )

    id: Mapped[Id]
    sweep_id: Mapped[int] = mapped_column(sa.ForeignKey("sweeps.id", ondelete="CASCADE"))
    position: Mapped[int]
    config: Mapped[Json]
    config_hash: Mapped[str]
    status: Mapped[RunStatus]
    attempts: Mapped[int] = mapped_column(default=0)
    worker: Mapped[str | None]  # NULL: nobody holds it
    lease: Mapped[Moment | None]
    run_id: Mapped[int | None] = _parent("runs", ondelete="SET NULL")
