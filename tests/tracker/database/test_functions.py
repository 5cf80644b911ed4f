import json
import math
import statistics

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from tracker.database.connection import connect, connect_for_reading
from tracker.database.functions import has_item, rounding, same_items, std

integers = st.integers(-(2**200), 2**200)
items = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(),
    st.lists,
    max_leaves=6,
)


@given(integers)
@example(2**53 + 1)
@example(-(2**53) - 1)
def test_float_and_rounding_together_are_the_integer(number):
    if number.bit_length() < 105:  # Beyond, what is left is rounded itself.
        assert int(float(number)) + int(rounding(str(number))) == number


@given(integers, integers)
@example(2**53, 2**53 + 1)
@example(2**60 + 1, 2**60)
def test_integers_are_ordered_by_float_and_rounding(one, other):
    keys = [(float(number), rounding(str(number))) for number in (one, other)]

    if one < other:
        assert keys[0] <= keys[1]
    if max(abs(one), abs(other)) < 2**105:
        assert (one < other) == (keys[0] < keys[1])


def test_integers_beyond_all_floats_lie_below_infinity():
    assert rounding(str(10**400)) < 0
    assert rounding(str(-(10**400))) > 0


@given(items, items)
def test_lists_are_equal_as_in_python(one, other):
    assert same_items(json.dumps(one), json.dumps(other)) == (one == other)
    assert same_items(json.dumps(one), json.dumps(one))


@given(st.lists(items), items)
def test_lists_hold_items_as_in_python(container, item):
    assert has_item(json.dumps(container), json.dumps(item)) == (item in container)
    assert has_item(json.dumps([*container, item]), json.dumps(item))


def test_nan_equals_nothing_and_mappings_hold_nothing():
    assert not same_items(json.dumps([math.nan]), json.dumps([math.nan]))
    assert same_items(json.dumps([math.inf]), json.dumps([math.inf]))
    assert not has_item(json.dumps({"a": 1}), json.dumps("a"))


# Whose squares are neither infinite nor nothing.
floats = st.floats(-1e150, 1e150).filter(lambda number: number == 0 or abs(number) > 1e-100)


@given(st.lists(floats, min_size=2, max_size=20), st.randoms())
@example([0.1] * 3, None)
@example([1e9, 1e9 + 1, 1e9 + 2], None)
def test_std_is_that_of_a_sample_in_any_order(numbers, shuffler):
    expected = statistics.stdev(numbers)
    found = std(numbers)
    if shuffler is not None:
        shuffler.shuffle(numbers)

    assert found == pytest.approx(expected, rel=1e-9, abs=1e-9 * max(map(abs, numbers)))
    assert std(numbers) == found


def test_std_of_too_little_is_missing_and_of_the_infinite_nan():
    assert std([]) is std([3.0]) is None
    assert math.isnan(std([1.0, math.inf]))
    assert math.isnan(std([math.inf, -math.inf]))
    assert math.isnan(std([1e308, -1e308]))


def test_std_in_sql_leaves_out_nulls(empty_database):
    connection = connect_for_reading(empty_database)
    rows = "SELECT column1 AS value FROM (VALUES (1.0), (NULL), (3.0))"
    found = connection.execute(
        f"SELECT lk_std(value), (SELECT lk_std(value) FROM ({rows}) WHERE value > 2) FROM ({rows})"
    ).fetchone()
    connection.close()

    assert found == (statistics.stdev([1.0, 3.0]), None)


@pytest.mark.parametrize("opened", [connect, connect_for_reading])
def test_every_connection_knows_the_functions_and_null_stays_null(empty_database, opened):
    connection = opened(empty_database)
    found = connection.execute(
        "SELECT lk_rounding('9007199254740993'), lk_same_items('[1]', '[1.0]'),"
        " lk_has_item('[1, 2]', '2'), lk_rounding(NULL), lk_same_items(NULL, '[]'),"
        " lk_has_item(NULL, '1')"
    ).fetchone()
    connection.close()

    assert found == (1.0, 1, 1, None, None, None)
