"""SQLite answers filters from indexes: nothing is read from end to end but runs and pipelines."""

import re

import pytest
import sqlalchemy as sa

from tracker.database.tables import Pipeline, Run
from tracker.filters import Filters

PARAMS = {"lr": 0.1, "depth": 3, "arch": "mlp", "hidden": [64, 32], "big": 2**60 + 1}
POINTS = {("loss", "epoch"): {0: 1.0, 1: 0.5}, ("acc", "epoch"): {0: 0.5, 1: 0.7}}
CONDITIONS = [
    "lr < 0.01",
    "lr == 0.1 and depth in (3, 4) and big > 5",
    "arch == 'mlp' or arch in ('cnn', 'rnn')",
    "like(arch, 'm%') or matches(arch, 'm')",
    "hidden == [64, 32] or 64 in hidden",
    "lr is None and not isnan(depth)",
    "best(loss) < 0.3 and loss < 1 and acc is not None",
    "mean(loss) < 1 or count(acc) > 2 or first(loss) > 3",
    "at(loss, 1) < 1 and std(acc) < 1",
    "lr < depth and loss < acc and loss * 2 < lr",
    "experiment == 'digits' and status == 'finished' and name == 'a'",
    "'x' in tags or tags is None or like(tags, 'y%')",
    "created > '2026-01' and duration > 5 and started is None",
    "pipeline == 'p' and archived is None",
]
VALUES = [
    "lr",
    "loss",
    "best(acc)",
    "mean(loss)",
    "at(loss, 1)",
    "std(loss)",
    "tags",
    "duration",
    "lr + loss",
]


@pytest.fixture
def lab(database, store, store_pipeline):
    with database.write() as session:
        store(session, {"params": PARAMS, "phases": [POINTS]})
        store_pipeline(session, {"name": "p", "run": {"params": PARAMS, "phases": [POINTS]}})
    return database


def scans(session, statement):
    """What is read from end to end, as SQLite calls it."""
    sql = statement.compile(session.bind, compile_kwargs={"literal_binds": True})
    plan = session.connection().exec_driver_sql(f"EXPLAIN QUERY PLAN {sql}").scalars("detail")
    found = [re.match(r"SCAN (\w+)", step) for step in plan]
    return {scan[1] for scan in found if scan}


@pytest.mark.parametrize("of", ["runs", "pipelines"])
@pytest.mark.parametrize("text", CONDITIONS)
def test_a_condition_scans_no_parameters_series_or_points(lab, text, of):
    if of == "pipelines":
        text = text.replace("pipeline == 'p'", "run == 'run'")
    with lab.read() as session:
        table = Run if of == "runs" else Pipeline
        statement = sa.select(table.id).where(Filters(session, of).condition(text))
        found = scans(session, statement)

    # `anon_1` is the result of another step; `runs_1` is runs, for the second time.
    assert {re.sub(r"_\d+$", "", name) for name in found} <= {"runs", "pipelines", "anon"}


@pytest.mark.parametrize("text", VALUES)
def test_a_value_to_show_or_sort_by_is_looked_up_run_by_run(lab, text):
    with lab.read() as session:
        value = Filters(session).value(text)
        statement = sa.select(Run.id, *value.columns).order_by(*value.order())
        found = scans(session, statement)

    assert found <= {"runs"}


def test_a_range_of_a_parameter_is_searched_by_its_numbers(lab):
    with lab.read() as session:
        statement = sa.select(Run.id).where(Filters(session).condition("lr < 0.01"))
        sql = statement.compile(session.bind, compile_kwargs={"literal_binds": True})
        plan = session.connection().exec_driver_sql(f"EXPLAIN QUERY PLAN {sql}").all()

    (step,) = (row.detail for row in plan if "params" in row.detail)
    assert "COVERING INDEX" in step
    assert "(key=? AND number<?)" in step


def test_the_check_itself_sees_a_scan(lab):
    with lab.read() as session:
        assert scans(session, sa.text("SELECT * FROM metrics WHERE value < 1")) == {"metrics"}
