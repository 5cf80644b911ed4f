"""What can be trained, and what it belongs to."""

import sqlalchemy as sa
from sqlalchemy.orm import Mapped, mapped_column

from tracker.database.tables.base import Base, Created, Id, Json, Moment, parent


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
    __table_args__ = (
        # What is in the trash gives its name free.
        sa.Index("ux_pipelines_name", "name", unique=True, sqlite_where=sa.text("deleted IS NULL")),
    )

    id: Mapped[Id]
    name: Mapped[str]
    experiment_id: Mapped[int] = parent("experiments", ondelete="RESTRICT")
    recipe: Mapped[str]
    config: Mapped[Json]
    # Not unique: `--force` allows a twin. Canonical configuration and components' source.
    config_hash: Mapped[str] = mapped_column(index=True)
    # NULL until the first `train`; the run may be in the trash. No foreign key: runs refer to
    # pipelines, and SQLite cannot order two tables that refer to each other when it drops them.
    current_run_id: Mapped[int | None] = mapped_column(index=True)
    note: Mapped[str | None]
    created: Mapped[Created]
    archived: Mapped[Moment | None]
    deleted: Mapped[Moment | None]  # set: in the trash, and nowhere else to be seen
