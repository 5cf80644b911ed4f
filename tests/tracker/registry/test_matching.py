import math

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from tracker.database.kinds import RunStatus
from tracker.database.tables import Pipeline
from tracker.database.types import now
from tracker.errors import FilterError, NotFoundError
from tracker.registry.differences import same
from tracker.registry.matching import Matches


@pytest.fixture
def session(database):
    with database.write() as session:
        yield session


@pytest.fixture
def runs(session, store):
    """`a` shares everything with `twin`, depth and nothing with `near`, nothing with `far`."""
    params = {"lr": 0.1, "model": {"depth": 3}, "nothing": None}
    store(session, {"name": "far", "params": {"lr": 1}})
    store(session, {"name": "twin", "params": params, "status": RunStatus.FINISHED})
    store(session, {"name": "near", "params": params | {"lr": 0.2}, "tags": ["x"]})
    return store(session, {"name": "a", "params": params})


class TestRuns:
    def test_those_that_share_most_come_first(self, session, runs):
        twin, near = Matches(session, "a").by_name()

        assert twin[:5] == ("twin", "digits", "finished", 3, 3)
        assert twin.values == {"lr": 0.1, "model.depth": 3, "nothing": None}
        assert (near.name, near.shared, near.of) == ("near", 2, 3)
        assert near.values == {"model.depth": 3, "nothing": None}

    def test_of_equals_the_newest_comes_first(self, session, runs, store):
        store(session, {"name": "another", "params": {"lr": 0.1, "model": {"depth": 3}}})

        found = Matches(session, "a").by_name()

        assert [match.name for match in found] == ["twin", "another", "near"]

    def test_by_value_it_says_who_has_each(self, session, runs):
        found = Matches(session, "a").by_value()

        assert [tuple(row) for row in found] == [
            ("lr", 0.1, 1, ["twin"]),
            ("model.depth", 3, 2, ["near", "twin"]),
            ("nothing", None, 2, ["near", "twin"]),
        ]
        assert Matches(session, "a").by_value(limit=1)[1] == ("model.depth", 3, 2, ["near"])

    def test_only_those_that_share_these_keys(self, session, runs):
        assert [match.name for match in Matches(session, "a", on=["lr"]).by_name()] == ["twin"]
        with pytest.raises(NotFoundError, match=r"Did you mean 'model.depth'"):
            Matches(session, "a", on=["model.dept"])

    def test_only_those_that_a_filter_describes(self, session, runs):
        found = Matches(session, "a", filter="'x' in tags").by_name()

        assert [match.name for match in found] == ["near"]
        with pytest.raises(FilterError):
            Matches(session, "a", filter="lr <")

    def test_a_limit_keeps_the_first(self, session, runs):
        assert [match.name for match in Matches(session, "a").by_name(limit=1)] == ["twin"]


def test_pipelines_are_compared_by_their_configurations(session, store_pipeline):
    configs = {
        "a": {"model": {"loc": "x:MLP", "args": {"hidden": [64, 32]}}, "epochs": 3},
        "b": {"model": {"loc": "x:MLP", "args": {"hidden": [64, 32.0]}}, "epochs": 4},
        "c": {"model": {"loc": "x:CNN"}, "epochs": 3.0},
        "old": {"model": {"loc": "x:MLP"}, "epochs": 3},
        "d": {"model": {"loc": "x:CNN"}},
    }
    for name in configs:
        store_pipeline(session, {"name": name, "run": {"params": {"epochs": 3}}})
    for row in session.query(Pipeline):
        row.config = configs[row.name]
        row.archived = now() if row.name == "old" else None
    session.flush()

    found = Matches(session, "a").by_name()

    assert [(match.name, match.shared, match.of) for match in found] == [("b", 2, 3), ("c", 1, 3)]
    assert found[0].values == {"model.args.hidden": [64, 32], "model.loc": "x:MLP"}


VALUES = [
    *(0, 1, True, False, 1.0, 0.5, -0.0, "1", "a", "", None, math.nan, math.inf, -math.inf),
    *(2**53, 2**53 + 1, float(2**53), 2**60, float(2**60), 2**60 + 1, 10**400, -(10**400)),
    *([], [1], [1.0], [True], [math.nan], [None], {}),
]
params = st.dictionaries(st.sampled_from("xyz"), st.sampled_from(VALUES), max_size=3)


@settings(max_examples=60, deadline=None)
@given(st.lists(params, min_size=2, max_size=6))
@example([{"x": value} for value in VALUES])
def test_values_are_shared_as_in_plain_python(scratch, store, given_params):
    with scratch.write() as session:
        for number, each in enumerate(given_params):
            store(session, {"name": f"run-{number}", "params": each})
        found = [
            {match.name: match.values for match in Matches(session, f"run-{number}").by_name()}
            for number in range(len(given_params))
        ]
        session.rollback()

    for number, mine in enumerate(given_params):
        expected = {}
        for other, theirs in enumerate(given_params):
            shared = {key for key in mine if key in theirs and same(mine[key], theirs[key])}
            if shared and other != number:
                expected[f"run-{other}"] = shared
        assert {name: set(values) for name, values in found[number].items()} == expected
