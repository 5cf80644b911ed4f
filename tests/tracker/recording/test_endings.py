import pytest

from tracker.errors import InvalidError, NotFoundError, StateError
from tracker.registry.sessions import ask_stop


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
