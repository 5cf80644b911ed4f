import pytest

from tracker.errors import StateError
from tracker.registry.sessions import settle_dead


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
