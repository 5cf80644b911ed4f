"""Grids of configurations, and their points."""

import sqlalchemy as sa
from sqlalchemy.orm import Mapped, mapped_column

from tracker.database.kinds import RunStatus
from tracker.database.tables.base import Base, Created, Id, Json, Moment, parent


class Sweep(Base):
    """A grid of configurations."""

    __tablename__ = "sweeps"

    id: Mapped[Id]
    name: Mapped[str] = mapped_column(unique=True)
    experiment_id: Mapped[int] = parent("experiments", ondelete="RESTRICT")
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
    run_id: Mapped[int | None] = parent("runs", ondelete="SET NULL")
