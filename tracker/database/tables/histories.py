"""What was measured: phases, series and their points."""

import sqlalchemy as sa
from sqlalchemy.orm import Mapped, mapped_column

from tracker.database.kinds import Axis, Goal, PhaseKind, RunStatus
from tracker.database.tables.base import Base, Created, Id, Json, Moment, RunId, parent


class PhaseResult(Base):
    """One phase, group or fold of a run's plan, as far as it came."""

    __tablename__ = "phase_results"

    id: Mapped[Id]
    run_id: Mapped[RunId]
    # NULL at the top of the plan.
    parent_id: Mapped[int | None] = parent("phase_results")
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
    phase_result_id: Mapped[int | None] = parent("phase_results")
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
