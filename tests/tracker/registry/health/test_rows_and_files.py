import pytest
from sqlalchemy import select

from tests.tracker.registry.health.damage import age, break_rule
from tracker.database.connection import connect, driver_connection
from tracker.database.kinds import Axis, RunStatus
from tracker.database.tables import (
    Checkpoint,
    Experiment,
    PhaseResult,
    Pipeline,
    Run,
    RunSession,
    Series,
)
from tracker.files.durable import ASIDE
from tracker.registry.checkpoints import register_checkpoint, retire
from tracker.registry.health import Severity, examine, repair
from tracker.registry.metrics import ensure_series
from tracker.registry.processes import this_process
from tracker.registry.runs import get_run
from tracker.registry.sessions import begin_session


def counted(database, table):
    with database.read() as session:
        ((number,),) = driver_connection(session).execute(f"SELECT count(*) FROM {table}")
    return number


@pytest.mark.usefixtures("lab_in_order")
class TestRecord:
    def test_a_lab_in_order_has_no_findings(self, doctor, cure):
        assert doctor() == {}
        assert cure() == set()

    def test_a_dead_session_is_recorded_as_lost(self, database, run_id, doctor, cure, live_process):
        with database.write() as session:
            begin_session(session, run_id, live_process.identity)
        assert doctor() == {}
        live_process.kill()

        found = doctor()
        assert set(found) == {"dead-sessions"}
        assert "'first' is shown as running, but process" in found["dead-sessions"].message
        assert cure() == {"dead-sessions"}
        assert doctor() == {}
        with database.read() as session:
            assert get_run(session, run_id).status is RunStatus.LOST

    def test_a_running_run_without_a_session_is_recorded_as_lost(
        self, database, run_id, doctor, cure
    ):
        break_rule(database, "UPDATE runs SET status = 'running'")

        assert set(doctor()) == {"unattended-runs"}
        cure()
        assert doctor() == {}
        with database.read() as session:
            assert get_run(session, run_id).status is RunStatus.LOST

    def test_a_session_of_a_run_that_is_not_running_is_ended(self, database, doctor, cure):
        break_rule(database, "UPDATE sessions SET ended = NULL")

        assert set(doctor()) == {"loose-sessions"}
        cure()
        assert doctor() == {}
        with database.read() as session:
            assert session.scalars(select(RunSession.ended)).one() is not None

    def test_a_running_phase_of_a_run_that_is_not_ends_like_the_run(self, database, doctor, cure):
        break_rule(database, "UPDATE phase_results SET status = 'running', ended = NULL")

        assert set(doctor()) == {"loose-phases"}
        cure()
        assert doctor() == {}
        with database.read() as session:
            assert session.scalars(select(PhaseResult.status)).one() is RunStatus.FINISHED

    @pytest.mark.parametrize(
        "change",
        [
            "count = count + 1",
            "numbers = 0",
            "total = total + 0.001",
            "total = NULL",
            "first = 0.6",
            "first_step = 2",
            "last = 0.6",
            "last_step = 9",
            "minimum = 0.1",
            "minimum_step = 1",
            "minimum_epoch = 7",
            "maximum = NULL",
            "maximum_step = 3",
            "maximum_epoch = 7",
        ],
    )
    def test_a_wrong_summary_is_computed_again(self, database, doctor, cure, change):
        with database.read() as session:
            before = session.execute(select(*Series.__table__.columns)).all()
        break_rule(database, f"UPDATE series SET {change} WHERE phase_result_id IS NULL")

        found = doctor()
        assert set(found) == {"summaries"}
        assert "'loss' (by step) of run 'first'" in found["summaries"].message
        assert cure() == {"summaries"}
        assert doctor() == {}
        with database.read() as session:
            assert session.execute(select(*Series.__table__.columns)).all() == before

    def test_a_wrong_total_of_infinities_is_seen(self, database, doctor):
        break_rule(database, "UPDATE series SET total = 0 WHERE phase_result_id IS NOT NULL")

        assert set(doctor()) == {"summaries"}

    def test_a_point_that_vanished_is_seen(self, database, doctor, cure):
        break_rule(database, "DELETE FROM metrics WHERE step = 3")

        assert set(doctor()) == {"summaries"}
        cure()
        assert doctor() == {}

    def test_a_wrong_headline_is_put_right(self, database, doctor, cure):
        break_rule(database, "UPDATE series SET headline = 0")

        assert set(doctor()) == {"headlines"}
        cure()
        assert doctor() == {}

    def test_a_metric_without_points_is_forgotten_and_its_headline_with_it(
        self, database, run_id, doctor, cure
    ):
        with database.write() as session:
            ensure_series(driver_connection(session), run_id, "loss", Axis.EPOCH)

        assert set(doctor()) == {"empty-series"}
        cure()
        assert doctor() == {}
        with database.read() as session:
            assert session.scalars(select(Series.headline)).all() == [True, True]

    def test_a_metric_without_points_of_a_running_run_is_left_alone(self, database, run_id, doctor):
        with database.write() as session:
            begin_session(session, run_id, this_process())
            ensure_series(driver_connection(session), run_id, "speed", Axis.STEP)

        assert doctor() == {}

    def test_rows_of_a_parent_that_is_gone_follow_it(self, database, doctor, cure):
        break_rule(database, "DELETE FROM runs")

        found = doctor()
        assert {"dangling-rows"} <= set(found)
        cure()
        assert doctor().keys() <= {"unknown-files", "unused-rows"}
        connection = connect(database.path)
        assert connection.execute("PRAGMA foreign_key_check").fetchall() == []
        connection.close()

    def test_a_reference_that_may_be_empty_is_cleared(self, database, doctor, cure):
        break_rule(database, "UPDATE checkpoints SET best_id = 77")

        assert set(doctor()) == {"dangling-rows"}
        cure()
        with database.read() as session:
            assert session.scalars(select(Checkpoint.best_id)).all() == [None, None]

    @pytest.mark.parametrize("gone", ["pipelines", "phase_results", "environments"])
    def test_what_can_stay_without_what_is_gone_stays(
        self, database, run_id, pipeline_id, doctor, cure, gone
    ):
        break_rule(database, "UPDATE runs SET pipeline_id = ?", pipeline_id)
        break_rule(database, "UPDATE sessions SET environment_id = 77")
        kept = ("runs", "series", "metrics", "checkpoints", "sessions", "artifacts")
        before = {table: counted(database, table) for table in kept}
        # Its series would be a second one of its name without the phase.
        break_rule(database, "UPDATE series SET name = 'other' WHERE phase_result_id IS NOT NULL")
        break_rule(database, f"DELETE FROM {gone}")

        assert doctor()["dangling-rows"].cure == "the reference is cleared"
        cure()
        assert "dangling-rows" not in doctor()
        assert {table: counted(database, table) for table in kept} == before

    def test_a_series_that_would_be_a_second_one_without_its_phase_stays_and_is_named(
        self, database, doctor, cure
    ):
        break_rule(database, "DELETE FROM phase_results")
        cure()

        assert "1 rows of series refer to phase_results" in doctor()["dangling-rows"].message
        assert counted(database, "series") == 2

    def test_an_experiment_that_is_gone_is_made_again_under_another_name(
        self, database, run_id, pipeline_id, doctor, cure
    ):
        break_rule(database, "DELETE FROM experiments")
        break_rule(
            database,
            "INSERT INTO experiments VALUES (9, 'recovered-1', NULL, '2026-01-01 00:00:00.000000')",
        )

        assert doctor()["dangling-rows"].cure == "made again, under another name"
        cure()
        with database.read() as session:
            assert session.scalars(select(Run.name)).all() == ["first"]
            found = session.get_one(Experiment, get_run(session, run_id).experiment_id)
            assert found.name == "recovered-1-2"
            assert session.get_one(Pipeline, pipeline_id).experiment_id == found.id
        assert doctor() == {}

    def test_a_current_run_that_is_gone_is_forgotten(self, database, pipeline_id, doctor, cure):
        break_rule(database, "UPDATE pipelines SET current_run_id = 77")

        assert set(doctor()) == {"current-runs"}
        cure()
        with database.read() as session:
            assert session.get(Pipeline, pipeline_id).current_run_id is None

    def test_a_current_run_of_nobody_is_forgotten(self, database, run_id, doctor):
        break_rule(database, "UPDATE pipelines SET current_run_id = ?", run_id)

        assert set(doctor()) == {"current-runs"}

    def test_of_a_damaged_database_only_that_is_said(self, database, doctor):
        with database.read() as session:
            page = (
                driver_connection(session)
                .execute("SELECT rootpage FROM sqlite_master WHERE name = 'ix_runs_status'")
                .fetchone()[0]
            )
        database.close()
        connection = connect(database.path)
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        connection.close()
        with database.path.open("r+b") as file:
            file.seek((page - 1) * 4096 + 3)
            file.write(b"\0\0")

        found = doctor()
        assert set(found) == {"integrity"}
        assert found["integrity"].severity is Severity.ERROR
        assert "Restore a backup" in found["integrity"].message


@pytest.mark.usefixtures("lab_in_order")
class TestFiles:
    def test_a_damaged_or_missing_artifact_is_named_and_not_repaired(self, files, doctor, cure):
        report = files.path("files/runs/a/report.html")
        for damage, words in (
            (lambda: report.write_bytes(b"<b>"), "damaged: its content is not what was written."),
            (report.unlink, "missing."),
        ):
            damage()
            assert doctor()["damaged-files"].message == (
                f"artifact 'report.html' of run 'first': files/runs/a/report.html is {words}"
            )
            assert cure() == set()
            assert set(doctor()) == {"damaged-files"}

    def test_missing_results_and_logs_are_named(self, database, doctor):
        break_rule(database, "UPDATE phase_results SET results_path = 'files/r'")
        assert doctor()["damaged-files"].message == (
            "the results of phase 'train' of run 'first': files/r is missing."
        )

        break_rule(database, "UPDATE phase_results SET results_path = NULL")
        break_rule(database, "UPDATE sessions SET log = 'files/log'")
        assert "the log of run 'first'" in doctor()["damaged-files"].message

    def test_a_path_that_leads_out_is_named(self, database, doctor):
        break_rule(database, "UPDATE artifacts SET path = '../../etc/passwd'")

        assert "not a plain path inside the lab" in doctor()["damaged-files"].message

    def test_the_file_of_a_removed_checkpoint_is_deleted(
        self, database, run_id, files, doctor, cure
    ):
        with database.write() as session:
            oldest = session.scalars(select(Checkpoint).order_by(Checkpoint.id)).first()
            (path,) = retire(session, run_id, [oldest.id])

        assert set(doctor()) == {"leftover-files"}
        cure()
        assert doctor() == {}
        assert not files.path(path).exists()
        assert files.path("files/runs/a/e1.ckpt").exists()

    def test_unfinished_files_are_deleted(self, files, doctor, cure):
        left = [files.root / f"{ASIDE}1.db", files.root / "files" / "runs" / "a" / f"{ASIDE}2.ckpt"]
        for path in left:
            path.write_bytes(b"half")
        assert doctor() == {}
        for path in left:
            age(path)

        assert set(doctor()) == {"unfinished-files"}
        assert "2 files" in doctor()["unfinished-files"].message
        cure()
        assert doctor() == {}
        assert not any(path.exists() for path in left)

    def test_a_file_that_belongs_to_nothing_is_put_aside_not_deleted(self, files, doctor, cure):
        files.write_bytes("files/runs/b/thesis.tex", b"years of work")
        assert doctor() == {}
        age(files.path("files/runs/b/thesis.tex"))

        found = doctor()
        assert set(found) == {"unknown-files"}
        assert found["unknown-files"].message.endswith("the first: files/runs/b/thesis.tex.")
        assert found["unknown-files"].cure == "moved to .labkeeper/lost"
        cure()
        assert doctor() == {}
        kept = files.root / "lost" / "files" / "runs" / "b" / "thesis.tex"
        assert kept.read_bytes() == b"years of work"

    def test_what_changed_since_it_was_found_is_looked_at_again(self, database, run_id, files):
        stored = files.write_bytes("files/late.ckpt", b"weights")
        age(files.path("files/late.ckpt"))
        with database.read() as session:
            found = examine(session, files)
        with database.write() as session:
            register_checkpoint(session, run_id, stored, name="late")
        with database.write() as session:
            repair(session, files, found)

        assert files.path("files/late.ckpt").exists()

    def test_reading_all_files_can_be_left_out(self, database, files):
        files.path("files/runs/a/e1.ckpt").unlink()
        with database.read() as session:
            found = examine(session, files, skip=["damaged-files"])

        assert "damaged-files" not in {finding.check for finding in found}
