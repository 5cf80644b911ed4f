import csv
import io
import json
import math
from datetime import UTC, datetime, timedelta, timezone

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from tracker.cli.cells import csv_line, for_csv, for_json, for_people, printable, text_width
from tracker.database.kinds import RunStatus

NAN, INF = math.nan, math.inf


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (None, "-"),
        (True, "yes"),
        (False, "no"),
        (3, "3"),
        (0.1 + 0.2, "0.3"),
        (1234567.0, "1.23457e+06"),
        (NAN, "nan"),
        (-INF, "-inf"),
        (RunStatus.RUNNING, "running"),
        (["b", "a"], "b, a"),
        ([], "-"),
        ({"a": NAN, "b": [1, 2], "c": {"d": None}}, "a=nan, b=[1, 2], c={d=-}"),
        ({"a\nb": {}, "c": []}, "a b={}, c=[]"),
        ({}, "-"),
        ("two\nlines\tand a tab", "two lines and a tab"),
        ("\x1b[31mred\x07", r"\x1b[31mred\x07"),
    ],
)
def test_people_read_short_harmless_lines(value, text):
    assert for_people(value) == text


def test_people_read_their_own_time():
    moment = datetime(2026, 1, 31, 9, 30, 5, 123456, tzinfo=timezone(timedelta(hours=5)))

    assert for_people(moment) == moment.astimezone().strftime("%Y-%m-%d %H:%M:%S")


def test_programs_read_utc():
    moment = datetime(2026, 1, 31, 9, 30, 5, 123456, tzinfo=timezone(timedelta(hours=5)))

    assert for_csv(moment) == "2026-01-31T04:30:05.123Z"
    assert json.loads(for_json(moment)) == "2026-01-31T04:30:05.123Z"
    assert datetime.fromisoformat(for_csv(moment)).tzinfo == UTC


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (None, ""),
        (True, "true"),
        (NAN, "nan"),
        (INF, "inf"),
        (-INF, "-inf"),
        (0.1 + 0.2, "0.30000000000000004"),
        (RunStatus.LOST, "lost"),
        (["a", NAN], '["a", "NaN"]'),
    ],
)
def test_csv_is_exact(value, text):
    assert for_csv(value) == text


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (None, "null"),
        (NAN, '"NaN"'),
        (INF, '"Infinity"'),
        (-INF, '"-Infinity"'),
        ({"deep": [NAN, {"er": INF}]}, '{"deep": ["NaN", {"er": "Infinity"}]}'),
        (RunStatus.LOST, '"lost"'),
        ("ü", '"ü"'),
    ],
)
def test_json_is_valid_and_tells_nan_from_missing(value, text):
    assert for_json(value) == text


@given(st.floats())
@example(-0.0)
def test_floats_come_back_from_json_and_csv_as_what_they_were(number):
    from_json = float(json.loads(for_json(number)))
    from_csv = float(for_csv(number))

    for back in (from_json, from_csv):
        assert math.isnan(back) if math.isnan(number) else back == number
        assert math.copysign(1, back) == math.copysign(1, number) or math.isnan(number)


@given(st.text())
@example("")
@example("\r")
def test_text_comes_back_from_csv(text):
    for record in ([text], [text, "end"]):
        line = csv_line([for_csv(field) for field in record])

        assert next(csv.reader(io.StringIO(f"{line}\n", newline=""))) == record


@given(st.text())
def test_printable_text_never_moves_the_cursor(text):
    assert printable(text).isprintable()


@pytest.mark.parametrize(("text", "width"), [("abc", 3), ("学习", 4), ("e\u0301", 1), ("", 0)])
def test_width_is_in_columns_of_the_terminal(text, width):
    assert text_width(text) == width


def test_what_cannot_be_written_is_an_error():
    with pytest.raises(TypeError, match="cannot be written as JSON"):
        for_json(object())
