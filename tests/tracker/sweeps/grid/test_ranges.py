"""Bracket ranges: `[expression;start:step:stop--start:step:stop]`."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tracker.errors import ConfigurationError, InvalidError
from tracker.sweeps.grid import ConfigIter
from tracker.sweeps.grid.ranges import expand_range


def read(text):
    return ConfigIter.from_yaml(f"value: {text}").static_configs["value"]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("[10**-i;1:1:4]", [0.1, 0.01, 0.001]),
        ("[i*2;0:2:6--10:5:21]", [0, 4, 8, 20, 30, 40]),
        ("[i;3:-1:0]", [3, 2, 1]),
        ("[-i + 1 ; 0:1:2---2:1:0]", [1, 0, 3, 2]),
        ("[(i+1)/10;0:1:3]", [0.1, 0.2, 0.3]),
        ("[i//2;0:1:4]", [0, 0, 1, 1]),
        ("[1e-3*i;1:1:3]", [0.001, 0.002]),
        ("[5;0:1:2]", [5, 5]),
        ("[[i, i*2];1:1:3]", [[1, 2], [2, 4]]),
        ("[[i, [-i]];1:1:2]", [[1, [-1]]]),
        ("[2**-i;0:1:2]", [1, 0.5]),
        ("[i;\n  0:1:3]", [0, 1, 2]),
    ],
)
def test_a_range_is_its_values(text, expected):
    found = read(text)

    assert found == expected
    assert list(map(type, found)) == list(map(type, expected))


def test_ranges_stand_wherever_lists_do():
    configs = ConfigIter.from_yaml("""
        grid:
          a: &some [i;0:1:2]
          b: *some
          group: {c: [[i;0:1:2], [5]], d: [x, y]}
          e:
          - [i;0:1:2]
    """)

    assert configs.grid == [
        {
            "a": [0, 1],
            "b": [0, 1],
            "group": {"c": [[0, 1], [5]], "d": ["x", "y"]},
            "e": [[0, 1]],
        }
    ]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("['i;0:1:3']", ["i;0:1:3"]),
        ('"[i;0:1:3]"', "[i;0:1:3]"),
        ("[sgd;nesterov, adam]", ["sgd;nesterov", "adam"]),
        ("['a', x;y]", ["a", "x;y"]),
        ("[1, 2]  # [i;0:1:3]", [1, 2]),
        ("[[1, 2], [3]]", [[1, 2], [3]]),
        ("[{a: 1;2:3}]", [{"a": "1;2:3"}]),
        ("i;0:1:3", "i;0:1:3"),
    ],
)
def test_what_is_no_range_stays_what_it_is(text, expected):
    assert read(text) == expected


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("[10**10**10;0:1:2]", "a number is too large at i = 0"),
        ("[(10**300)**300;0:1:2]", "a number is too large"),
        ("[10**i*10**i;300:1:302]", "a number is too large"),
        ("[1e308*10;0:1:2]", "a number is too large"),
        ("[2.0**i;5000:1:5001]", "a number is too large"),
        ("[1/i;0:1:2]", "it divides by zero at i = 0"),
        ("[0**-i;1:1:2]", "it divides by zero at i = 1"),
        ("[(0-1)**0.5;0:1:2]", "is not a real number"),
        ("[i;0:1:1000000000000]", "it has 1,000,000,000,000 values, and 100,000 are allowed"),
        ("[i;0:1:99999--0:1:2]", "it has 100,001 values"),
        ("[i;0:1:99999999999999999999]", "is not start:step:stop in whole numbers"),
        ("[i;0:1]", "'0:1' is not start:step:stop"),
        ("[i;0:1.5:3]", "'0:1.5:3' is not start:step:stop"),
        ("[i;5]", "'5' is not start:step:stop"),
        ("[i;]", "'' is not start:step:stop"),
        ("[i;0:0:3]", "the step of '0:0:3' is 0"),
        ("[i;3:1:3]", "'3:1:3' has no values"),
        ("[i i;0:1:2]", "'i i' is no expression"),
        ("[;0:1:2]", "'' is no expression"),
        ("[" + "(" * 300 + "i;0:1:2]", "is no expression"),
        ("[i, i;0:1:2]", "only numbers, i,"),
        ("[j;0:1:2]", "only numbers, i,"),
        ("[exit(i);0:1:2]", "only numbers, i,"),
        ("[i.real;0:1:2]", "only numbers, i,"),
        ("[i if i else 2;0:1:2]", "only numbers, i,"),
        ("[True;0:1:2]", "only numbers, i,"),
        ("[2j;0:1:2]", "only numbers, i,"),
        ("[i<<9;0:1:2]", "only numbers, i,"),
        ("[[i]*9;0:1:2]", "there is no arithmetic with lists"),
        ("[-[i];0:1:2]", "there is no arithmetic with lists"),
    ],
)
def test_a_wrong_range_is_refused_with_its_line(text, words):
    with pytest.raises(ConfigurationError) as refused:
        ConfigIter.from_yaml(f"a: 1\nvalue: {text}\n")

    assert str(refused.value).startswith("the grid, line 2: the range [")
    assert words in str(refused.value)


def test_a_tag_that_looks_like_a_range_is_none():
    with pytest.raises(ConfigurationError, match="its brackets or its semicolon are missing"):
        ConfigIter.from_yaml("value: !range i")


operands = st.sampled_from(["i", "1", "2", "3", "0.5", "10"])
expressions = st.recursive(
    operands,
    lambda inner: (
        st.builds("({}{}{})".format, inner, st.sampled_from("+-*/"), inner)
        | st.builds("-{}".format, inner)
    ),
    max_leaves=6,
)


@given(
    expression=expressions,
    segments=st.lists(
        st.tuples(st.integers(-5, 5), st.sampled_from([-2, -1, 1, 2]), st.integers(-9, 9)),
        min_size=1,
        max_size=3,
    ),
)
def test_a_range_is_what_python_says(expression, segments):
    text = "--".join(f"{start}:{step}:{stop}" for start, step, stop in segments)
    parts = [range(start, stop, step) for start, step, stop in segments]
    try:
        assert all(map(len, parts))
        expected = [eval(expression, {"i": i}) for part in parts for i in part]  # noqa: S307 - ours
    except (AssertionError, ZeroDivisionError):
        with pytest.raises(InvalidError):
            expand_range(f"[{expression};{text}]")
        return
    assert expand_range(f"[{expression};{text}]") == expected
