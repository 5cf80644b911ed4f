"""A trash for pipelines and runs, archived runs, and files that are still to be deleted."""

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None

_VISIBLE = sa.text("deleted IS NULL")


def upgrade() -> None:
    _pipelines()
    _runs()
    # So that the id of a session that is gone never comes again.
    with op.batch_alter_table(
        "sessions", recreate="always", table_kwargs={"sqlite_autoincrement": True}
    ):
        pass
    op.create_table(
        "leftovers",
        sa.Column("path", sa.String(), nullable=False),
        sa.PrimaryKeyConstraint("path", name="pk_leftovers"),
        sqlite_with_rowid=False,
    )


def _pipelines() -> None:
    with op.batch_alter_table("pipelines") as table:
        table.drop_constraint("uq_pipelines_name", type_="unique")
        table.add_column(sa.Column("deleted", sa.DateTime()))
    op.create_index("ux_pipelines_name", "pipelines", ["name"], unique=True, sqlite_where=_VISIBLE)


def _runs() -> None:
    with op.batch_alter_table("runs") as table:
        table.drop_constraint("uq_runs_experiment_id_name", type_="unique")
        table.add_column(sa.Column("archived", sa.DateTime()))
        table.add_column(sa.Column("deleted", sa.DateTime()))
    op.create_index(
        "ux_runs_experiment_id_name",
        "runs",
        ["experiment_id", "name"],
        unique=True,
        sqlite_where=_VISIBLE,
    )
    # The unique index, which is not of all rows, cannot tell whether an experiment is empty.
    op.create_index("ix_runs_experiment_id", "runs", ["experiment_id"])
    op.create_index(
        "ix_runs_deleted", "runs", ["deleted"], sqlite_where=sa.text("deleted IS NOT NULL")
    )
    # Until now a run was archived exactly when its pipeline was.
    op.execute(
        "UPDATE runs SET archived ="
        " (SELECT archived FROM pipelines WHERE pipelines.id = runs.pipeline_id)"
    )
