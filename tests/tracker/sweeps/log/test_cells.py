"""One value as a cell's text, and back with its type."""

import math
from datetime import UTC, datetime, timedelta, timezone

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from tracker.sweeps.config import frozen
from tracker.sweeps.log.cells import decode, encode, encode_index

scalars = (
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text()
    | st.from_regex(r"[-+]?[0-9.eEinfNaull'\"\[\]() ]{1,8}", fullmatch=True)
)
values = st.recursive(
    scalars,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=4), inner),
    max_leaves=8,
)
moments = st.datetimes(timezones=st.none() | st.just(UTC) | st.just(timezone(timedelta(hours=9))))


def same(one, other):
    """Equal, of the same types all the way down, NaN equal to NaN."""
    return repr(one) == repr(other)


@settings(max_examples=300)
@given(values | moments | st.timedeltas())
@example("1e-3")
@example("banana")
@example("nan")
@example("")
@example(" x")
@example("two\nlines\tand \"quotes'")
@example("\ud800")
@example("2026-03-01 12:00:00")
@example("0 days 00:00:01")
@example("2026-02-31 00:00:00")
@example("1" * 5000)
@example("[1, 2")
@example("(1)")
@example("np.float64(1)")
@example([math.nan, -math.inf, None, True, 1e-300, 10**30])
@example([[], {}, {"a": [None]}, "None", "it's"])
@example(timedelta(microseconds=-1))
@example(-0.0)
def test_a_value_comes_back_as_what_it_was(value):
    text = encode(value)
    if isinstance(value, datetime):
        value = value.replace(fold=0)  # no text tells the two hours apart

    assert same(decode(text), value)
    assert same(decode(encode_index(value)), value)
    assert not set("\n\r\t") & set(text)
    text.encode()


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("banana", "banana"),
        ("inference", "inference"),
        ("0.1", 0.1),
        ("1e-05", 1e-05),
        ("007", "007"),
        ("1_000", "1_000"),
        ("True", True),
        ("true", "true"),
        ("(64, 32)", [64, 32]),
        ("(64,)", [64]),
        ("()", []),
        ("[0.9, nan, inf, -inf]", [0.9, math.nan, math.inf, -math.inf]),
        ("[None, True]", [None, True]),
        ("['nan', nan]", ["nan", math.nan]),
        ("[np.float64(0.5), np.int64(3)]", [0.5, 3]),
        ("numpy.float32(0.5)", 0.5),
        ("'1e-3'", "1e-3"),
        ("2026-03-01 12:00:00.123456", datetime(2026, 3, 1, 12, 0, 0, 123456)),  # noqa: DTZ001
        ("2026-03-01T12:00:00+00:00", datetime(2026, 3, 1, 12, tzinfo=UTC)),
        ("1 days 00:00:05", timedelta(days=1, seconds=5)),
        ("0 days 00:01:01.500000", timedelta(seconds=61.5)),
        ("0 days 00:00:00.000001000", timedelta(microseconds=1)),
        # Nothing of this is a value, and none of it is run.
        ("[nano]", "[nano]"),
        ("[x for x in y]", "[x for x in y]"),
        ("[exit()]", "[exit()]"),
        ("np.load('x')", "np.load('x')"),
        ("{1: 2}", "{1: 2}"),
        ("{**x}", "{**x}"),
        ("[b'x']", "[b'x']"),
        ("[-'x']", "[-'x']"),
        ("[-True]", "[-True]"),
        ("[" * 9000, "[" * 9000),
    ],
)
def test_what_a_cell_means(text, value):
    assert same(decode(text), value)


@pytest.mark.parametrize("text", ["null", "NA", "n/a", "None", "1", " x", "", "True", "[1]"])
def test_text_that_others_would_take_for_something_else_is_quoted(text):
    assert encode(text) == repr(text)


@pytest.mark.parametrize("text", ["adam", "banana", "resnet-18", "a b", "it's", "é", "1e-3x"])
def test_other_text_is_written_as_it_is(text):
    assert encode(text) == text


def test_lists_that_are_read_are_not_shared():
    first = decode("[1, 2]")
    first.append(3)

    assert decode("[1, 2]") == [1, 2]


@pytest.mark.parametrize(
    ("value", "text"),
    [([64, [32]], "(64, (32,))"), ([], "()"), (frozen([{"a": [1]}]), "({'a': [1]},)"), (1, "1")],
)
def test_lists_of_the_grid_are_written_as_tuples(value, text):
    assert encode_index(value) == text


def test_configurations_are_written_as_mappings():
    assert encode(frozen([{"a": {"b": 1}}])) == "[{'a': {'b': 1}}]"
