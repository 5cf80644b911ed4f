import math
import statistics

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from tests.tracker.conftest import CREATED
from tracker.errors import FilterError, InvalidError
from tracker.registry.grouping import group


@pytest.fixture
def session(database):
    with database.write() as session:
        yield session


@pytest.fixture
def runs(session, store):
    for name, depth, losses in [
        ("a", 3, [2.0, 1.0]),
        ("b", 3, [4.0, 3.0]),
        ("c", 4, [5.0, math.nan]),
        ("d", 4, [math.nan]),
        ("e", "auto", [math.inf, 7.0]),
    ]:
        phases = [{("loss", "epoch"): dict(enumerate(losses))}]
        store(session, {"name": name, "params": {"depth": depth}, "phases": phases})
    store(session, {"name": "f", "params": {}})


COLUMNS = ["metric", "runs", "count", "nan", "mean", "std", "min", "max"]


def test_each_group_says_what_a_metric_came_to(session, runs):
    found = group(session, ["depth"], ["best(loss)"])

    assert found.columns == ["depth", *COLUMNS]
    assert found.rows == [
        (3, "best(loss)", 2, 2, 0, 2.0, statistics.stdev([1, 3]), 1.0, 3.0),
        (4, "best(loss)", 2, 1, 0, 5.0, None, 5.0, 5.0),
        ("auto", "best(loss)", 1, 1, 0, 7.0, None, 7.0, 7.0),
        (None, "best(loss)", 1, 0, 0, None, None, None, None),
    ]


def test_what_is_archived_takes_no_part(session, store):
    phases = [{("loss", "epoch"): {0: 1.0}}]
    store(session, {"name": "a", "params": {}, "phases": phases})
    store(session, {"name": "b", "params": {}, "phases": phases, "archived": CREATED})

    assert [row[:3] for row in group(session, [], ["loss"]).rows] == [("loss", 1, 1)]


def test_nan_is_counted_and_takes_no_part(session, runs):
    (row,) = group(session, ["depth"], ["loss"], filter="depth == 4").rows

    assert row == (4, "loss", 2, 0, 2, None, None, None, None)


def test_an_infinity_is_a_number(session, runs):
    (row,) = group(session, [], ["first(loss)"], filter="name in ('a', 'e')").rows

    assert row[:5] == ("first(loss)", 2, 2, 0, math.inf)
    assert math.isnan(row[5])
    assert row[6:] == (2.0, math.inf)


def test_without_keys_all_are_one_group_and_of_none_there_is_none(session, runs):
    (row,) = group(session, [], ["best(loss)"]).rows

    assert row[:4] == ("best(loss)", 6, 4, 0)
    assert group(session, [], ["best(loss)"], filter="name == 'x'").rows == []


def test_without_metrics_it_is_those_that_lists_show(session, runs, store):
    store(session, {"name": "g", "phases": [{("odd", "epoch"): {0: 1.0}}] * 1})

    found = group(session, [])

    assert [row[0] for row in found.rows] == ["best(loss)"]


def test_several_keys_and_metrics(session, store):
    for depth, rate in ((3, 0.1), (3, 0.2), (3, 0.1)):
        store(session, {"params": {"depth": depth, "lr": rate}, "seed": 5})

    found = group(session, ["depth", "lr * 10"], ["seed", "lr"])

    assert [row[:4] for row in found.rows] == [
        (3, 1.0, "seed", 2),
        (3, 1.0, "lr", 2),
        (3, 2.0, "seed", 1),
        (3, 2.0, "lr", 1),
    ]


def test_groups_are_sorted_by_any_column_the_missing_last(session, runs):
    def means(**order):
        return [row[5] for row in group(session, ["depth"], ["best(loss)"], **order).rows]

    assert means(sort="mean") == [2.0, 5.0, 7.0, None]
    assert means(sort="mean", descending=True) == [7.0, 5.0, 2.0, None]
    assert means(sort="mean", descending=True, limit=1) == [7.0]
    with pytest.raises(InvalidError, match="Did you mean 'mean'"):
        means(sort="men")


def test_a_metric_must_be_a_number_and_a_key_known(session, runs):
    with pytest.raises(InvalidError, match="'name' is no number"):
        group(session, ["depth"], ["name"])
    with pytest.raises(FilterError, match="Did you mean 'depth'"):
        group(session, ["dept"], ["loss"])


def test_pipelines_are_grouped_by_their_current_runs(session, store_pipeline):
    for name, rate in (("p", 0.1), ("q", 0.1), ("r", 0.2)):
        run = {"params": {"lr": rate}, "phases": [{("loss", "epoch"): {0: rate}}]}
        store_pipeline(session, {"name": name, "run": run})
    store_pipeline(session, {"name": "new"})

    found = group(session, ["lr"], ["loss"], of="pipelines")

    assert [row[:4] for row in found.rows] == [
        (0.1, "loss", 2, 2),
        (0.2, "loss", 1, 1),
        (None, "loss", 1, 0),
    ]


KEYS = [0, 1, True, 1.0, -0.0, 0.5, "1", "a", None, math.nan, math.inf, [1], [1.0], [], 2**60 + 1]
losses = st.sampled_from([0.0, 1.0, 0.1, -1.0, 1e9, 1e9 + 1, math.nan, math.inf, -math.inf, None])
rows = st.tuples(st.sampled_from(KEYS), st.sampled_from(["x", "y"]), losses)


def alike(one, other):
    both_nan = all(isinstance(key, float) and math.isnan(key) for key in (one, other))
    return one == other or both_nan


def plain_groups(given_rows):
    """The rules of `group`, without a database: a list per group, found by comparing."""
    groups = []
    for key, word, loss in given_rows:
        for other_key, other_word, members in groups:
            if alike(key, other_key) and word == other_word:
                members.append(loss)
                break
        else:
            groups.append((key, word, [loss]))
    return groups


def plain_spread(members):
    numbers = [loss for loss in members if loss is not None and not math.isnan(loss)]
    nan = sum(1 for loss in members if loss is not None and math.isnan(loss))
    if not numbers:
        return (0, nan, None, None, None, None)
    finite = all(map(math.isfinite, numbers))
    mean = statistics.fmean(numbers) if finite else sum(numbers)
    std = statistics.stdev(numbers) if finite and len(numbers) > 1 else math.nan
    std = None if len(numbers) < 2 else std
    return (len(numbers), nan, mean, std, min(numbers), max(numbers))


@settings(max_examples=60, deadline=None)
@given(st.lists(rows, min_size=1, max_size=12))
@example([(key, "x", 1.0) for key in KEYS])
def test_groups_agree_with_plain_python(scratch, store, given_rows):
    with scratch.write() as session:
        # So that every name is known.
        store(session, {"name": "all", "params": {"k": 1}, "phases": [{("m", "epoch"): {0: 1.0}}]})
        for key, word, loss in given_rows:
            phases = [] if loss is None else [{("m", "epoch"): {0: loss}}]
            run = {"params": {"k": key}, "experiment": word, "phases": phases}
            store(session, run)
        found = group(session, ["k", "experiment"], ["m"], filter="name != 'all'").rows
        session.rollback()

    expected = plain_groups(given_rows)
    assert len(found) == len(expected)
    for key, word, _, number, *numbers in found:
        ((_, _, members),) = [each for each in expected if alike(each[0], key) and each[1] == word]
        assert number == len(members)
        assert numbers == pytest.approx(list(plain_spread(members)), nan_ok=True, abs=1e-6)
