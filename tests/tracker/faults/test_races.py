"""What only one of several processes may do at the same moment."""

import os

import pytest

from tracker.database.kinds import RunStatus
from tracker.errors import StateError, TakenError
from tracker.registry.pipelines import register_pipeline
from tracker.registry.processes import this_process
from tracker.registry.runs import create_run, find_run
from tracker.registry.sessions import begin_session, sessions_of, settle_dead


@pytest.fixture
def together(in_background):
    """Runs a function in many children, all of which live until the last one is done."""

    def run(function, number):
        done, tell = os.pipe()
        stay, release = os.pipe()

        def work():
            os.close(release)
            try:
                said = function()
            except (StateError, TakenError) as error:
                said = type(error).__name__
            os.write(tell, b"x")
            os.read(stay, 1)  # Ends when the parent closes the other end.
            return said

        started = [in_background(work) for _ in range(number)]
        for _ in started:
            os.read(done, 1)
        os.close(release)
        return sorted(wait().text for wait in started)

    return run


def test_of_many_that_go_on_with_a_run_one_does(database, together):
    with database.write() as session:
        run = create_run(session, name="first", experiment="digits")

    def go_on():
        with database.write() as session:
            begin_session(session, run.id, this_process(), resume_from=-1)
        return "works"

    assert together(go_on, 8) == ["StateError"] * 7 + ["works"]
    with database.read() as session:
        assert len(sessions_of(session, run.id)) == 1


def test_of_many_that_register_one_configuration_one_does(database, together):
    def register():
        with database.write() as session:
            register_pipeline(
                session,
                name=f"pipeline {os.getpid()}",
                experiment="digits",
                recipe="supervised",
                config={"lr": 0.1},
                config_hash="the same",
            )
        return "registered"

    assert together(register, 8) == ["TakenError"] * 7 + ["registered"]


def test_many_that_settle_the_same_dead_run_do_it_once(database, together, in_child):
    def begin_and_vanish():
        with database.write() as session:
            run = create_run(session, name="first", experiment="digits")
            begin_session(session, run.id, this_process())

    in_child(begin_and_vanish)

    def settle():
        with database.write() as session:
            return len(settle_dead(session))

    assert together(settle, 8) == ["0"] * 7 + ["1"]
    with database.read() as session:
        assert find_run(session, "first").status is RunStatus.LOST
