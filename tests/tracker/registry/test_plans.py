"""No list and no table of a lab reads points, or parameters and series from end to end."""

import re

import pytest
import sqlalchemy as sa

from tracker.registry.listing import find_runs, list_pipelines, list_runs
from tracker.registry.matching import Matches
from tracker.registry.run_table import run_table

LARGE = {"params", "series", "metrics"}


@pytest.fixture
def lab(database, store, store_pipeline):
    run = {
        "params": {"lr": 0.1, "depth": 3, "arch": "mlp"},
        "phases": [{("loss", "epoch"): {0: 1.0, 1: 0.5}, ("acc", "epoch"): {0: 0.5, 1: 0.7}}],
    }
    with database.write() as session:
        for name in "abc":
            store(session, {"name": name, **run})
        store_pipeline(session, {"name": "p", "run": run})
    return database


@pytest.fixture
def scans(lab):
    """What a question reads from end to end, of all that it sends to SQLite."""

    def found(ask):
        statements = []
        with lab.read() as session:
            driver = session.connection().connection.driver_connection
            driver.set_trace_callback(statements.append)
            ask(session)
            driver.set_trace_callback(None)
            plans = [
                row[3]
                for statement in statements
                if statement.lstrip().startswith(("SELECT", "WITH"))
                for row in driver.execute(f"EXPLAIN QUERY PLAN {statement}")
            ]
        assert plans
        scanned = [re.match(r"SCAN (\w+)", step) for step in plans]
        return {scan[1] for scan in scanned if scan}

    return found


QUESTIONS = [
    {},
    {"limit": 2},
    {"filter": "lr < 0.3 and best(loss) < 0.4", "sort": "best(loss)", "limit": 2},
    {"sort": ["lr", "arch", "loss"], "limit": 2},
    {"filter": "std(loss) < 1 or at(loss, 1) < 1", "sort": "std(loss)"},
    {"columns": ["name", "lr", "mean(loss)", "std(loss)", "duration", "tags"]},
    {"archived": False},
    {"deleted": True},
]


@pytest.mark.parametrize("choice", QUESTIONS, ids=str)
def test_lists_scan_nothing_large(scans, choice):
    assert scans(lambda session: list_runs(session, **choice)).isdisjoint(LARGE)
    assert scans(lambda session: list_pipelines(session, **choice)).isdisjoint(LARGE)


def test_ids_and_whole_tables_scan_nothing_large(scans):
    assert scans(lambda session: find_runs(session, filter="loss < 1")).isdisjoint(LARGE)
    assert scans(run_table).isdisjoint({"metrics", "series"})


def test_what_is_shared_is_searched(scans):
    assert scans(lambda session: Matches(session, "a").by_name()).isdisjoint(LARGE)


def test_runs_are_visited_as_they_lie(lab):
    with lab.read() as session:
        statements = []
        sa.event.listen(
            session.connection(),
            "before_cursor_execute",
            lambda *event: statements.append(event[2:4]),
        )
        find_runs(session, sort="lr", limit=2)
        statement, parameters = next(each for each in statements if "ORDER BY" in each[0])
        driver = session.connection().connection.driver_connection
        plan = [row[3] for row in driver.execute(f"EXPLAIN QUERY PLAN {statement}", parameters)]

    assert "SCAN runs" in plan


def test_the_check_itself_sees_a_scan(scans):
    question = sa.text("SELECT * FROM metrics WHERE value < 1")

    assert scans(lambda session: session.execute(question).all()) == {"metrics"}
