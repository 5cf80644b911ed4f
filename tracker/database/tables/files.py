"""What a run keeps in files."""

import sqlalchemy as sa
from sqlalchemy.orm import Mapped, mapped_column

from tracker.database.kinds import CheckpointKind
from tracker.database.tables.base import Base, Created, Id, Moment, RunId, parent


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
    phase_result_id: Mapped[int | None] = parent("phase_results", ondelete="SET NULL")
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
    # The file with the best weights, or with the graph, that this state goes on from; kept as
    # long as this one is.
    best_id: Mapped[int | None] = parent("checkpoints", ondelete="SET NULL")
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


class Leftover(Base):
    """A file that nothing refers to any more, and that is still to be deleted.

    Recorded in the transaction that takes the last reference away; gone once the file is.
    """

    __tablename__ = "leftovers"
    __table_args__ = {"sqlite_with_rowid": False}  # noqa: RUF012 - SQLAlchemy's own declaration

    path: Mapped[str] = mapped_column(primary_key=True)  # relative to the lab
