import math
from datetime import UTC, datetime

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tracker.database.kinds import Goal
from tracker.registry.goals import set_goal
from tracker.registry.listing import list_runs
from tracker.registry.run_table import RUN_COLUMNS, run_table

NOON = datetime(2026, 1, 31, 12, tzinfo=UTC)


def of(session, **choice):
    """The table without the columns that every run has."""
    columns = run_table(session, **choice).columns
    return {name: values for name, values in columns.items() if name not in RUN_COLUMNS}


def test_every_parameter_and_metric_is_a_column(database, store):
    with database.write() as session:
        store(
            session,
            {
                "name": "a",
                "params": {"lr": 0.1, "model": {"depth": 3, "bias": True}, "a/b": "x"},
                "phases": [{("val_loss", "epoch"): {0: 2.0, 1: 1.0, 2: 1.5}}],
            },
        )
        store(
            session,
            {
                "name": "b",
                "params": {"lr": 10**30, "hidden": [64, 32], "nothing": None, "nan": math.nan},
                "phases": [{("val/acc", "epoch"): {0: 0.5}, ("speed", "step"): {0: math.nan}}],
            },
        )
        columns = of(session, sort="name")

    assert repr(columns) == repr(
        {
            'params["a/b"]': ["x", None],
            "params.hidden": [None, [64, 32]],
            "params.lr": [0.1, 10**30],
            "params.model.bias": [True, None],
            "params.model.depth": [3, None],
            "params.nan": [None, math.nan],
            "params.nothing": [None, None],
            "metrics.speed": [None, math.nan],
            'metrics["val/acc"]': [None, 0.5],
            'best("val/acc")': [None, 0.5],
            "metrics.val_loss": [1.5, None],
            "best(val_loss)": [1.0, None],
        }
    )


def test_every_run_has_its_own_columns(database, store):
    with database.write() as session:
        run = {"seed": 7, "tags": ["b", "a"], "started": NOON, "ended": NOON, "note": "mine"}
        store(session, {"name": "a", "created": NOON, "status": "finished", **run})
        table = run_table(session)

    assert list(table.columns) == list(RUN_COLUMNS)
    values = {name: column for name, (column,) in table.columns.items()}
    wanted = {"name": "a", "experiment": "digits", "status": "finished", "created": NOON}
    wanted |= run | {"tags": ("a", "b"), "duration": 0.0, "uuid": values["uuid"]}
    assert values == dict.fromkeys(RUN_COLUMNS) | wanted


def test_the_rows_are_those_of_the_listing(database, store):
    with database.write() as session:
        for number in range(5):
            store(session, {"name": str(number), "params": {"x": number}})
        for choice in (
            {},
            {"filter": "x > 1", "sort": "x"},
            {"sort": "x", "descending": True, "limit": 2},
            {"filter": "x > 9"},
        ):
            table, listing = run_table(session, **choice), list_runs(session, **choice)
            assert table.ids == listing.ids
            assert table.columns["name"] == [row[0] for row in listing.rows]


def test_what_no_chosen_run_has_is_no_column(database, store):
    with database.write() as session:
        series = {("loss", "step"): {0: 1.0}}
        store(session, {"name": "a", "params": {"x": 1}, "phases": [series]})
        store(session, {"name": "b", "params": {"y": 1}})

        assert of(session, filter="name == 'b'") == {"params.y": [1]}
        assert of(session, filter="name == 'c'") == {}
        assert all(column == [] for column in run_table(session, filter="x > 1").columns.values())


@pytest.mark.parametrize("others", [0, 5], ids=["most runs", "few of many runs"])
def test_of_several_phases_the_last_is_last_and_the_best_is_best(database, store, others):
    phases = [
        {("loss", "step"): {3: 0.4}, ("acc", "step"): {3: 0.4}},
        {("loss", "step"): {3: 0.6}, ("acc", "step"): {3: math.nan}},
        {("loss", "step"): {2: 0.5}, ("acc", "step"): {2: 0.5}},
    ]
    with database.write() as session:
        for number in range(others):
            store(session, {"name": str(number), "phases": [{("loss", "step"): {0: 0.0}}]})
        store(session, {"name": "a", "phases": phases})
        columns = of(session, filter="name == 'a'")

    assert repr(columns) == repr(
        {
            "metrics.acc": [math.nan],
            "best(acc)": [0.5],
            "metrics.loss": [0.6],
            "best(loss)": [0.4],
        }
    )


def test_what_was_said_of_a_metric_decides_which_is_best(database, store):
    with database.write() as session:
        store(session, {"phases": [{("loss", "step"): {0: 1.0, 1: 2.0}}]})
        set_goal(session, "loss", Goal.MAX)
        assert of(session) == {"metrics.loss": [2.0], "best(loss)": [2.0]}


leaves = st.sampled_from(
    [None, True, 0, 1, 0.5, math.nan, math.inf, 2**53 + 1, -(2**60), "a", "", [], [1, "a"]]
)
points = st.dictionaries(
    st.integers(0, 3), st.sampled_from([0.0, 1.0, math.nan, math.inf]), min_size=1, max_size=3
)
phase = st.dictionaries(
    st.tuples(st.sampled_from(["loss", "acc", "m"]), st.sampled_from(["step", "epoch"])), points
)
runs = st.fixed_dictionaries(
    {
        "params": st.dictionaries(st.sampled_from(["x", "y", "z w"]), leaves),
        "phases": st.lists(phase, max_size=3),
    }
)


@settings(max_examples=40, deadline=None)
@given(lab=st.lists(runs, min_size=1, max_size=5), limit=st.integers(1, 5))
def test_each_column_is_what_the_filter_language_says(scratch, store, lab, limit):
    """Its name is an expression: listing that one gives the same values."""
    with scratch.write() as session:
        for number, run in enumerate(lab):
            store(session, {"name": str(number), **run})
        table = run_table(session, limit=limit)
        listed = list_runs(session, limit=limit, columns=list(table.columns)).rows
        session.rollback()

    assert repr([list(row) for row in zip(*table.columns.values(), strict=True)]) == repr(
        [list(row) for row in listed]
    )
