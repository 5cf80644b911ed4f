import os
import signal
from datetime import timedelta

import pytest
from sqlalchemy import delete, select

from tracker.database.kinds import CheckpointKind, PhaseKind, RunStatus
from tracker.database.tables import Metric, PhaseResult, Run, RunSession
from tracker.database.types import now
from tracker.errors import NotFoundError, StateError
from tracker.files import StoredFile
from tracker.registry.checkpoints import candidates, register_checkpoint
from tracker.registry.phases import begin_phase, end_phase
from tracker.registry.processes import this_process
from tracker.registry.runs import create_run, get_run, set_progress
from tracker.registry.sessions import (
    STOP_ASKED,
    ask_stop,
    beat,
    begin_session,
    end_session,
    is_alive,
    sessions_of,
    settle_dead,
    stop_asked,
)
from tracker.registry.vanished import LEASE, dead_sessions


@pytest.fixture
def writing(database):
    with database.write() as session:
        yield session


@pytest.fixture
def begun(writing, run_id):
    """A session of this process."""
    return begin_session(writing, run_id, this_process(), command="train.py").id


@pytest.fixture
def theirs(writing, run_id, live_process):
    """A session of another, living process."""
    return begin_session(writing, run_id, live_process.identity).id


class TestBeginSession:
    def test_makes_the_run_a_running_one(self, writing, run_id, begun):
        run, row = get_run(writing, run_id), writing.get(RunSession, begun)

        assert run.status is RunStatus.RUNNING
        assert run.started is not None
        assert (row.pid, row.command, row.ended) == (os.getpid(), "train.py", None)
        assert is_alive(row)

    def test_clears_what_an_earlier_end_said(self, writing, run_id, begun):
        end_session(writing, begun, RunStatus.FAILED, reason="ValueError: x", traceback="...")
        started = get_run(writing, run_id).started
        begin_session(writing, run_id, this_process())
        run = get_run(writing, run_id)

        assert (run.status, run.reason, run.traceback, run.ended) == ("running", None, None, None)
        assert run.started == started

    def test_a_run_that_is_running_is_refused_with_pid_and_host(
        self, writing, run_id, theirs, live_process
    ):
        with pytest.raises(StateError) as refused:
            begin_session(writing, run_id, this_process())

        process = live_process.identity
        assert f"process {process.pid} on {process.host}" in str(refused.value)
        assert "'first' is running already" in str(refused.value)
        assert len(sessions_of(writing, run_id)) == 1

    def test_a_run_whose_process_was_killed_goes_on_at_once(
        self, writing, run_id, theirs, live_process
    ):
        live_process.kill()
        begin_session(writing, run_id, this_process())

        assert [row.exit for row in sessions_of(writing, run_id)] == ["lost", None]
        assert get_run(writing, run_id).status is RunStatus.RUNNING

    @pytest.mark.parametrize(
        ("column", "message"),
        [("deleted", "in the trash; `labkeeper restore`"), ("archived", "`labkeeper unarchive`")],
    )
    def test_a_run_that_was_put_away_is_refused(self, writing, run_id, column, message):
        setattr(get_run(writing, run_id), column, now())

        with pytest.raises(StateError, match=message):
            begin_session(writing, run_id, this_process())

    def test_a_run_that_is_gone_is_not_found(self, writing):
        with pytest.raises(NotFoundError):
            begin_session(writing, 7, this_process())


class TestSettleDead:
    def test_leaves_the_living_alone(self, writing, run_id, theirs):
        assert settle_dead(writing) == []
        assert get_run(writing, run_id).status is RunStatus.RUNNING

    def test_leaves_a_stopped_process_alone_however_long_it_has_been_silent(
        self, writing, run_id, theirs, live_process
    ):
        live_process.popen.send_signal(signal.SIGSTOP)
        writing.get(RunSession, theirs).heartbeat -= 100 * LEASE

        assert settle_dead(writing) == []

    def test_marks_a_killed_process_run_as_lost_at_its_last_heartbeat(
        self, writing, run_id, theirs, live_process
    ):
        phase = begin_phase(writing, run_id, label="train", kind=PhaseKind.TRAIN, position=0)
        heartbeat = now() - timedelta(seconds=5)
        writing.get(RunSession, theirs).heartbeat = heartbeat
        live_process.kill()

        (dead,) = settle_dead(writing)

        process = live_process.identity
        run, row = get_run(writing, run_id), writing.get(RunSession, theirs)
        assert dead.run_id == run_id
        assert (run.status, run.ended) == (RunStatus.LOST, heartbeat)
        assert run.reason == f"process {process.pid} on {process.host} vanished"
        assert (row.ended, row.exit) == (heartbeat, "lost")
        assert writing.get(PhaseResult, phase).status is RunStatus.LOST
        assert settle_dead(writing) == []

    def test_looks_at_one_run_if_asked(self, writing, run_id, theirs, live_process):
        other = create_run(writing, name="second", experiment="digits")
        begin_session(writing, other.id, live_process.identity)
        live_process.kill()

        assert [dead.run_id for dead in settle_dead(writing, other.id)] == [other.id]
        assert get_run(writing, run_id).status is RunStatus.RUNNING

    @pytest.mark.parametrize(("silent", "dead"), [(0.9, False), (1.1, True)])
    def test_out_of_sight_the_heartbeat_counts(self, writing, run_id, begun, silent, dead):
        row = writing.get(RunSession, begun)
        row.boot_id, row.host = "other", "elsewhere"
        row.heartbeat -= silent * LEASE

        assert is_alive(row) is not dead
        assert bool(settle_dead(writing)) is dead
        if dead:
            assert "no sign of life from process" in get_run(writing, run_id).reason
            assert "on elsewhere since 20" in get_run(writing, run_id).reason

    def test_an_end_that_was_recorded_stays(self, writing, run_id, theirs, live_process):
        end_session(writing, theirs, RunStatus.FINISHED)
        live_process.kill()

        assert settle_dead(writing) == []
        assert get_run(writing, run_id).status is RunStatus.FINISHED

    def test_only_looking_changes_nothing(self, database, run_id, live_process):
        with database.write() as session:
            begin_session(session, run_id, live_process.identity)
        live_process.kill()

        with database.read() as session:
            (dead,) = dead_sessions(session)
            assert dead.run_id == run_id
            assert not is_alive(session.get(RunSession, dead.session_id))
            assert get_run(session, run_id).status is RunStatus.RUNNING


class TestBeat:
    def test_moves_the_heartbeat(self, writing, begun):
        row = writing.get(RunSession, begun)
        row.heartbeat -= timedelta(seconds=30)
        before = row.heartbeat

        assert beat(writing, begun) == (False, False)
        assert row.heartbeat > before

    def test_tells_of_a_stop(self, writing, run_id, begun):
        ask_stop(writing, run_id)

        assert beat(writing, begun).stop_asked

    def test_brings_back_one_that_was_wrongly_taken_for_dead(self, writing, run_id, begun):
        row = writing.get(RunSession, begun)
        row.boot_id, row.heartbeat = "seen from elsewhere", row.heartbeat - 2 * LEASE
        settle_dead(writing)
        assert get_run(writing, run_id).status is RunStatus.LOST

        assert beat(writing, begun) == (False, False)

        run = get_run(writing, run_id)
        assert (run.status, run.reason, run.ended) == (RunStatus.RUNNING, None, None)
        assert (row.ended, row.exit) == (None, None)

    def test_does_not_bring_back_one_that_has_ended(self, writing, run_id, begun):
        end_session(writing, begun, RunStatus.FINISHED)
        beat(writing, begun)

        assert get_run(writing, run_id).status is RunStatus.FINISHED
        assert writing.get(RunSession, begun).ended is not None

    def test_learns_that_somebody_has_gone_on_with_the_run(self, writing, run_id, begun):
        row = writing.get(RunSession, begun)
        row.boot_id, row.heartbeat = "seen from elsewhere", row.heartbeat - 2 * LEASE
        begin_session(writing, run_id, this_process())

        assert beat(writing, begun).superseded
        assert row.exit == "lost"

    def test_learns_that_the_run_was_deleted(self, writing, run_id, begun):
        writing.delete(get_run(writing, run_id))
        writing.flush()
        writing.expunge_all()

        assert beat(writing, begun).superseded

    def test_learns_that_the_run_is_in_the_trash(self, writing, run_id, begun):
        get_run(writing, run_id).deleted = now()

        assert beat(writing, begun) == (True, True)

    def test_never_takes_a_later_session_for_its_own(self, writing, run_id, begun):
        writing.execute(delete(Run).where(Run.id == run_id))
        writing.expire_all()
        again = create_run(writing, name="next", experiment="digits")
        theirs = begin_session(writing, again.id, this_process()).id

        assert theirs > begun
        assert beat(writing, begun) == (True, True)


class TestStop:
    def test_is_asked_of_the_working_session_alone(self, writing, run_id, begun):
        assert not stop_asked(writing, run_id)

        assert ask_stop(writing, run_id).id == begun

        assert stop_asked(writing, run_id)
        fast = writing.connection().exec_driver_sql(STOP_ASKED, (begun,))
        assert fast.scalar() == 1

    def test_asked_once_is_forgotten_by_the_next_session(self, writing, run_id, begun):
        ask_stop(writing, run_id)
        end_session(writing, begun, RunStatus.STOPPED)
        again = begin_session(writing, run_id, this_process())

        assert not stop_asked(writing, run_id)
        assert not beat(writing, again.id).stop_asked

    def test_of_a_run_that_is_not_running_is_refused(self, writing, run_id, begun):
        end_session(writing, begun, RunStatus.FINISHED)

        with pytest.raises(StateError, match="'first' is not running; it is finished"):
            ask_stop(writing, run_id)

    def test_of_a_killed_run_is_refused(self, writing, run_id, theirs, live_process):
        live_process.kill()

        with pytest.raises(StateError, match="it is lost"):
            ask_stop(writing, run_id)


class TestEndSession:
    def test_ends_the_run_with_it(self, writing, run_id, begun):
        end_session(
            writing, begun, RunStatus.FAILED, exit="raised", reason="ValueError: x", traceback="..."
        )
        run, row = get_run(writing, run_id), writing.get(RunSession, begun)

        assert (run.status, run.reason, run.traceback) == ("failed", "ValueError: x", "...")
        assert row.exit == "raised"
        assert row.ended is not None

    def test_leaves_a_run_alone_that_somebody_has_gone_on_with(self, writing, run_id, begun):
        row = writing.get(RunSession, begun)
        row.boot_id, row.heartbeat = "seen from elsewhere", row.heartbeat - 2 * LEASE
        begin_session(writing, run_id, this_process())

        end_session(writing, begun, RunStatus.FAILED)

        assert get_run(writing, run_id).status is RunStatus.RUNNING

    def test_of_a_session_that_is_gone_is_not_found(self, writing):
        with pytest.raises(NotFoundError):
            end_session(writing, 7, RunStatus.FINISHED)


class TestResume:
    """Going on from a checkpoint, in one transaction."""

    @pytest.fixture
    def history(self, writing, run_id, begun, add_points):
        """train: steps 1 to 4, a checkpoint at 2 and 4; then test at step 4."""
        group = begin_phase(writing, run_id, label="all", kind=PhaseKind.GROUP, position=0)
        train = begin_phase(
            writing, run_id, label="train", kind=PhaseKind.TRAIN, position=0, parent_id=group
        )
        for step in (1, 2):
            add_points(writing, run_id, "loss", {step: 1.0 / step}, phase=train)
        self.checkpoint(writing, run_id, "early", step=2, epoch=0, phase_result_id=train)
        for step in (3, 4):
            add_points(writing, run_id, "loss", {step: 1.0 / step}, phase=train)
        self.checkpoint(writing, run_id, "late", step=4, epoch=1, phase_result_id=train)
        end_phase(writing, train, RunStatus.FINISHED, epochs=2, summary={"loss": 0.25})
        test = begin_phase(
            writing, run_id, label="test", kind=PhaseKind.EVAL, position=1, parent_id=group
        )
        add_points(writing, run_id, "accuracy", {4: 0.9}, phase=test)
        set_progress(writing, run_id, phase="test", epoch=None)
        end_session(writing, begun, RunStatus.STOPPED)

    def checkpoint(self, session, run_id, name, **details):
        file = StoredFile(f"files/{name}", 1, name)
        register_checkpoint(session, run_id, file, name=name, kind=CheckpointKind.STATE, **details)

    def found(self, session):
        steps = session.scalars(select(Metric.step).order_by(Metric.step)).all()
        phases = session.execute(
            select(PhaseResult.label, PhaseResult.status).order_by(PhaseResult.id)
        ).all()
        return steps, dict(phases)

    @pytest.mark.usefixtures("history")
    def test_undoes_what_was_recorded_after_the_checkpoint(self, writing, run_id):
        late, early = candidates(writing, run_id)
        begun = begin_session(writing, run_id, this_process(), resume_from=early)

        assert self.found(writing) == ([1, 2], {"all": "running", "train": "running"})
        assert begun.files == [late.path]
        assert candidates(writing, run_id) == [early]
        run = get_run(writing, run_id)
        assert (run.status, run.epoch) == (RunStatus.RUNNING, 0)
        train = writing.scalars(select(PhaseResult).where(PhaseResult.label == "train")).one()
        assert (train.ended, train.summary) == (None, None)

    @pytest.mark.usefixtures("history")
    def test_a_phase_that_began_after_it_goes_though_its_points_are_at_that_step(
        self, writing, run_id
    ):
        late, _ = candidates(writing, run_id)
        begun = begin_session(writing, run_id, this_process(), resume_from=late)

        assert self.found(writing) == ([1, 2, 3, 4], {"all": "running", "train": "running"})
        assert begun.files == []

    @pytest.mark.usefixtures("history")
    def test_other_runs_keep_their_phases(self, writing, run_id):
        other = create_run(writing, name="second", experiment="digits")
        theirs = begin_phase(writing, other.id, label="theirs", kind=PhaseKind.TRAIN, position=0)
        begin_session(writing, run_id, this_process(), resume_from=candidates(writing, run_id)[0])

        assert writing.get(PhaseResult, theirs, populate_existing=True) is not None

    @pytest.mark.usefixtures("history")
    def test_a_step_with_a_checkpoint_means_the_checkpoint(self, writing, run_id):
        begin_session(writing, run_id, this_process(), resume_from=4)

        assert self.found(writing) == ([1, 2, 3, 4], {"all": "running", "train": "running"})

    @pytest.mark.usefixtures("history")
    def test_a_step_without_one_keeps_the_phases_that_had_begun(self, writing, run_id):
        begin_session(writing, run_id, this_process(), resume_from=3)
        steps, phases = self.found(writing)

        assert steps == [1, 2, 3]
        assert set(phases) == {"all", "train"}

    @pytest.mark.usefixtures("history")
    def test_from_the_beginning_nothing_is_left(self, writing, run_id):
        begun = begin_session(writing, run_id, this_process(), resume_from=-1)

        assert self.found(writing) == ([], {})
        assert set(begun.files) == {"files/early", "files/late"}
        assert get_run(writing, run_id).phase is None

    @pytest.mark.usefixtures("history")
    def test_without_a_step_everything_stays(self, writing, run_id):
        begun = begin_session(writing, run_id, this_process())

        assert self.found(writing)[0] == [1, 2, 3, 4, 4]
        assert begun.files == []

    @pytest.mark.usefixtures("history")
    def test_refused_it_has_changed_nothing(self, database, writing, run_id, live_process):
        begin_session(writing, run_id, live_process.identity)
        early = candidates(writing, run_id)[1]
        writing.commit()

        with pytest.raises(StateError), database.write() as session:
            begin_session(session, run_id, this_process(), resume_from=early)

        with database.read() as session:
            assert self.found(session)[0] == [1, 2, 3, 4, 4]
