import math
import threading

import numpy as np
import pandas as pd
import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from matplotlib.figure import Figure

from tracker.errors import DamagedFileError, InvalidError, NotFoundError, StateError
from tracker.registry.params import read_params
from tracker.registry.sessions import ask_stop, settle_dead


@pytest.fixture
def run(lab):
    with lab.run("first", experiment="digits") as run:
        yield run


class TestStart:
    def test_run_parameters_tags_and_seed_are_recorded(self, lab, rows):
        lab.run("mlp", experiment="digits", params={"lr": 0.1}, tags=["a", "b"], seed=7).finish()

        assert rows(
            "SELECT runs.name, experiments.name, seed, status FROM runs"
            " JOIN experiments ON experiments.id = experiment_id"
        ) == [("mlp", "digits", 7, "finished")]
        assert rows("SELECT name FROM tags ORDER BY name") == [("a",), ("b",)]
        with lab.database.read() as session:
            assert read_params(session, [1]) == {1: {"lr": 0.1}}

    def test_a_name_that_is_taken_gets_a_number(self, lab):
        names = []
        for _ in range(3):
            with lab.run("mlp", experiment="digits") as run:
                names.append(run.name)

        assert names == ["mlp", "mlp-2", "mlp-3"]

    def test_a_refused_run_leaves_nothing(self, lab, rows):
        with pytest.raises(InvalidError):
            lab.run("mlp", params={"bad": object()})

        assert rows("SELECT count(*) FROM runs") == [(0,)]

    def test_environment_process_and_command_are_recorded_unasked(self, lab, rows, monkeypatch):
        monkeypatch.setattr("sys.orig_argv", ["python", "train me.py"])
        lab.run().finish()
        lab.run().finish()

        assert rows("SELECT DISTINCT command, environment_id FROM sessions") == [
            ("python 'train me.py'", 1)
        ]
        ((python, packages),) = rows("SELECT python, packages FROM environments")
        assert "CPython" in python
        assert '"numpy"' in packages


class TestLog:
    def test_keywords_and_mappings_at_a_step(self, run, points):
        run.log(loss=0.5, step=3)
        run.log({"val/loss": 0.25}, step=4, epoch=1)

        assert points() == [("loss", "step", 3, None, 0.5), ("val/loss", "step", 4, 1, 0.25)]

    def test_a_step_that_is_not_said_is_one_after_the_last(self, run, points):
        run.log(loss=1)
        run.log(loss=2)
        run.log(loss=3, step=10)
        run.log(acc=4)

        assert [point[2:] for point in points()] == [
            (11, None, 4.0),
            (0, None, 1.0),
            (1, None, 2.0),
            (10, None, 3.0),
        ]

    def test_an_epoch_alone_makes_points_along_epochs_at_the_runs_last_step(self, run, points):
        for step in range(4):
            run.log(loss=step, step=step)
            if step % 2:
                run.log(acc=step, epoch=step // 2)

        assert [point[1:] for point in points() if point[0] == "acc"] == [
            ("epoch", 1, 0, 1.0),
            ("epoch", 3, 1, 3.0),
        ]

    def test_epochs_alone_stand_at_steps_of_their_own(self, run, points):
        for epoch in range(3):
            run.log(acc=epoch, epoch=epoch)

        assert points() == [("acc", "epoch", epoch, epoch, float(epoch)) for epoch in range(3)]

    def test_the_same_metric_twice_at_one_step_or_epoch_the_later_stands(self, run, points):
        for value in (1, 2):
            run.log(loss=value, step=0)
            run.log(acc=value, epoch=0)
            run.log(acc=value, epoch=1)
        run.log(acc=9, epoch=0)

        assert points() == [
            ("acc", "epoch", 0, 0, 9.0),
            ("acc", "epoch", 1, 1, 2.0),
            ("loss", "step", 0, None, 2.0),
        ]

    def test_a_call_with_one_bad_value_stores_nothing(self, run, points):
        with pytest.raises(InvalidError, match="'bad' is 'x', a str"):
            run.log(good=1.0, bad="x", step=0)
        with pytest.raises(InvalidError, match="name of a metric"):
            run.log({"good": 1.0, "": 2.0}, step=0)

        assert points() == []
        run.log(good=2.0)
        assert points() == [("good", "step", 0, None, 2.0)]

    def test_a_call_without_metrics_stores_nothing(self, run, points):
        run.log({}, step=5)
        run.log(loss=1.0)

        assert points() == [("loss", "step", 0, None, 1.0)]

    @settings(max_examples=25, suppress_health_check=[HealthCheck.function_scoped_fixture])
    @given(st.lists(st.floats(), min_size=1, max_size=5))
    @example([math.nan, math.inf, -math.inf, -0.0, 5e-324])
    def test_values_come_back_as_they_were(self, lab, points, values):
        with lab.database.write() as session:
            session.connection().exec_driver_sql("DELETE FROM series")
        with lab.run() as run:
            for step, value in enumerate(values):
                run.log(loss=value, step=step)

        back = [math.nan if point[-1] is None else point[-1] for point in points()]
        assert np.array(back).tobytes() == np.array(values).tobytes() or all(
            one == other or (one != one and other != other)  # noqa: PLR0124 - NaN
            for one, other in zip(back, values, strict=True)
        )

    def test_threads_share_a_run(self, run, rows):
        def work(number):
            for step in range(50):
                run.log({f"loss/{number}": step}, step=step)

        threads = [threading.Thread(target=work, args=(number,)) for number in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()

        assert rows("SELECT count, numbers, total FROM series") == [(50, 50, 1225.0)] * 4

    def test_two_handles_of_two_runs_stay_apart(self, lab, rows):
        with lab.run("a") as one, lab.run("b") as other:
            one.log(loss=1, step=0)
            other.log(loss=2, step=0)

        assert rows("SELECT run_id, last FROM series") == [(1, 1.0), (2, 2.0)]


class TestHistory:
    def test_a_frame_goes_in_whole(self, run, points):
        frame = pd.DataFrame({"step": [0, 1], "epoch": [0, 0], "loss": [1.0, math.nan]})
        frame["acc"] = pd.array([1, None], dtype="Int64")

        run.log_history(frame)

        assert points() == [
            ("acc", "step", 0, 0, 1.0),
            ("loss", "step", 0, 0, 1.0),
            ("loss", "step", 1, 0, None),
        ]

    def test_what_is_not_said_follows_the_last_point(self, run, points):
        run.log(loss=0, step=4)
        run.log_history({"loss": [1, 2]})
        run.log_history({"acc": [0.1, 0.2], "epoch": [0, 1]})

        assert points() == [
            ("acc", "epoch", 6, 0, 0.1),
            ("acc", "epoch", 7, 1, 0.2),
            ("loss", "step", 4, None, 0.0),
            ("loss", "step", 5, None, 1.0),
            ("loss", "step", 6, None, 2.0),
        ]

    def test_columns_without_positions_share_their_steps(self, run, points):
        run.log_history({"a": [1, 2], "b": [3, 4]})

        assert [point[2] for point in points()] == [0, 1, 0, 1]

    def test_times_are_kept(self, run, rows):
        aware = pd.Timestamp("2026-01-01T01:00:00.125+01:00")
        run.log_history({"loss": [1, 2], "time": [aware, pd.Timestamp("2026-01-02")]})

        assert rows("SELECT time FROM metrics ORDER BY step") == [
            (1767225600125,),
            (1767312000000,),
        ]

    def test_points_that_are_not_there_have_no_row(self, run, points):
        run.log_history({"loss": [None, 2.0], "empty": [None, None], "step": [0, 1]})

        assert points() == [("loss", "step", 1, None, 2.0)]

    @pytest.mark.parametrize(
        ("history", "words"),
        [
            ({"loss": [1, 2], "step": [0]}, "'loss': 2, 'step': 1"),
            ({"step": [0]}, "at least one metric"),
            ({"loss": ["x"]}, "'loss' is 'x'"),
            ({"loss": [1], "step": [None]}, "A step is missing"),
            ({"loss": [1], "step": [0.5]}, "A step is a whole number"),
            ({"loss": [1], "step": [-1]}, "A step is a whole number"),
            ({"loss": [1], "time": [17]}, "time is a moment"),
            ({"loss": 1.0}, "'loss' of a history is a list"),
            ([1, 2], "a DataFrame or a mapping"),
            ({"good": [1.0], "": [1.0]}, "name of a metric"),
        ],
    )
    def test_a_history_that_makes_no_sense_is_refused_whole(self, run, points, history, words):
        with pytest.raises(InvalidError, match=words):
            run.log_history(history)

        assert points() == []

    @settings(max_examples=25, suppress_health_check=[HealthCheck.function_scoped_fixture])
    @given(st.lists(st.tuples(st.integers(0, 20), st.none() | st.integers(0, 5), st.floats())))
    def test_it_agrees_with_one_call_a_point(self, lab, rows, history):
        with lab.database.write() as session:
            session.connection().exec_driver_sql("DELETE FROM series")
        steps, epochs, values = zip(*history, strict=True) if history else ((), (), ())
        with lab.run() as whole:
            whole.log_history({"loss": values, "step": steps, "epoch": epochs})
        with lab.run() as single:
            for step, epoch, value in history:
                single.log(loss=value, step=step, epoch=epoch)

        def stored(run):
            points = rows(
                "SELECT step, epoch, value FROM metrics JOIN series ON id = series_id"
                " WHERE run_id = :run ORDER BY step",
                run=run.id,
            )
            summary = rows(
                "SELECT axis, count, numbers, first, first_step, last, last_step, minimum,"
                " minimum_step, minimum_epoch, maximum, maximum_step, maximum_epoch"
                " FROM series WHERE run_id = :run",
                run=run.id,
            )
            return points, summary

        assert stored(whole) == stored(single)


class TestFiles:
    def test_an_artifact_is_a_verified_copy(self, lab, run, tmp_path, rows):
        report = tmp_path / "report.txt"
        report.write_text("good")

        assert run.log_artifact(report) == "report.txt"
        report.write_text("changed later")

        ((path, media),) = rows("SELECT path, media_type FROM artifacts")
        assert lab.files.path(path).read_text() == "good"
        assert media == "text/plain"

    def test_the_same_name_again_replaces_the_file(self, lab, run, tmp_path, rows):
        report = tmp_path / "report.txt"
        for text in ("one", "two"):
            report.write_text(text)
            run.log_artifact(report, "notes/report.txt")

        ((path,),) = rows("SELECT path FROM artifacts")
        assert lab.files.path(path).read_text() == "two"
        assert len(list(lab.files.everything())) == 1

    def test_a_directory_keeps_every_file_in_it(self, run, tmp_path, rows):
        (tmp_path / "plots" / "deep").mkdir(parents=True)
        (tmp_path / "plots" / "a.txt").write_text("a")
        (tmp_path / "plots" / "deep" / "b.txt").write_text("b")

        run.log_artifact(tmp_path / "plots")

        assert rows("SELECT name FROM artifacts ORDER BY name") == [
            ("plots/a.txt",),
            ("plots/deep/b.txt",),
        ]

    def test_what_is_not_there_is_refused(self, run, tmp_path, rows):
        with pytest.raises(InvalidError, match="no file or directory at"):
            run.log_artifact(tmp_path / "missing")

        assert rows("SELECT count(*) FROM artifacts") == [(0,)]

    @pytest.mark.parametrize(
        ("name", "kept", "beginning"),
        [("curve", "curve.png", b"\x89PNG"), ("curve.svg", "curve.svg", b"<?xml")],
    )
    def test_a_figure_is_kept_as_a_picture(self, lab, run, rows, name, kept, beginning):
        figure = Figure()
        figure.subplots().plot([1, 2])

        assert run.log_figure(figure, name) == kept
        ((path,),) = rows("SELECT path FROM artifacts")
        assert lab.files.path(path).read_bytes().startswith(beginning)

    def test_another_thing_is_no_figure(self, run):
        with pytest.raises(InvalidError, match="a matplotlib Figure is expected"):
            run.log_figure([1, 2], "curve")

    def test_a_damaged_artifact_is_named(self, lab, run, tmp_path):
        from tracker.files import StoredFile
        from tracker.registry.artifacts import find_artifact

        (tmp_path / "a.txt").write_text("good")
        run.log_artifact(tmp_path / "a.txt")
        with lab.database.read() as session:
            found = find_artifact(session, run.id, "a.txt")
        lab.files.path(found.path).write_text("evil")

        with pytest.raises(DamagedFileError, match="is damaged"):
            lab.files.verify(StoredFile(found.path, found.bytes, found.sha256))

    def test_the_data_that_a_run_saw_is_known_by_content(self, lab, run, rows):
        frame = pd.DataFrame({"x": [1, 2]})

        fingerprint = run.log_dataset(frame, "train")
        with lab.run() as other:
            assert other.log_dataset(frame.copy(), "train") == fingerprint

        assert rows("SELECT name, fingerprint, rows, columns FROM datasets") == [
            ("train", fingerprint, 2, '["x"]')
        ]
        assert rows("SELECT count(*) FROM run_datasets") == [(2,)]


class TestWords:
    def test_parameters_tags_notes_and_progress_can_come_later(self, lab, run, rows):
        run.log_params({"model": {"depth": 3}})
        run.tag("good", "small")
        run.note("try again")
        run.set_progress(phase="train", epoch=2, batch=5)

        assert rows("SELECT note, phase, epoch, batch FROM runs") == [("try again", "train", 2, 5)]
        assert rows("SELECT name FROM tags ORDER BY name") == [("good",), ("small",)]
        assert rows("SELECT key, number FROM params") == [("model.depth", 3.0)]

    def test_a_run_shows_what_it_is(self, run):
        assert repr(run) == f"<Run digits/first {run.uuid[:8]} running>"
        run.finish()
        assert "finished" in repr(run)
        assert "<td>first</td>" in run._repr_html_()


class TestEnd:
    def status(self, rows):
        return rows("SELECT status, reason FROM runs ORDER BY id DESC LIMIT 1")[0]

    def test_a_block_that_returns_is_finished(self, lab, rows):
        with lab.run():
            pass

        assert self.status(rows) == ("finished", None)
        assert rows("SELECT exit, ended IS NOT NULL FROM sessions") == [("returned", 1)]

    def test_an_exception_is_kept_and_goes_on_to_the_caller(self, lab, rows):
        with pytest.raises(ZeroDivisionError) as caught, lab.run():
            1 / 0  # noqa: B018 - the point of it

        assert self.status(rows) == ("failed", "ZeroDivisionError: division by zero")
        ((trace,),) = rows("SELECT traceback FROM runs")
        assert "1 / 0" in trace
        assert not getattr(caught.value, "__notes__", [])

    def test_a_text_that_is_no_text_can_still_be_recorded(self, lab, rows):
        with pytest.raises(OSError, match="no file"), lab.run():
            raise OSError("no file \udcff")

        assert self.status(rows) == ("failed", "OSError: no file \\udcff")

    @pytest.mark.parametrize("interrupt", [KeyboardInterrupt, GeneratorExit])
    def test_an_interrupt_is_a_stop(self, lab, rows, interrupt):
        with pytest.raises(interrupt), lab.run():
            raise interrupt

        assert self.status(rows)[0] == "stopped"

    def test_finish_without_a_block(self, lab, rows):
        run = lab.run()
        run.finish()
        run.finish("failed")  # too late

        assert self.status(rows) == ("finished", None)

    def test_finish_says_how(self, lab, rows):
        lab.run().finish("failed", reason="diverged")

        assert self.status(rows) == ("failed", "diverged")

    def test_finish_while_an_exception_goes_by_is_a_failure(self, lab, rows):
        with pytest.raises(ZeroDivisionError):  # noqa: PT012 - try and finally are the point
            run = lab.run()
            try:
                1 / 0  # noqa: B018 - the point of it
            finally:
                run.finish()

        assert self.status(rows) == ("failed", "ZeroDivisionError: division by zero")

    def test_a_run_inside_a_handler_has_not_failed_with_what_was_handled(self, lab, rows):
        try:
            1 / 0  # noqa: B018 - the point of it
        except ZeroDivisionError:
            run = lab.run()
            run.finish()

        assert self.status(rows) == ("finished", None)

    def test_an_unknown_end_is_refused(self, lab, rows):
        run = lab.run()
        with pytest.raises(InvalidError, match="not as 'lost'"):
            run.finish("lost")
        assert self.status(rows) == ("running", None)
        run.finish()

    def test_nothing_is_recorded_after_the_end(self, lab, tmp_path, points):
        run = lab.run("first")
        run.finish()

        for late in (
            lambda: run.log(loss=1),
            lambda: run.log_history({"loss": [1]}),
            lambda: run.tag("late"),
            lambda: run.log_artifact(tmp_path),
            run.__enter__,
        ):
            with pytest.raises(StateError, match="'first' has ended as finished"):
                late()
        assert points() == []

    def test_what_cannot_be_recorded_does_not_hide_the_users_exception(self, lab):
        def train():
            with lab.run(), lab.database.write() as session:
                session.connection().exec_driver_sql("DELETE FROM runs")
                session.commit()
                1 / 0  # noqa: B018 - the point of it

        with pytest.raises(ZeroDivisionError) as caught:
            train()

        assert "could not record the end" in caught.value.__notes__[0]


class TestStop:
    def test_a_run_learns_that_it_shall_stop_and_ends_stopped(self, lab, rows):
        with lab.run() as run:
            assert not run.stop_requested
            with lab.database.write() as session:
                ask_stop(session, run.id)
            assert run.stop_requested

        assert rows("SELECT status, reason FROM runs") == [("stopped", "asked to stop")]

    def test_a_run_that_did_not_listen_is_finished(self, lab, rows):
        with lab.run() as run, lab.database.write() as session:
            ask_stop(session, run.id)

        assert rows("SELECT status FROM runs") == [("finished",)]

    def test_a_deleted_run_shall_stop(self, lab):
        run = lab.run()
        with lab.database.write() as session:
            session.connection().exec_driver_sql("DELETE FROM runs")

        assert run.stop_requested
        with pytest.raises(StateError, match="its session has ended"):
            run.log(loss=1)
        with pytest.raises(NotFoundError):
            run.finish()


class TestResume:
    def test_goes_on_where_it_stopped(self, lab, points, rows):
        with lab.run("mlp") as run:
            run.log_history({"loss": [1, 2, 3]})
        with lab.resume_run("mlp") as again:
            again.log(loss=4)

        assert [point[2] for point in points()] == [0, 1, 2, 3]
        assert (again.id, again.name, again.experiment) == (run.id, "mlp", "default")
        assert rows("SELECT count(*) FROM sessions") == [(2,)]

    def test_a_step_takes_back_what_lies_beyond(self, lab, points, rows):
        with lab.run("mlp") as run:
            run.log_history({"loss": [1, 2, 3]})
        with lab.resume_run(run.uuid[:8], step=0) as again:
            again.log(loss=9)

        assert [point[2::2] for point in points()] == [(0, 1.0), (1, 9.0)]
        assert rows("SELECT count, maximum FROM series") == [(2, 9.0)]

    def test_a_running_run_is_refused(self, lab):
        with lab.run("mlp"), pytest.raises(StateError, match="is running already"):
            lab.resume_run("mlp")

    def test_the_old_handle_cannot_write_any_more(self, lab, points, rows):
        """As when a lease ran out on another host while this one slept."""
        old = lab.run("mlp")
        old.log(loss=1)
        with lab.database.write() as session:
            session.connection().exec_driver_sql("UPDATE sessions SET process_started = 1")
            settle_dead(session)
        with lab.resume_run("mlp") as new:
            new.log(loss=2)

            with pytest.raises(StateError, match="Another process may have resumed it"):
                old.log(loss=3)
            assert old.stop_requested
            old.finish()
            assert rows("SELECT status FROM runs") == [("running",)]
            new.log(loss=4)

        assert [point[-1] for point in points()] == [1.0, 2.0, 4.0]

    def test_one_wrongly_taken_for_dead_comes_back_with_its_next_point(self, lab, points, rows):
        run = lab.run("mlp")
        with lab.database.write() as session:
            connection = session.connection()
            started = connection.exec_driver_sql("SELECT process_started FROM sessions").scalar()
            connection.exec_driver_sql("UPDATE sessions SET process_started = 1")
            settle_dead(session)
            connection.exec_driver_sql("UPDATE sessions SET process_started = ?", (started,))
        assert rows("SELECT status FROM runs") == [("lost",)]

        run.log(loss=1)

        assert rows("SELECT status FROM runs") == [("running",)]
        assert len(points()) == 1
        run.finish()
        assert rows("SELECT status FROM runs") == [("finished",)]
