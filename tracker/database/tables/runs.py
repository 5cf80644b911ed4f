"""What ran: runs, the processes that worked on them, and what is said of them."""

import sqlalchemy as sa
from sqlalchemy.orm import Mapped, mapped_column

from tracker.database.kinds import ParamKind, RunStatus
from tracker.database.tables.base import Base, Created, Id, Moment, RunId, parent


class Run(Base):
    """One training history, of a pipeline, a trial, an engine experiment or any code that logs."""

    __tablename__ = "runs"
    __table_args__ = (
        # What is in the trash gives its name free.
        sa.Index(
            "ux_runs_experiment_id_name",
            "experiment_id",
            "name",
            unique=True,
            sqlite_where=sa.text("deleted IS NULL"),
        ),
        sa.Index("ix_runs_deleted", "deleted", sqlite_where=sa.text("deleted IS NOT NULL")),
    )

    id: Mapped[Id]
    uuid: Mapped[str] = mapped_column(unique=True)
    name: Mapped[str]
    experiment_id: Mapped[int] = parent("experiments", ondelete="RESTRICT")
    # NULL for a run that belongs to no pipeline.
    pipeline_id: Mapped[int | None] = parent("pipelines")
    status: Mapped[RunStatus] = mapped_column(index=True)
    # Why it stands so: "asked to stop", "early stopping after 7 epochs", "ValueError: ...".
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
    archived: Mapped[Moment | None]
    # Set: in the trash, and nowhere else to be seen. Equal to its pipeline's moment if it went
    # there with the pipeline, and comes back with it.
    deleted: Mapped[Moment | None]


class RunSession(Base):
    """One process working on a run. Running exactly as long as `ended` is NULL."""

    __tablename__ = "sessions"
    __table_args__ = (
        # Who reads first settles the dead: this finds the few to look at.
        sa.Index("ix_sessions_open", "run_id", sqlite_where=sa.text("ended IS NULL")),
        # The id of one that is gone never comes again: a process that was wrongly taken for
        # dead, and whose run was purged, must not take another's session for its own.
        {"sqlite_autoincrement": True},
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
    environment_id: Mapped[int | None] = parent("environments", ondelete="RESTRICT")
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
    run_id: Mapped[int | None] = parent("runs", index=False)
    pipeline_id: Mapped[int | None] = parent("pipelines", index=False)
