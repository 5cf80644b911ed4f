import json
import math
import subprocess
import sys
from datetime import UTC, datetime, timedelta

import pytest
import sqlalchemy as sa
from hypothesis import given, settings
from hypothesis import strategies as st

from tracker.database.kinds import Goal
from tracker.database.tables import Run
from tracker.errors import FilterError, InvalidError
from tracker.registry.goals import set_goal
from tracker.registry.listing import find_runs, list_pipelines, list_runs
from tracker.registry.pipelines import find_pipeline, set_archived
from tracker.registry.processes import this_process
from tracker.registry.runs import find_run
from tracker.registry.sessions import begin_session, end_session
from tracker.registry.tags import add_tags

START = datetime(2026, 1, 1, tzinfo=UTC)


def at(hour):
    return START + timedelta(hours=hour)


@pytest.fixture
def lab(database, store):
    """Three runs of `digits`, the newest last, and one of `soh`."""
    with database.write() as session:
        for number, (lr, losses) in enumerate([(0.1, [3, 1, 2]), (0.01, [5, 4]), (1, [math.nan])]):
            run = {
                "name": "abc"[number],
                "params": {"lr": lr},
                "phases": [{("val_loss", "epoch"): dict(enumerate(losses))}],
                "status": "finished",
                "created": at(number),
                "started": at(number),
                "ended": at(number + 1),
                "epoch": len(losses) - 1,
            }
            store(session, run)
        store(session, {"name": "d", "experiment": "soh", "created": at(-1), "tags": ["x", "a"]})
    return database


def names(lab, listing=list_runs, **choice):
    with lab.read() as session:
        return [row[0] for row in listing(session, columns=["name"], **choice).rows]


class TestRows:
    def test_the_newest_comes_first(self, lab):
        assert names(lab) == ["c", "b", "a", "d"]

    def test_a_filter_chooses(self, lab):
        assert names(lab, filter="lr >= 0.1") == ["c", "a"]

    def test_a_limit_leaves_out_the_last_but_still_counts_them(self, lab):
        with lab.read() as session:
            for choice in ({}, {"filter": "lr < 5 or True"}, {"sort": "name"}):
                found = list_runs(session, limit=2, columns=["name"], **choice)
                assert (len(found.rows), found.total) == (2, 4)
            none = list_runs(session, filter="lr > 5", limit=2, columns=["name"])
        assert (none.rows, none.total, none.ids) == ([], 0, [])

    def test_a_limit_below_one_is_refused(self, lab):
        with lab.read() as session, pytest.raises(InvalidError, match="not 0"):
            list_runs(session, limit=0)

    def test_ids_are_those_of_the_rows(self, lab):
        with lab.read() as session:
            found = list_runs(session, sort="name", filter="lr < 5", columns=["name"])
            by_id = {run.id: run.name for run in session.scalars(sa.select(Run))}
            assert [by_id[id_] for id_ in found.ids] == ["a", "b", "c"]
            assert find_runs(session, sort="name", filter="lr < 5", limit=2) == (found.ids[:2], 3)


class TestSorting:
    def test_goes_upwards_with_what_is_missing_last(self, lab):
        assert names(lab, sort="lr") == ["b", "a", "c", "d"]
        assert names(lab, sort="lr", descending=True) == ["c", "a", "b", "d"]

    def test_nan_is_last_both_ways(self, lab):
        assert names(lab, sort="val_loss") == ["a", "b", "c", "d"]
        assert names(lab, sort="val_loss", descending=True) == ["b", "a", "c", "d"]

    def test_best_puts_the_best_first_whatever_the_goal(self, lab):
        assert names(lab, sort="best(val_loss)")[:2] == ["a", "b"]
        with lab.write() as session:
            set_goal(session, "val_loss", Goal.MAX)
        assert names(lab, sort="best(val_loss)")[:2] == ["b", "a"]
        assert names(lab, sort="best(val_loss)", descending=False)[:2] == ["a", "b"]
        assert names(lab, sort="max(val_loss)")[:2] == ["a", "b"]

    def test_of_equals_the_next_expression_decides_then_the_newest(self, lab):
        assert names(lab, sort=["experiment", "name"]) == ["a", "b", "c", "d"]
        assert names(lab, sort="experiment") == ["c", "b", "a", "d"]
        assert names(lab, sort=["status", "lr * -1"]) == ["c", "a", "b", "d"]

    def test_tags_sort_by_the_first_of_them(self, lab):
        with lab.write() as session:
            add_tags(session, ["z", "b"], run_id=list_runs(session, filter="name == 'b'").ids[0])

        assert names(lab, sort="tags") == ["d", "b", "c", "a"]


values = st.sampled_from(
    [
        *(None, math.nan, 0, 1, -1, 0.5, True, math.inf, -math.inf, 2**53, 2**53 + 1, 2**53 + 2),
        *(2**60, 2**60 + 1, float(2**60), -(2**53) - 1, -(2**53) - 2, "", "a", "b", "B", "ä", "10"),
    ]
)


def place(value, *, descending):
    """Numbers before texts before what is missing; `descending` turns each of them round."""
    if value is None or value != value:  # noqa: PLR0124 - NaN
        return (2, 0)
    if isinstance(value, str):
        codes = [ord(letter) for letter in value]
        return (1, [-code for code in codes] + [math.inf] if descending else codes)
    return (0, -value if descending else value)


@settings(max_examples=50, deadline=None)
@given(given_values=st.lists(values, min_size=1, max_size=8), descending=st.booleans())
def test_parameters_sort_as_in_plain_python(scratch, store, given_values, descending):
    with scratch.write() as session:
        store(session, {"name": "first", "params": {"x": 0}})
        for number, value in enumerate(given_values):
            store(session, {"name": str(number), "params": {"x": value}, "created": at(-number)})
        found = list_runs(
            session, filter="name != 'first'", sort="x", descending=descending, columns=["name"]
        )
        session.rollback()

    numbers = range(len(given_values))
    wanted = sorted(numbers, key=lambda number: place(given_values[number], descending=descending))
    assert [int(name) for (name,) in found.rows] == wanted


class TestColumns:
    def test_anything_a_filter_names_can_be_shown(self, lab):
        columns = ["name", "lr", "best(val_loss)", "val_loss", "lr * 2", "lr < 0.05", "tags"]
        with lab.read() as session:
            found = list_runs(session, sort="name", columns=columns)

        assert found.columns == columns
        assert repr(found.rows) == repr(
            [
                ("a", 0.1, 1.0, 2.0, 0.2, False, ()),
                ("b", 0.01, 4.0, 4.0, 0.02, True, ()),
                ("c", 1, None, math.nan, 2.0, False, ()),
                ("d", None, None, None, None, False, ("a", "x")),
            ]
        )

    @pytest.mark.parametrize(
        "value",
        [True, False, 3, -(2**63), 10**30, 0.1, math.inf, "", "a'b", [1, [2.5, None]], {}, None],
        ids=repr,
    )
    def test_a_parameter_comes_back_as_it_was(self, database, store, value):
        with database.write() as session:
            store(session, {"params": {"x": value, "y": 1}})
            ((found,),) = list_runs(session, columns=["params.x"]).rows

        assert (found, type(found)) == (value, type(value))

    def test_columns_of_a_run(self, lab):
        columns = ["experiment", "status", "seed", "epoch", "created", "ended", "duration", "phase"]
        with lab.read() as session:
            (row,) = list_runs(session, filter="name == 'a'", columns=columns).rows

        assert row == ("digits", "finished", None, 2, at(0), at(1), 3600.0, None)

    def test_large_seeds_are_whole(self, database, store):
        with database.write() as session:
            store(session, {"seed": 2**63 - 1})
            assert list_runs(session, columns=["seed"]).rows == [(2**63 - 1,)]

    def test_unless_said_the_main_metrics_are_shown(self, database, store):
        metrics = ["train_loss", "val_loss", "val/accuracy", "speed", "lr"]
        with database.write() as session:
            for number in range(4):
                phase = {(name, "epoch"): {0: 1.0} for name in metrics}
                if number == 0:
                    phase["rare_val_loss", "epoch"] = {0: 1.0}
                store(session, {"name": str(number), "phases": [phase]})
            found = list_runs(session)
            assert list_runs(session, filter="name == 'x'").rows == []

        assert found.columns == [
            *("name", "experiment", "status", "epoch"),
            *("best(val_loss)", "last(val_loss)", 'best("val/accuracy")', 'last("val/accuracy")'),
            *("duration", "created"),
        ]
        assert {len(row) for row in found.rows} == {10}

    def test_what_was_followed_comes_before_what_was_measured_once(self, database, store):
        once = {(name, "epoch"): {5: 1.0} for name in ("test_accuracy", "test_loss")}
        with database.write() as session:
            store(session, {"phases": [{("val_f1", "epoch"): {0: 0.1, 1: 0.2}, **once}]})
            found = list_runs(session)

        assert found.columns[4:-2:2] == ["best(val_f1)", "best(test_loss)"]

    def test_a_metric_without_a_goal_shows_its_last_value(self, database, store):
        with database.write() as session:
            store(session, {"phases": [{("speed", "step"): {0: 1.0, 1: 2.0}}]})
            found = list_runs(session)

        assert found.columns[4:-2] == ["last(speed)"]
        assert found.rows[0][4] == 2.0

    def test_a_column_that_makes_no_sense_is_refused(self, lab):
        with lab.read() as session, pytest.raises(FilterError, match="Did you mean 'status'"):
            list_runs(session, columns=["statsu"])


class TestStatus:
    @pytest.fixture
    def vanished(self, database, store):
        """A run whose process has ended without a word; the record says that it is running."""
        program = (
            "import json\nfrom tracker.registry.processes import this_process\n"
            "print(json.dumps(this_process()))"
        )
        output = subprocess.check_output([sys.executable, "-c", program], text=True)
        process = type(this_process())(*json.loads(output))
        with database.write() as session:
            run_id = store(session, {"name": "vanished"})
            begin_session(session, run_id, process)
            return run_id

    @pytest.mark.usefixtures("vanished")
    def test_a_vanished_run_is_lost_before_anybody_recorded_it(self, database, store):
        with database.write() as session:
            begin_session(session, store(session, {"name": "alive"}), this_process())
        with database.read() as session:
            rows = dict(list_runs(session, columns=["name", "status"]).rows)
            recorded = set(session.scalars(sa.select(Run.status)))

        assert rows == {"vanished": "lost", "alive": "running"}
        assert recorded == {"running"}
        assert names(database, filter="status == 'lost'") == ["vanished"]
        assert names(database, filter="status == 'running'") == ["alive"]

    def test_a_run_that_somebody_goes_on_with_is_not_lost(self, database, vanished):
        """The old session is still open, as in a lab copied in the middle of it all."""
        with database.write() as session:
            session.execute(sa.text("UPDATE sessions SET ended = heartbeat"))
            begin_session(session, vanished, this_process())
            session.execute(sa.text("UPDATE sessions SET ended = NULL"))

        assert names(database, filter="status == 'running'") == ["vanished"]

    def test_a_pipeline_shows_its_run_as_lost(self, database, vanished, pipeline_id):
        with database.write() as session:
            session.execute(sa.text(f"UPDATE runs SET pipeline_id = {pipeline_id};"))
            session.execute(sa.text(f"UPDATE pipelines SET current_run_id = {vanished}"))
        with database.read() as session:
            assert list_pipelines(session, columns=["status"]).rows == [("lost",)]

    def test_an_ended_run_keeps_what_it_said(self, database, store):
        with database.write() as session:
            run_id = store(session, {})
            begun = begin_session(session, run_id, this_process())
            end_session(session, begun.id, "failed", reason="ValueError: no")
            rows = list_runs(session, columns=["status", "reason"]).rows

        assert rows == [("failed", "ValueError: no")]


class TestPipelines:
    @pytest.fixture
    def pipelines(self, database, store_pipeline):
        run = {
            "name": "run-1",
            "params": {"lr": 0.1},
            "status": "finished",
            "phases": [{("val_loss", "epoch"): {0: 2.0, 1: 1.0, 2: 1.5}}],
            "epoch": 2,
        }
        with database.write() as session:
            store_pipeline(session, {"name": "mlp", "run": run, "tags": ["good"]})
            store_pipeline(session, {"name": "new", "created": at(1)})
            store_pipeline(session, {"name": "old", "created": at(2), "archived": at(3)})
        return database

    def test_show_their_current_run(self, pipelines):
        with pipelines.read() as session:
            found = list_pipelines(session)

        assert found.columns == [
            *("name", "experiment", "status", "epoch", "best(val_loss)", "last(val_loss)"),
            *("duration", "created"),
        ]
        assert found.rows == [
            ("new", "digits", None, None, None, None, None, at(1)),
            ("mlp", "digits", "finished", 2, 1.0, 1.5, None, at(0)),
        ]

    def test_archived_ones_are_out_of_the_way(self, pipelines):
        assert names(pipelines, list_pipelines) == ["new", "mlp"]
        assert names(pipelines, list_pipelines, archived=True) == ["old"]
        assert names(pipelines, list_pipelines, archived=None) == ["old", "new", "mlp"]
        assert names(pipelines, list_pipelines, filter="name == 'old'") == []

    def test_a_run_in_the_trash_chooses_no_metric(self, database, store_pipeline):
        """Its pipeline is still to be seen, and shows nothing of it."""
        with database.write() as session:
            for name, metric, deleted in (("a", "val_loss", None), ("b", "val_f1", at(1))):
                run = {"name": name, "params": {}, "phases": [{(metric, "epoch"): {0: 1.0}}]}
                store_pipeline(session, {"name": name, "run": run})
                find_run(session, name).deleted = deleted
            found = list_pipelines(session)

        assert "best(val_loss)" in found.columns
        assert "best(val_f1)" not in found.columns

    def test_runs_of_archived_ones_can_be_left_out(self, pipelines, store):
        with pipelines.write() as session:
            store(session, {"name": "free"})
            set_archived(session, find_pipeline(session, "mlp"), archived=True)

        assert names(pipelines, archived=False) == ["free"]
        assert names(pipelines, archived=True) == ["run-1"]
        assert names(pipelines, sort="name") == ["free", "run-1"]


HEAVY = {"torch", "pandas", "numpy", "matplotlib", "sklearn", "pyarrow", "alembic", "engine"}


def test_listing_imports_nothing_heavy():
    program = (
        "import sys, tracker.registry.listing, tracker.registry.run_table; print(*sys.modules)"
    )
    modules = subprocess.check_output([sys.executable, "-c", program], text=True).split()

    assert HEAVY.isdisjoint(modules)
