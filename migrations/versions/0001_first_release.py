"""Every table of the first release."""

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None


def upgrade() -> None:
    _experiments()
    _pipelines_and_sweeps()
    _runs()
    _sessions()
    _phases()
    _metrics()
    _files()
    _trials()


def _refers(table: str, column: str, parent: str, on_delete: str) -> sa.ForeignKeyConstraint:
    name = f"fk_{table}_{column}"
    return sa.ForeignKeyConstraint([column], [f"{parent}.id"], name=name, ondelete=on_delete)


def _experiments() -> None:
    op.create_table(
        "experiments",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("name", sa.String(), nullable=False),
        sa.Column("description", sa.String()),
        sa.Column("created", sa.DateTime(), nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_experiments"),
        sa.UniqueConstraint("name", name="uq_experiments_name"),
    )

    op.create_table(
        "goals",
        sa.Column("metric", sa.String(), nullable=False),
        sa.Column("goal", sa.String(16), nullable=False),
        sa.PrimaryKeyConstraint("metric", name="pk_goals"),
    )

    op.create_table(
        "environments",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("hash", sa.String(), nullable=False),
        sa.Column("git_commit", sa.String()),
        sa.Column("git_branch", sa.String()),
        sa.Column("patch", sa.String()),
        sa.Column("python", sa.String(), nullable=False),
        sa.Column("packages", sa.JSON(), nullable=False),
        sa.Column("host", sa.String(), nullable=False),
        sa.Column("platform", sa.String(), nullable=False),
        sa.Column("cpu", sa.String(), nullable=False),
        sa.Column("gpu", sa.String()),
        sa.Column("created", sa.DateTime(), nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_environments"),
        sa.UniqueConstraint("hash", name="uq_environments_hash"),
    )

    op.create_table(
        "datasets",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("name", sa.String(), nullable=False),
        sa.Column("fingerprint", sa.String(), nullable=False),
        sa.Column("rows", sa.Integer(), nullable=False),
        sa.Column("columns", sa.JSON(), nullable=False),
        sa.Column("created", sa.DateTime(), nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_datasets"),
        sa.UniqueConstraint("name", "fingerprint", name="uq_datasets_name_fingerprint"),
    )


def _pipelines_and_sweeps() -> None:
    op.create_table(
        "pipelines",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("name", sa.String(), nullable=False),
        sa.Column("experiment_id", sa.Integer(), nullable=False),
        sa.Column("recipe", sa.String(), nullable=False),
        sa.Column("config", sa.JSON(), nullable=False),
        sa.Column("config_hash", sa.String(), nullable=False),
        sa.Column("current_run_id", sa.Integer()),
        sa.Column("note", sa.String()),
        sa.Column("created", sa.DateTime(), nullable=False),
        sa.Column("archived", sa.DateTime()),
        _refers("pipelines", "experiment_id", "experiments", "RESTRICT"),
        sa.PrimaryKeyConstraint("id", name="pk_pipelines"),
        sa.UniqueConstraint("name", name="uq_pipelines_name"),
    )
    op.create_index("ix_pipelines_config_hash", "pipelines", ["config_hash"])
    op.create_index("ix_pipelines_current_run_id", "pipelines", ["current_run_id"])
    op.create_index("ix_pipelines_experiment_id", "pipelines", ["experiment_id"])

    op.create_table(
        "sweeps",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("name", sa.String(), nullable=False),
        sa.Column("experiment_id", sa.Integer(), nullable=False),
        sa.Column("target", sa.String(), nullable=False),
        sa.Column("grid", sa.JSON(), nullable=False),
        sa.Column("grid_hash", sa.String(), nullable=False),
        sa.Column("created", sa.DateTime(), nullable=False),
        _refers("sweeps", "experiment_id", "experiments", "RESTRICT"),
        sa.PrimaryKeyConstraint("id", name="pk_sweeps"),
        sa.UniqueConstraint("name", name="uq_sweeps_name"),
    )
    op.create_index("ix_sweeps_experiment_id", "sweeps", ["experiment_id"])


def _runs() -> None:
    op.create_table(
        "runs",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("uuid", sa.String(), nullable=False),
        sa.Column("name", sa.String(), nullable=False),
        sa.Column("experiment_id", sa.Integer(), nullable=False),
        sa.Column("pipeline_id", sa.Integer()),
        sa.Column("status", sa.String(16), nullable=False),
        sa.Column("reason", sa.String()),
        sa.Column("traceback", sa.String()),
        sa.Column("seed", sa.Integer()),
        sa.Column("created", sa.DateTime(), nullable=False),
        sa.Column("started", sa.DateTime()),
        sa.Column("ended", sa.DateTime()),
        sa.Column("phase", sa.String()),
        sa.Column("epoch", sa.Integer()),
        sa.Column("batch", sa.Integer()),
        sa.Column("note", sa.String()),
        _refers("runs", "experiment_id", "experiments", "RESTRICT"),
        _refers("runs", "pipeline_id", "pipelines", "CASCADE"),
        sa.PrimaryKeyConstraint("id", name="pk_runs"),
        sa.UniqueConstraint("experiment_id", "name", name="uq_runs_experiment_id_name"),
        sa.UniqueConstraint("uuid", name="uq_runs_uuid"),
    )
    op.create_index("ix_runs_created", "runs", ["created"])
    op.create_index("ix_runs_pipeline_id", "runs", ["pipeline_id"])
    op.create_index("ix_runs_status", "runs", ["status"])

    op.create_table(
        "run_datasets",
        sa.Column("run_id", sa.Integer(), nullable=False),
        sa.Column("dataset_id", sa.Integer(), nullable=False),
        _refers("run_datasets", "dataset_id", "datasets", "RESTRICT"),
        _refers("run_datasets", "run_id", "runs", "CASCADE"),
        sa.PrimaryKeyConstraint("run_id", "dataset_id", name="pk_run_datasets"),
    )
    op.create_index("ix_run_datasets_dataset_id", "run_datasets", ["dataset_id"])

    op.create_table(
        "params",
        sa.Column("run_id", sa.Integer(), nullable=False),
        sa.Column("key", sa.String(), nullable=False),
        sa.Column("kind", sa.String(16), nullable=False),
        sa.Column("number", sa.Double()),
        sa.Column("text", sa.String()),
        _refers("params", "run_id", "runs", "CASCADE"),
        sa.PrimaryKeyConstraint("run_id", "key", name="pk_params"),
        sqlite_with_rowid=False,
    )
    op.create_index("ix_params_key_number_text_kind", "params", ["key", "number", "text", "kind"])

    op.create_table(
        "tags",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("name", sa.String(), nullable=False),
        sa.Column("run_id", sa.Integer()),
        sa.Column("pipeline_id", sa.Integer()),
        sa.CheckConstraint(
            "(run_id IS NULL) <> (pipeline_id IS NULL)", name=op.f("ck_tags_one_owner")
        ),
        _refers("tags", "pipeline_id", "pipelines", "CASCADE"),
        _refers("tags", "run_id", "runs", "CASCADE"),
        sa.PrimaryKeyConstraint("id", name="pk_tags"),
        sa.UniqueConstraint("pipeline_id", "name", name="uq_tags_pipeline_id_name"),
        sa.UniqueConstraint("run_id", "name", name="uq_tags_run_id_name"),
    )
    op.create_index("ix_tags_name", "tags", ["name"])


def _sessions() -> None:
    op.create_table(
        "sessions",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("run_id", sa.Integer(), nullable=False),
        sa.Column("host", sa.String(), nullable=False),
        sa.Column("boot_id", sa.String()),
        sa.Column("pid_namespace", sa.String()),
        sa.Column("pid", sa.Integer(), nullable=False),
        sa.Column("process_started", sa.Double(), nullable=False),
        sa.Column("command", sa.String()),
        sa.Column("environment_id", sa.Integer()),
        sa.Column("started", sa.DateTime(), nullable=False),
        sa.Column("heartbeat", sa.DateTime(), nullable=False),
        sa.Column("ended", sa.DateTime()),
        sa.Column("exit", sa.String()),
        sa.Column("stop_asked", sa.DateTime()),
        sa.Column("log", sa.String()),
        _refers("sessions", "environment_id", "environments", "RESTRICT"),
        _refers("sessions", "run_id", "runs", "CASCADE"),
        sa.PrimaryKeyConstraint("id", name="pk_sessions"),
    )
    op.create_index("ix_sessions_environment_id", "sessions", ["environment_id"])
    op.create_index(
        "ix_sessions_open", "sessions", ["run_id"], sqlite_where=sa.text("ended IS NULL")
    )
    op.create_index("ix_sessions_run_id", "sessions", ["run_id"])


def _phases() -> None:
    op.create_table(
        "phase_results",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("run_id", sa.Integer(), nullable=False),
        sa.Column("parent_id", sa.Integer()),
        sa.Column("position", sa.Integer(), nullable=False),
        sa.Column("label", sa.String(), nullable=False),
        sa.Column("kind", sa.String(16), nullable=False),
        sa.Column("status", sa.String(16), nullable=False),
        sa.Column("started", sa.DateTime(), nullable=False),
        sa.Column("ended", sa.DateTime()),
        sa.Column("epochs", sa.Integer()),
        sa.Column("batches", sa.Integer()),
        sa.Column("summary", sa.JSON()),
        sa.Column("results_path", sa.String()),
        _refers("phase_results", "parent_id", "phase_results", "CASCADE"),
        _refers("phase_results", "run_id", "runs", "CASCADE"),
        sa.PrimaryKeyConstraint("id", name="pk_phase_results"),
    )
    op.create_index("ix_phase_results_parent_id", "phase_results", ["parent_id"])
    op.create_index("ix_phase_results_run_id", "phase_results", ["run_id"])


def _metrics() -> None:
    op.create_table(
        "series",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("run_id", sa.Integer(), nullable=False),
        sa.Column("phase_result_id", sa.Integer()),
        sa.Column("name", sa.String(), nullable=False),
        sa.Column("axis", sa.String(16), nullable=False),
        sa.Column("headline", sa.Boolean(), nullable=False),
        sa.Column("count", sa.Integer(), nullable=False),
        sa.Column("numbers", sa.Integer(), nullable=False),
        sa.Column("total", sa.Double()),
        sa.Column("first", sa.Double()),
        sa.Column("first_step", sa.Integer()),
        sa.Column("last", sa.Double()),
        sa.Column("last_step", sa.Integer()),
        sa.Column("minimum", sa.Double()),
        sa.Column("minimum_step", sa.Integer()),
        sa.Column("minimum_epoch", sa.Integer()),
        sa.Column("maximum", sa.Double()),
        sa.Column("maximum_step", sa.Integer()),
        sa.Column("maximum_epoch", sa.Integer()),
        _refers("series", "phase_result_id", "phase_results", "CASCADE"),
        _refers("series", "run_id", "runs", "CASCADE"),
        sa.PrimaryKeyConstraint("id", name="pk_series"),
    )
    op.create_index(
        "ux_series_run_id_name_axis_phase",
        "series",
        ["run_id", "name", "axis", sa.text("coalesce(phase_result_id, 0)")],
        unique=True,
    )
    op.create_index(
        "ix_series_name_run_id",
        "series",
        ["name", "run_id", "headline", "last", "minimum", "maximum", "last_step"],
    )
    op.create_index("ix_series_phase_result_id", "series", ["phase_result_id"])

    op.create_table(
        "metrics",
        sa.Column("series_id", sa.Integer(), nullable=False),
        sa.Column("step", sa.Integer(), nullable=False),
        sa.Column("epoch", sa.Integer()),
        sa.Column("value", sa.Double()),
        sa.Column("time", sa.Integer(), nullable=False),
        _refers("metrics", "series_id", "series", "CASCADE"),
        sa.PrimaryKeyConstraint("series_id", "step", name="pk_metrics"),
        sqlite_with_rowid=False,
    )


def _files() -> None:
    op.create_table(
        "checkpoints",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("run_id", sa.Integer(), nullable=False),
        sa.Column("phase_result_id", sa.Integer()),
        sa.Column("name", sa.String(), nullable=False),
        sa.Column("kind", sa.String(16), nullable=False),
        sa.Column("step", sa.Integer()),
        sa.Column("epoch", sa.Integer()),
        sa.Column("batch", sa.Integer()),
        sa.Column("path", sa.String(), nullable=False),
        sa.Column("bytes", sa.Integer(), nullable=False),
        sa.Column("sha256", sa.String(), nullable=False),
        sa.Column("metric", sa.String()),
        sa.Column("value", sa.Double()),
        sa.Column("newest_phase_id", sa.Integer()),
        sa.Column("best_id", sa.Integer()),
        sa.Column("pinned", sa.Boolean(), nullable=False),
        sa.Column("created", sa.DateTime(), nullable=False),
        sa.Column("abandoned", sa.DateTime()),
        sa.Column("removed", sa.DateTime()),
        _refers("checkpoints", "best_id", "checkpoints", "SET NULL"),
        _refers("checkpoints", "phase_result_id", "phase_results", "SET NULL"),
        _refers("checkpoints", "run_id", "runs", "CASCADE"),
        sa.PrimaryKeyConstraint("id", name="pk_checkpoints"),
    )
    op.create_index("ix_checkpoints_best_id", "checkpoints", ["best_id"])
    op.create_index("ix_checkpoints_phase_result_id", "checkpoints", ["phase_result_id"])
    op.create_index("ix_checkpoints_run_id", "checkpoints", ["run_id"])
    op.create_index(
        "ux_checkpoints_path",
        "checkpoints",
        ["path"],
        unique=True,
        sqlite_where=sa.text("removed IS NULL"),
    )

    op.create_table(
        "artifacts",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("run_id", sa.Integer(), nullable=False),
        sa.Column("name", sa.String(), nullable=False),
        sa.Column("path", sa.String(), nullable=False),
        sa.Column("bytes", sa.Integer(), nullable=False),
        sa.Column("sha256", sa.String(), nullable=False),
        sa.Column("media_type", sa.String(), nullable=False),
        sa.Column("created", sa.DateTime(), nullable=False),
        _refers("artifacts", "run_id", "runs", "CASCADE"),
        sa.PrimaryKeyConstraint("id", name="pk_artifacts"),
        sa.UniqueConstraint("run_id", "name", name="uq_artifacts_run_id_name"),
    )


def _trials() -> None:
    op.create_table(
        "trials",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("sweep_id", sa.Integer(), nullable=False),
        sa.Column("position", sa.Integer(), nullable=False),
        sa.Column("config", sa.JSON(), nullable=False),
        sa.Column("config_hash", sa.String(), nullable=False),
        sa.Column("status", sa.String(16), nullable=False),
        sa.Column("attempts", sa.Integer(), nullable=False),
        sa.Column("worker", sa.String()),
        sa.Column("lease", sa.DateTime()),
        sa.Column("run_id", sa.Integer()),
        _refers("trials", "run_id", "runs", "SET NULL"),
        _refers("trials", "sweep_id", "sweeps", "CASCADE"),
        sa.PrimaryKeyConstraint("id", name="pk_trials"),
        sa.UniqueConstraint("sweep_id", "config_hash", name="uq_trials_sweep_id_config_hash"),
    )
    op.create_index("ix_trials_run_id", "trials", ["run_id"])
    op.create_index(
        "ix_trials_sweep_id_status_position", "trials", ["sweep_id", "status", "position"]
    )
