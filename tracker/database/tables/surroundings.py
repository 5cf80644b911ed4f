"""What runs ran with: code, packages, machine and data."""

import sqlalchemy as sa
from sqlalchemy.orm import Mapped, mapped_column

from tracker.database.tables.base import Base, Created, Id, Json


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
