"""The tables of sweeps: grids, their trials, and the workers that run them."""

import sqlalchemy as sa
from sqlalchemy.orm import Mapped, mapped_column

from tracker.database.kinds import RunStatus
from tracker.database.tables.base import Base, Created, Id, Json, Moment, parent


class Sweep(Base):
    """A grid of configurations."""

    __tablename__ = "sweeps"

    id: Mapped[Id]
    # In the trash, it ends with the moment of that: see `registry.sweeps.trashed`.
    name: Mapped[str] = mapped_column(unique=True)
    experiment_id: Mapped[int] = parent("experiments", ondelete="RESTRICT")
    target: Mapped[str]
    grid: Mapped[Json]  # {"static": {...}, "fields": [...], "grid": ...}
    grid_hash: Mapped[str]
    # The metrics that each trial must bring; NULL: whatever it brings.
    metrics: Mapped[Json | None]
    created: Mapped[Created]
    # Set: no worker takes a trial until somebody resumes it.
    paused: Mapped[Moment | None]
    # Workers that began before leave: after their trial, or once it has been stopped.
    drain_asked: Mapped[Moment | None]
    stop_asked: Mapped[Moment | None]


class Worker(Base):
    """One process that takes trials of a sweep. At work exactly as long as `ended` is NULL."""

    __tablename__ = "workers"
    __table_args__ = (
        sa.Index("ix_workers_open", "sweep_id", sqlite_where=sa.text("ended IS NULL")),
    )

    id: Mapped[Id]
    sweep_id: Mapped[int] = parent("sweeps")
    host: Mapped[str]
    # NULL where the operating system does not tell.
    boot_id: Mapped[str | None]
    pid_namespace: Mapped[str | None]
    pid: Mapped[int]
    process_started: Mapped[float]
    device: Mapped[str | None]  # NULL: none was asked for
    started: Mapped[Created]
    heartbeat: Mapped[Created]
    ended: Mapped[Moment | None]
    # Why it left: "nothing left to do", "asked to stop", "lost", "10 failures in a row".
    exit: Mapped[str | None]


class Trial(Base):
    """One point of a sweep; its run exists once it was started."""

    __tablename__ = "trials"
    __table_args__ = (
        sa.UniqueConstraint("sweep_id", "config_hash"),
        sa.Index("ix_trials_sweep_id_status_position", "sweep_id", "status", "position"),
        # What a worker looks for: it holds nothing else, so taking the next one costs the same
        # at the first and at the ten-thousandth.
        sa.Index("ix_trials_waiting", "sweep_id", "position", sqlite_where=sa.text("waiting")),
    )

    id: Mapped[Id]
    sweep_id: Mapped[int] = mapped_column(sa.ForeignKey("sweeps.id", ondelete="CASCADE"))
    position: Mapped[int]
    config: Mapped[Json]
    config_hash: Mapped[str]
    status: Mapped[RunStatus]
    # Whether a worker may take it, from `due` on (NULL: at once).
    waiting: Mapped[bool] = mapped_column(default=True, server_default=sa.text("1"))
    due: Mapped[Moment | None]
    # How often it was taken. Who writes must name the latest: a lost worker's number is older.
    attempts: Mapped[int] = mapped_column(default=0)
    # Of them, since somebody last asked for it: how many failed, and how many vanished.
    failures: Mapped[int] = mapped_column(default=0, server_default=sa.text("0"))
    losses: Mapped[int] = mapped_column(default=0, server_default=sa.text("0"))
    worker_id: Mapped[int | None] = parent("workers", ondelete="SET NULL")  # NULL: nobody has it
    run_id: Mapped[int | None] = parent("runs", ondelete="SET NULL")
    cancel_asked: Mapped[Moment | None]
    started: Mapped[Moment | None]  # of the latest attempt
    ended: Mapped[Moment | None]
    seconds: Mapped[float | None]  # of all attempts that ended
    reason: Mapped[str | None]
    failure: Mapped[str | None]  # its class: "ValueError", "timeout", "stuck"
    result: Mapped[Json | None]  # what it returned, once it is finished
