"""Workers of sweeps, and what the queue of trials needs to know."""

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "workers",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("sweep_id", sa.Integer(), nullable=False),
        sa.Column("host", sa.String(), nullable=False),
        sa.Column("boot_id", sa.String()),
        sa.Column("pid_namespace", sa.String()),
        sa.Column("pid", sa.Integer(), nullable=False),
        sa.Column("process_started", sa.Double(), nullable=False),
        sa.Column("device", sa.String()),
        sa.Column("started", sa.DateTime(), nullable=False),
        sa.Column("heartbeat", sa.DateTime(), nullable=False),
        sa.Column("ended", sa.DateTime()),
        sa.Column("exit", sa.String()),
        sa.ForeignKeyConstraint(
            ["sweep_id"], ["sweeps.id"], name="fk_workers_sweep_id", ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("id", name="pk_workers"),
    )
    op.create_index("ix_workers_sweep_id", "workers", ["sweep_id"])
    op.create_index(
        "ix_workers_open", "workers", ["sweep_id"], sqlite_where=sa.text("ended IS NULL")
    )
    with op.batch_alter_table("sweeps", recreate="always") as table:
        table.add_column(sa.Column("metrics", sa.JSON()))
        table.add_column(sa.Column("paused", sa.DateTime()))
        table.add_column(sa.Column("drain_asked", sa.DateTime()))
        table.add_column(sa.Column("stop_asked", sa.DateTime()))
    _trials()


def _trials() -> None:
    with op.batch_alter_table("trials", recreate="always") as table:
        table.drop_column("worker")
        table.drop_column("lease")
        table.add_column(
            sa.Column("waiting", sa.Boolean(), nullable=False, server_default=sa.text("1"))
        )
        table.add_column(sa.Column("due", sa.DateTime()))
        table.add_column(
            sa.Column("failures", sa.Integer(), nullable=False, server_default=sa.text("0"))
        )
        table.add_column(
            sa.Column("losses", sa.Integer(), nullable=False, server_default=sa.text("0"))
        )
        table.add_column(sa.Column("worker_id", sa.Integer()))
        table.add_column(sa.Column("cancel_asked", sa.DateTime()))
        table.add_column(sa.Column("started", sa.DateTime()))
        table.add_column(sa.Column("ended", sa.DateTime()))
        table.add_column(sa.Column("seconds", sa.Double()))
        table.add_column(sa.Column("reason", sa.String()))
        table.add_column(sa.Column("failure", sa.String()))
        table.add_column(sa.Column("result", sa.JSON()))
        table.create_foreign_key(
            "fk_trials_worker_id", "workers", ["worker_id"], ["id"], ondelete="SET NULL"
        )
    op.create_index("ix_trials_worker_id", "trials", ["worker_id"])
    op.create_index(
        "ix_trials_waiting", "trials", ["sweep_id", "position"], sqlite_where=sa.text("waiting")
    )
    op.execute("UPDATE trials SET waiting = 0 WHERE status IN ('finished', 'failed')")
    # Nobody ran trials yet: one that says so was written by a tool that is gone.
    op.execute("UPDATE trials SET status = 'lost' WHERE status = 'running'")
