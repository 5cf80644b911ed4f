import pytest
from sqlalchemy import func, select

from tracker.database.kinds import RunStatus
from tracker.database.tables import Environment
from tracker.registry.environments import environments_of, record_environment
from tracker.registry.processes import this_process
from tracker.registry.sessions import begin_session, end_session

FACTS = {
    "git_commit": "abc",
    "git_branch": None,
    "patch": None,
    "python": "3.11",
    "packages": {"numpy": "2.2"},
    "host": "here",
    "platform": "Linux",
    "cpu": "two cores",
    "gpu": None,
}


def test_equal_environments_are_one_row(database):
    with database.write() as session:
        first = record_environment(session, "hash", FACTS)
        again = record_environment(session, "hash", FACTS)
        other = record_environment(session, "other", {**FACTS, "python": "3.12"})

        assert first == again != other
        assert session.scalar(select(func.count(Environment.id))) == 2
        row = session.get(Environment, first)
    assert (row.git_commit, row.packages, row.gpu) == ("abc", {"numpy": "2.2"}, None)


@pytest.mark.parametrize("order", [(0, 1, 0), (1, 0, 1)])
def test_a_run_has_those_of_its_sessions_each_once(database, run_id, order):
    with database.write() as session:
        ids = [record_environment(session, text, FACTS) for text in ("a", "b", "unused")]
        for place in order:
            begun = begin_session(session, run_id, this_process(), ids[place])
            end_session(session, begun.id, RunStatus.STOPPED)
        begin_session(session, run_id, this_process())

        found = [row.id for row in environments_of(session, run_id)]
    assert found == [ids[order[0]], ids[order[1]]]
